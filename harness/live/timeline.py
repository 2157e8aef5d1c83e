"""The timeline: what is due when, what must be undone, and the task that does it.

A fault written with its end in mind (`for: 6s`) and one healed by a later line are the same thing: an injection and a
healing. `edges` spells both out, so that performing is only "wait, do, write down". Every injection carries a time to
live, after which it ends in the service even if nobody is left to heal it:

    ttl = for                                   when the file says how long
    ttl = time to the healing line + margin     otherwise

The ledger knows what may be on. A fault is entered *before* it is asked for, because a request cut off half-way may
have arrived; it leaves when its healing was answered, or when the service refused it. On every way out of a run exactly
what is in the ledger is healed, newest first: healing what was never injected can break what was never broken.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import trio

from harness.errors import RunError
from harness.live.clock import RunClock
from harness.live.control import Control, Refused
from harness.live.events import Edge, Emit
from harness.live.log import RunLog
from harness.plan import Plan
from harness.spec.events import Timed, events_of

TTL_MARGIN_S = 5.0  # a healing line comes at its time; the margin only covers a slow orchestrator
UNDO_S_MAX = 8.0


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


class Ledger:
    """What may be on in the region, in order of injection: (component, fault) -> id of the line that asked for it."""

    def __init__(self) -> None:
        self._on: dict[tuple[str, str], str] = {}

    def enter(self, component: str, fault: str, line: str) -> None:
        """The fault is about to be asked for."""
        self._on.pop((component, fault), None)
        self._on[component, fault] = line

    def strike(self, component: str, fault: str) -> None:
        """The fault is known to be off."""
        self._on.pop((component, fault), None)

    def outstanding(self) -> list[tuple[str, str, str]]:
        """(component, fault, line id) of all that may still be on, newest first."""
        return [(component, fault, line) for (component, fault), line in reversed(self._on.items())]


async def perform(
    dues: Sequence[Due], clock: RunClock, control: Control, ledger: Ledger, log: RunLog, emit: Emit
) -> None:
    """Do everything at its time. Raises RunError when a service refuses: the run is then not the one planned."""
    for due in dues:
        await clock.sleep_until_s(due.at_s)
        asked_s = clock.now_s()
        result = await _do(due, control, ledger)
        fields = {"id": due.id, "what": due.what, "component": due.component, "name": due.name, "due_s": due.at_s}
        log.write(due.deed, **fields, asked_s=round(asked_s, 6), result=result)
        if due.fix:
            log.write("fix", id=due.id, what=due.what)
        emit(Edge(clock.now_s(), due.what, due.fix))


async def undo(ledger: Ledger, control: Control, log: RunLog) -> list[str]:
    """Heal what the ledger holds, newest first, whatever happens around; what could not be healed, in words.

    Shielded and bounded: a cancelled run still undoes, and a dead service cannot hold it up.
    """
    failed = []
    with trio.CancelScope(shield=True, deadline=trio.current_time() + UNDO_S_MAX):
        for component, fault, line in ledger.outstanding():
            try:
                healed = await control.delete_fault(component, fault)
            except RunError as error:
                failed.append(f"{component}.{fault}: {error}")
                text = f"could not heal {component}.{fault}; it ends with its process"
                log.write("note", text=text, error=str(error))
            else:
                log.write("heal", id=line, what="undo", component=component, name=fault, result=healed)
            ledger.strike(component, fault)
    return failed + [f"{component}.{fault}: out of time" for component, fault, _ in ledger.outstanding()]


async def _do(due: Due, control: Control, ledger: Ledger) -> object:
    match due.deed:
        case "inject":
            ledger.enter(due.component, due.name, due.id)
            try:
                await control.put_fault(due.component, due.name, due.ttl_s, due.params)
            except Refused:
                ledger.strike(due.component, due.name)
                raise
            return None
        case "heal":
            healed = await control.delete_fault(due.component, due.name)
            ledger.strike(due.component, due.name)
            return healed
        case "action":
            return await control.act(due.component, due.name, due.params)
