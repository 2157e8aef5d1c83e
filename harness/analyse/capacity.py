"""Modelled capacity against what is asked of it, so that "stuck" and "overloaded" are never confused.

A system offered more than it can serve cannot recover, whatever its retry policy; calling that metastable would blame
the wrong thing. Capacity is modelled, never hoped for: a component with worker slots and a mean service time serves

    capacity = slots / mean service time         requests per second, all its instances together

and the demand on it is the offered load times the requests that one operation needs there, measured in the baseline,
where nobody retries. The component with the highest demand per capacity decides.

Leaves out: capacity that a fault takes away for good (then nothing was fixed), and hosts we do not model: unknown
capacity stays unknown, and verdicts that need it say so.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from harness.analyse.moments import Moments
from harness.analyse.windows import Windows
from harness.units import duration_s


class Station(NamedTuple):
    """One component whose capacity is known."""

    component: str
    capacity_per_s: float


class Demand(NamedTuple):
    """The busiest modelled component after the fix. Rates in its own requests per second."""

    component: str
    capacity_per_s: float
    demand_per_s: float
    per_operation: float  # requests one operation needs there, from the baseline

    @property
    def overloaded(self) -> bool:
        """True when offered load alone, without one retry, is at or over capacity."""
        return self.demand_per_s >= self.capacity_per_s


def stations(plan: dict[str, Any]) -> list[Station]:
    """Components of the plan's region with `slots` and a mean `service` time; empty when none is modelled."""
    region = plan.get("spec", {}).get("region", {})
    found = []
    for name, part in region.items() if isinstance(region, dict) else ():
        service = part.get("service") if isinstance(part, dict) else None
        if not isinstance(service, dict) or "slots" not in part or "mean" not in service:
            continue
        try:
            mean_s, slots = duration_s(service["mean"]), float(part["slots"])
        except (ValueError, TypeError):
            continue
        if mean_s > 0 and slots > 0:
            found.append(Station(str(name), slots / mean_s))
    return found


def demand(plan: dict[str, Any], windows: Windows, moments: Moments) -> Demand | None:
    """The highest demand per capacity from the fix to the end of the load; None when no capacity is known."""
    base = windows.span(moments.baseline.start_s, moments.baseline.end_s)
    after_s = moments.t_fix_s if moments.t_fix_s is not None else moments.judged_from_s
    after = windows.span(after_s, moments.load_end_s)
    due_base = float(windows.get("due")[base].sum())
    span_s = (after.stop - after.start) * windows.width_s
    if due_base == 0 or span_s <= 0:
        return None
    offered_per_s = float(windows.get("due")[after].sum()) / span_s
    found = []
    for station in stations(plan):
        per_operation = float(windows.get("arrived", station.component)[base].sum()) / due_base
        if per_operation > 0:
            found.append(
                Demand(station.component, station.capacity_per_s, offered_per_s * per_operation, per_operation)
            )
    return max(found, key=lambda d: d.demand_per_s / d.capacity_per_s, default=None)
