"""The cascade: which component was in trouble when, why it began, what kept it going, and when it had drained.

An outage of many parts is told wrongly by one curve: each part falls later than the one before, for a reason of its
own, and gets up later still. So each component gets a lane:

    trigger      a fault injected into it, from injection to healing
    trouble      its waiting work is above the line, or its queue delay above its callers' timeout, or it refuses or
                 fails work; never what the baseline showed as well (all three must be over twice its highest there)
    line         baseline + 5 % of the peak, as for the run's own backlog
    sustaining   its trouble while its trigger is gone: what only the state of the system keeps alive
    drained      the end of the trouble that holds the peak of its waiting work, if nothing waits at the end of the load

Trouble with gaps of up to 1 s is one; shorter than 0.5 s it is left out, unless work was refused. Time counts from the
first injection to the end of the load. Work that waits is trouble from the moment it left what is normal on its way
over the line, so that a large peak does not hide an early beginning.

Leaves out: what a lane follows (`lanes.py`), and the users, who have curves of their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from harness.analyse import deeds
from harness.analyse.backlog import DRAINED_FOR_S, LOAD, drained_level
from harness.analyse.evidence import Evidence
from harness.analyse.lanes import Lane, call_graph, explained
from harness.analyse.percentiles import Floats
from harness.analyse.spans import Span, joined, length_s, where, within
from harness.analyse.windows import Windows
from harness.spec.region import APPS, CLOUD
from harness.units import duration_s

ORDER = ("dns", "kv", *CLOUD, *APPS)  # as dependencies go; others follow by name
LEAST_S = 0.5
NOTED_MOST = 60  # moments kept of one kind of note
# Counters of work that came to nothing at the component, beside what callers saw refused.
_FAILED = ("empty_answers_total", "dependency_failed_total", "no_capacity_total", "errors_injected_total")


def trace(evidence: Evidence) -> list[Lane]:
    """The lanes of a run, in the order of dependencies; only of components that did something."""
    moments, journal = evidence.moments, evidence.run.journal
    from_s = moments.t_inject_s if moments.t_inject_s is not None else moments.baseline.end_s
    names = {*(evidence.run.plan.get("components") or {}), *evidence.backlog.by_component, *deeds.named(journal)}
    place = {name: number for number, name in enumerate(ORDER)}
    lanes = []
    for name in sorted(names, key=lambda name: (name == LOAD, place.get(name, len(place)), name)):
        lane = _lane(name, evidence, from_s)
        if lane.triggers or lane.trouble or lane.actions or lane.notes:
            lanes.append(lane)
    return explained(lanes, call_graph(evidence.run.plan, evidence.windows.layers))


def written(lanes: Iterable[Lane], reasons: dict[str, str]) -> list[dict[str, Any]]:
    """The lanes as measures.json holds them; reasons of what is undefined go to `reasons`."""
    found = []
    for lane in lanes:
        found.append({
            "component": lane.component,
            "began_s": lane.began_s,
            "ended_s": lane.ended_s,
            "trigger": lane.trigger,
            "follows": lane.follows,
            "action": ", ".join(dict.fromkeys(name for _, name, _ in lane.actions)) or None,
            "peak": round(lane.peak, 3),
            "peak_at_s": lane.peak_at_s,
            "drained_s": lane.drained_s,
            "sustained_s": round(length_s(lane.sustained), 6),
            "triggers": [[*span] for span in lane.triggers],
            "trouble": [[*span] for span in lane.trouble],
            "sustained": [[*span] for span in lane.sustained],
            "refusing": [[*span] for span in lane.refusing],
            "actions": [[*action] for action in lane.actions],
            "notes": [
                {"kind": kind, "count": len(at_s), "at_s": at_s[:NOTED_MOST]} for kind, at_s in lane.notes.items()
            ],
        })  # fmt: skip
        reasons |= {f"cascade.{lane.component}.{key}": text for key, text in lane.why.items()}
    return found


def _lane(name: str, evidence: Evidence, from_s: float) -> Lane:
    """One component by itself, before anybody asks what it follows."""
    windows, moments, journal = evidence.windows, evidence.moments, evidence.run.journal
    to_s = moments.load_end_s
    base = windows.span(moments.baseline.start_s, moments.baseline.end_s)
    judged = windows.span(from_s, to_s)
    none = np.zeros(windows.n)
    waiting = evidence.backlog.by_component.get(name, none) if name != LOAD else none  # its orbit is the users' own
    baseline = float(np.median(waiting[base])) if waiting[base].size else 0.0
    peak = float(waiting[judged].max(initial=0.0))
    normal = max(drained_level(baseline, 0.0), _normal(waiting, base))
    level = max(drained_level(baseline, peak), normal)
    width_s = windows.width_s

    def over(series: Floats, limit: float) -> list[Span]:
        return within(where(series > limit, width_s), from_s, to_s)

    piled = lasting(from_where(over(waiting, level), over(waiting, normal)))
    delay_s = _delay_s(windows, name)
    late = lasting(over(delay_s, max(_timeout_s(evidence, name), _normal(delay_s, base))))
    refused = _refused(windows, name)
    empty = within(deeds.empty(journal, to_s), from_s, to_s) if name == "dns" else []
    refusing = joined([*over(refused, _normal(refused, base)), *empty], DRAINED_FOR_S)
    trouble = joined([*piled, *refusing, *late], DRAINED_FOR_S)
    triggers = deeds.faults(journal, name, moments.t_fix_s, to_s)
    why: dict[str, str] = {}
    peak_at_s = drained_s = None
    if piled:
        peak_at_s = float((judged.start + int(np.argmax(waiting[judged])) + 1) * width_s)
        drained_s = next((end_s for start_s, end_s in piled if start_s < peak_at_s <= end_s), None)
        left = float(waiting[judged][-1])
        if left > level or drained_s is None or drained_s >= to_s:
            drained_s = None
            why["drained_s"] = f"{left:,.0f} items still waited at the end of the load, over the line of {level:,.0f}"
    else:
        why |= dict.fromkeys(("drained_s", "peak_at_s"), "no work piled up here")
    began_s = min([start_s for start_s, *_ in triggers] + [start_s for start_s, _ in trouble], default=None)
    if began_s is None:
        why |= dict.fromkeys(("began_s", "ended_s"), "it was in no trouble")
    ended_s: float | None = max([end_s for _, end_s, _ in triggers] + [end_s for _, end_s in trouble], default=math.inf)
    if began_s is not None and ended_s is not None and ended_s >= to_s:
        why["ended_s"] = "still in trouble at the end of the load"
    ended_s = None if ended_s is None or ended_s >= to_s else ended_s
    return Lane(
        name, triggers, trouble, refusing, deeds.actions(journal, name), deeds.notes(journal, name), peak, peak_at_s,
        level, drained_s, began_s, ended_s, why,
    )  # fmt: skip


def lasting(spans: Iterable[Span]) -> list[Span]:
    """Joined over gaps of a second, and what is then too short to be anything left out."""
    return [span for span in joined(spans, DRAINED_FOR_S) if span[1] - span[0] >= LEAST_S]


def from_where(spans: Iterable[Span], wider: Iterable[Span]) -> list[Span]:
    """Each span from the start of the wider one it begins in."""
    known = list(wider)
    return [(min([start_s, *(a for a, b in known if a <= start_s < b)]), end_s) for start_s, end_s in spans]


def _refused(windows: Windows, name: str) -> Floats:
    """Requests refused or failed here, per window: as callers saw them, and by the component's own counters."""
    total = np.zeros(windows.n)
    for edge in windows.layers:
        if edge.endswith(f"->{name}"):
            total = total + windows.get("throttled_server", edge)
    edges_s = np.arange(windows.n + 1) * windows.width_s
    for gauge in _FAILED:
        t_s, value = windows.gauge(name, gauge)
        if t_s.size:
            total = total + np.maximum(0.0, np.diff(np.interp(edges_s, t_s, value)))
    return total


def _delay_s(windows: Windows, name: str) -> Floats:
    """The mean wait of what began service in each window; zero where nothing began."""
    begun = windows.get("begun", name)
    return np.divide(windows.get("queue_delay_s", name), begun, out=np.zeros(windows.n), where=begun > 0)


def _normal(series: Floats, base: slice) -> float:
    """Up to here nothing is unusual: twice the highest of the baseline."""
    return 2.0 * float(series[base].max(initial=0.0))


def _timeout_s(evidence: Evidence, name: str) -> float:
    """The shortest timeout among the callers of a component; inf when the plan tells none."""
    spec = evidence.run.plan.get("spec", {})
    clients = [spec.get("client")]
    for edge in evidence.windows.layers:
        caller, callee = edge.split("->")
        if callee == name and isinstance((spec.get("region") or {}).get(caller), dict):
            clients.append(spec["region"][caller].get("client"))
    found = []
    for client in clients:
        try:
            found.append(duration_s((client or {})["timeout"]))
        except (KeyError, ValueError, TypeError):
            continue
    return min(found, default=math.inf)
