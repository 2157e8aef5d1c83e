"""When things happened: injection, first effect, fix and first alarm, read from the journal.

The moment a fault is *injected* is not the moment it is *felt*: a stalled DNS enactor does nothing until a stale plan
is deleted seconds later, and a cache hides even that for a while. Counting from the injection would credit the cache
to the retry policy. So:

    t_inject   the first `inject` entry
    t_fault    the first effect at an endpoint: `first_empty_answer` for faults of dns, else the injection itself
    t_fix      the last `fix` entry; a `heal` is not one, because the undo of a run cut short heals too

A DNS fault that never emptied an answer has an injection and no fault: that is what a fixed race looks like.

Leaves out: effects that no process journals (a silent slow-down has its injection as its first effect).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple


class Phase(NamedTuple):
    """One phase of the run, half-open, seconds from the run's zero."""

    name: str
    start_s: float
    end_s: float


class Moments(NamedTuple):
    """The run's landmarks in seconds from its zero; None where there is none, with the reason in `why`."""

    phases: tuple[Phase, ...]
    baseline: Phase
    load_end_s: float  # of the load as it ran: earlier than planned when the run was cut
    end_s: float
    t_inject_s: float | None
    t_fault_s: float | None
    t_fix_s: float | None
    t_detect_s: float | None  # first failed canary probe at or after the fault
    t_stop_s: float | None  # a stop condition or an interrupt cut the run here
    why: dict[str, str]

    @property
    def judged_from_s(self) -> float:
        """Where the time under judgement starts: the fault, else the injection, else the end of the baseline."""
        for moment in (self.t_fault_s, self.t_inject_s):
            if moment is not None:
                return moment
        return self.baseline.end_s


def find(plan: dict[str, Any], journal: list[dict[str, Any]]) -> Moments:
    """The landmarks of a run, from its plan and its journal (in order of time)."""
    phases = tuple(Phase(str(p["name"]), float(p["start_s"]), float(p["end_s"])) for p in plan["phases"])
    stops = [entry for entry in _of(journal, "stop") if _time(entry) > 0]
    t_stop_s = _time(stops[0]) if stops else None
    load_end_s = min(float(plan["load_end_s"]), math.inf if t_stop_s is None else t_stop_s)
    baseline = next((p for p in phases if p.name == "baseline"), Phase("baseline", 0.0, load_end_s))
    why: dict[str, str] = {}
    injections = _of(journal, "inject")
    t_inject_s = _time(injections[0]) if injections else None
    if t_inject_s is None:
        why["t_inject_s"] = "no fault was injected"
    t_fault_s = _first_effect(journal, injections)
    if t_fault_s is None:
        why["t_fault_s"] = why.get("t_inject_s", "the injected fault emptied no answer, so no endpoint ever felt it")
    fixes = _of(journal, "fix")
    t_fix_s = _time(fixes[-1]) if fixes else None
    if t_fix_s is None:
        why["t_fix_s"] = _unfixed(plan, journal) if injections else "no fault was injected, so nothing was fixed"
    probes = _of(journal, "probe")
    t_detect_s = None
    if t_fault_s is not None:
        failed = (p for p in probes if p.get("ok") is False and _time(p) >= t_fault_s)
        t_detect_s = next(map(_time, failed), None)
    if t_detect_s is None:
        why["t_detect_s"] = why.get("t_fault_s") or _undetected(probes)
    return Moments(
        phases, baseline, load_end_s, float(plan["end_s"]), t_inject_s, t_fault_s, t_fix_s, t_detect_s,
        t_stop_s, why,
    )  # fmt: skip


def waits(plan: dict[str, Any]) -> dict[str, Any] | None:
    """The entry of the timeline whose `fix` waits for a condition; None when the fix has a moment of its own."""
    return next((entry for entry in plan.get("timeline", ()) if entry.get("fix") and entry.get("when")), None)


def _unfixed(plan: dict[str, Any], journal: list[dict[str, Any]]) -> str:
    """Why the journal holds no fix: in the operators' own words if they waited for a condition."""
    fix = waits(plan)
    if fix is None:
        return "the journal holds no fix"
    notes = (entry.get("text") for entry in _of(journal, "note") if entry.get("id") == fix["id"])
    return str(next(notes, f"the fix {fix['what']} waited for a condition, and the journal does not say that it came"))


def _undetected(probes: list[dict[str, Any]]) -> str:
    """Why no probe told of the fault; a probe has an entry for its first answer and for each change."""
    if not probes:
        return "no canary probe came to an end in this run, so nobody looked from outside"
    if probes[-1].get("ok") is False:
        return "the canary probes failed before the fault already, so its effect cannot be told"
    return "canary probes ran, and none failed after the fault"


def _first_effect(journal: list[dict[str, Any]], injections: list[dict[str, Any]]) -> float | None:
    """When an endpoint first felt any injection."""
    effects = [_time(entry) for entry in injections if not _through_dns(entry)]
    through_dns = [_time(entry) for entry in injections if _through_dns(entry)]
    if through_dns:
        effects += [_time(e) for e in _of(journal, "first_empty_answer") if _time(e) >= through_dns[0]][:1]
    return min(effects, default=None)


def _through_dns(entry: dict[str, Any]) -> bool:
    """True when this fault acts by what names resolve to, and so only once an answer is empty."""
    return entry.get("who") == "dns" or str(entry.get("what", "")).startswith("dns.") or entry.get("component") == "dns"


def _of(journal: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [entry for entry in journal if entry.get("kind") == kind]


def _time(entry: dict[str, Any]) -> float:
    return float(entry["t_s"])
