"""The timeline's edges: what is injected, healed or done, and when, for every engine.

A fault written with its end in mind (`for: 6s`), one healed by a later line and one that comes and goes (`square`) are
the same thing: injections and healings. `edges` spells them out, so that performing is only "wait, do, write down".
Every injection carries a time to live, after which it ends in the service even if nobody is left to heal it:

    ttl = for                                   when the file says how long
    ttl = time to the healing line + margin     otherwise; to the end of the plan when only the run will tell

`edges` has what is known before the run. What waits for a condition is in `harness.runbook`, as steps whose moments
count from the one at which it begins.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from harness.plan import Event, Plan
from harness.spec.components.load import PSEUDO
from harness.spec.events import events_of
from harness.spec.spells import spells
from harness.spec.timed import Timed

TTL_MARGIN_S = 5.0  # a healing line comes at its time; the margin only covers a slow orchestrator


class Due(NamedTuple):
    """One thing to do at one moment (seconds from zero)."""

    at_s: float
    deed: Literal["inject", "heal", "action"]
    id: str  # of the event
    component: str
    name: str  # of the fault or action
    params: dict[str, Any]
    ttl_s: float  # how long it lasts: injections and pauses
    fix: bool
    what: str
    step: int = 0  # 0 begins an event; the others go on with it: the end of a fault, its next spell

    @property
    def told(self) -> bool:
        """Whether a component has to be told. Surges are in the schedule already, and a pause is the operators' own."""
        return self.component not in PSEUDO


def edges(plan: Plan) -> tuple[Due, ...]:
    """Everything to do whose moment is known, in order of time; at one moment healing comes before injecting.

    What is sent is what the file says (texts with units); when a fault ends comes from the resolved timeline.
    """
    resolved = {timed.id: timed for timed in events_of(plan.experiment).events}
    found: list[Due] = []
    for event in plan.timeline:
        timed = resolved[event.id]
        if timed.trigger is not None:
            continue
        end_s = min(timed.ends_s, plan.end_s)
        for due in steps(event, timed, end_s - timed.at_s if timed.kind == "fault" else 0.0):
            last = due.deed == "heal" and timed.kind == "fault" and timed.at_s + due.at_s >= end_s - 1e-9
            if not last or _ends_by_itself(timed, resolved.values()):
                found.append(due._replace(at_s=round(timed.at_s + due.at_s, 9)))
    return tuple(sorted(found, key=lambda due: (due.at_s, due.deed == "inject")))


def steps(event: Event, timed: Timed, length_s: float) -> tuple[Due, ...]:
    """What an entry does, with moments from its own beginning; a fault is over after `length_s` at the latest."""
    params = {name: value for name, value in event.params.items() if name != "for"}
    base = Due(0.0, "action", event.id, event.component, event.verb, params, 0.0, event.fix, event.what)
    if timed.kind == "heal":
        return (base._replace(deed="heal", name=str(params["fault"]), params={}),)
    if timed.kind == "action":
        return (base._replace(ttl_s=timed.arguments["for_s"]) if event.component == "pause" else base,)
    margin_s = 0.0 if "for_s" in timed.arguments else TTL_MARGIN_S
    whole_s = min(length_s, timed.arguments.get("for_s", length_s))
    found: list[Due] = []
    for start_s, end_s in spells(whole_s, timed.square):
        ttl_s = round(end_s - start_s + margin_s, 9)
        found.append(base._replace(at_s=start_s, deed="inject", ttl_s=ttl_s, step=len(found)))
        what = f"{event.what} ends"
        found.append(base._replace(at_s=end_s, deed="heal", params={}, fix=False, what=what, step=len(found)))
    return tuple(found)


def _ends_by_itself(fault: Timed, events: Iterable[Timed]) -> bool:
    """False when a heal ends it, or the same fault is injected anew before its end: that end is then the end."""
    if "for_s" not in fault.arguments:
        return False
    for event in events:
        if math.isnan(event.at_s) or event.number == fault.number or event.component != fault.component:
            continue
        if fault.at_s <= event.at_s:
            healed = event.kind == "heal" and event.arguments.get("fault") == fault.verb and event.at_s <= fault.ends_s
            if healed or (event.verb == fault.verb and event.at_s < fault.ends_s):
                return False
    return True
