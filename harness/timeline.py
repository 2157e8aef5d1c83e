"""The timeline's edges: what is injected, healed or done, and when, for every engine.

A fault written with its end in mind (`for: 6s`) and one healed by a later line are the same thing: an injection and a
healing. `edges` spells both out, so that performing is only "wait, do, write down". Every injection carries a time to
live, after which it ends in the service even if nobody is left to heal it:

    ttl = for                                   when the file says how long
    ttl = time to the healing line + margin     otherwise
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from harness.plan import Plan
from harness.spec.events import Timed, events_of

TTL_MARGIN_S = 5.0  # a healing line comes at its time; the margin only covers a slow orchestrator


class Due(NamedTuple):
    """One thing to do at one moment (seconds from zero)."""

    at_s: float
    deed: Literal["inject", "heal", "action"]
    id: str  # of the event
    component: str
    name: str  # of the fault or action
    params: dict[str, Any]
    ttl_s: float  # injections only
    fix: bool
    what: str


def edges(plan: Plan) -> tuple[Due, ...]:
    """Everything to do, in order of time; at one moment healing comes before injecting.

    What is sent is what the file says (texts with units); when a fault ends comes from the resolved timeline.
    """
    resolved = {timed.id: timed for timed in events_of(plan.experiment).events}
    found: list[Due] = []
    for event in plan.timeline:
        timed = resolved[event.id]
        params = {name: value for name, value in event.params.items() if name != "for"}
        base = Due(event.at_s, "action", event.id, event.component, event.verb, params, 0.0, event.fix, event.what)
        if event.kind == "heal":
            found.append(base._replace(deed="heal", name=str(params["fault"]), params={}))
        elif event.kind == "action":
            found.append(base)
        else:
            margin_s = 0.0 if "for_s" in timed.arguments else TTL_MARGIN_S
            found.append(base._replace(deed="inject", ttl_s=round(timed.ends_s - event.at_s + margin_s, 9)))
            if _ends_by_itself(timed, resolved.values()):
                end = f"{event.what} ends"
                found.append(base._replace(at_s=timed.ends_s, deed="heal", params={}, fix=False, what=end))
    return tuple(sorted(found, key=lambda due: (due.at_s, due.deed == "inject")))


def _ends_by_itself(fault: Timed, events: Iterable[Timed]) -> bool:
    """False when a heal ends it, or the same fault is injected anew before its end: that end is then the end."""
    if "for_s" not in fault.arguments:
        return False
    for event in events:
        if event.index != fault.index and event.component == fault.component and fault.at_s <= event.at_s:
            healed = event.kind == "heal" and event.arguments.get("fault") == fault.verb and event.at_s <= fault.ends_s
            if healed or (event.verb == fault.verb and event.at_s < fault.ends_s):
                return False
    return True
