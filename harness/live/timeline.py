"""The timeline performed: the task that does what is due, and the ledger of what must be undone.

What is due when is `harness.timeline`. Performing is only "wait, do, write down".

The ledger knows what may be on. A fault is entered *before* it is asked for, because a request cut off half-way may
have arrived; it leaves when its healing was answered, or when the service refused it. On every way out of a run exactly
what is in the ledger is healed, newest first: healing what was never injected can break what was never broken.
"""

from __future__ import annotations

from collections.abc import Sequence

import trio

from harness.errors import RunError
from harness.live.clock import RunClock
from harness.live.control import Control, Refused
from harness.live.events import Edge, Emit
from harness.live.log import RunLog
from harness.timeline import Due

UNDO_S_MAX = 8.0


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
