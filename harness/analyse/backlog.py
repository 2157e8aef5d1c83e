"""Waiting work: how much piled up, and how well it drained.

Work waits in several places (server queues, outboxes, clients between two tries), and moving it from one to the other
is no progress, so only the sum decides:

    waiting(t) = sum of all gauges named waiting_*  +  load orbit
    load orbit = operations open at the client that have no attempt open        (they wait to try again)

The orbit is counted from rows, unless the load process reports `waiting_*` gauges of its own. Drained means down to
baseline + 5 % of the peak (one item at least) for one second, and not above it again at the end of the load. Draining
is judged against the fluid ideal, which has every slot busy with useful work:

    ideal = (waiting at fix - that level) / (capacity - offered)       efficiency = ideal / actual, 1.0 at best

One waiting item is taken as one request at the busiest modelled component. Gauges are read four times a second and
taken as straight lines in between. Leaves out: work a peer holds that no gauge shows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from harness.analyse.capacity import Demand
from harness.analyse.moments import Moments
from harness.analyse.percentiles import Floats
from harness.analyse.windows import Windows

DRAINED_SHARE = 0.05
DRAINED_FOR_S = 1.0
LOAD = "load"


class Backlog(NamedTuple):
    """Waiting work at the end of each base window (items), and what follows from it; None has its reason in `why`."""

    t_s: Floats  # ends of the base windows
    by_component: dict[str, Floats]
    total: Floats
    baseline: float | None
    peak: float | None
    peak_by_component: dict[str, float]
    at_fix: float | None
    drain_s: float | None
    drain_efficiency: float | None
    why: dict[str, str]


def waiting(windows: Windows) -> dict[str, Floats]:
    """Waiting work by component at the end of each base window."""
    ends_s = windows.t_s + windows.width_s
    found: dict[str, Floats] = {}
    for component, gauge in windows.gauges():
        if gauge.startswith("waiting_"):
            t_s, value = windows.gauge(component, gauge)
            found[component] = found.get(component, np.zeros(windows.n)) + np.interp(ends_s, t_s, value)
    if LOAD not in found:
        outer = [edge for edge, layer in windows.layers.items() if layer == 0]
        open_operations = np.cumsum(windows.get("started") - windows.get("finished"))
        open_attempts = np.cumsum(
            sum((windows.get("attempts", e) - windows.get("closed", e) for e in outer), np.zeros(windows.n))
        )
        found[LOAD] = np.maximum(0.0, open_operations - open_attempts)
    return found


def assess(windows: Windows, moments: Moments, demand: Demand | None) -> Backlog:
    """Waiting work over the run, its peak since the fault, and its drain since the fix."""
    by_component = waiting(windows)
    total = np.asarray(np.sum(list(by_component.values()), axis=0), dtype=np.float64)
    t_s = windows.t_s + windows.width_s
    before = windows.span(moments.baseline.start_s, moments.baseline.end_s)
    judged = windows.span(moments.judged_from_s, moments.load_end_s)
    baseline = float(np.median(total[before])) if total[before].size else None
    peak = float(total[judged].max()) if total[judged].size else None
    peaks = {name: float(values[judged].max()) for name, values in by_component.items() if values[judged].size}
    why: dict[str, str] = {}
    at_fix = drain_s = efficiency = None
    if baseline is None:
        why["baseline"] = "the plan has no baseline phase"
    if peak is None:
        why["peak"] = "no load followed the fault"
    if moments.t_fix_s is None:
        why |= dict.fromkeys(("at_fix", "drain_s", "drain_efficiency"), moments.why["t_fix_s"])
    elif baseline is None or peak is None:
        why |= dict.fromkeys(("at_fix", "drain_s", "drain_efficiency"), "baseline or peak is not defined")
    else:
        at_fix = float(np.interp(moments.t_fix_s, t_s, total))
        level = drained_level(baseline, peak)
        left = float(np.interp(moments.load_end_s, t_s, total))
        drain_s = _drained_after(t_s, total, level, moments.t_fix_s, moments.load_end_s) if left <= level else None
        if left > level:
            why["drain_s"] = f"{left:.0f} items still waited at the end of the load, over the level of {level:.0f}"
        elif drain_s is None:
            why["drain_s"] = f"waiting work was never down to {level:.0f} for {DRAINED_FOR_S:g} s before the load ended"
        efficiency, reason = _efficiency(at_fix, level, drain_s, demand)
        if reason:
            why["drain_efficiency"] = reason
    return Backlog(t_s, by_component, total, baseline, peak, peaks, at_fix, drain_s, efficiency, why)


def drained_level(baseline: float, peak: float) -> float:
    """The waiting work (items) at or under which a backlog counts as drained."""
    return baseline + max(1.0, DRAINED_SHARE * peak)


def _drained_after(t_s: Floats, total: Floats, level: float, fix_s: float, load_end_s: float) -> float | None:
    """Seconds from the fix until waiting work is at or under `level` and stays so for a second; None for never."""
    inside = (t_s > fix_s) & (t_s <= load_end_s)
    times = np.concatenate([[fix_s], t_s[inside]])
    values = np.concatenate([[np.interp(fix_s, t_s, total)], total[inside]])
    under = values <= level
    for i in np.flatnonzero(under & ~np.concatenate([[False], under[:-1]])):
        reach = np.flatnonzero(times >= times[i] + DRAINED_FOR_S - 1e-9)
        if not reach.size:
            return None
        if under[i : reach[0] + 1].all():
            if i == 0:
                return 0.0
            part = (values[i - 1] - level) / (values[i - 1] - values[i])
            return float(times[i - 1] + part * (times[i] - times[i - 1]) - fix_s)
    return None


def _efficiency(at_fix: float, level: float, drain_s: float | None, demand: Demand | None) -> tuple[float | None, str]:
    """Ideal over actual time to drain, or None and why not."""
    if demand is None:
        return None, "modelled capacity is unknown"
    if demand.overloaded:
        return None, "offered load is at or over modelled capacity, so even the ideal never drains"
    if at_fix <= level or drain_s == 0.0:  # read between two readings, a level may lie over itself by a last bit
        return None, "nothing to drain: waiting work at the fix is within 5 % of the peak above baseline"
    if drain_s is None:
        return None, "not drained before the load ended"
    return (at_fix - level) / (demand.capacity_per_s - demand.demand_per_s) / drain_s, ""
