"""The timeline performed: the task that does what is due, and the ledger of what must be undone.

What is due when is decided in `harness.timeline` (moments known before the run) and `harness.runbook` (conditions).
Performing is only "wait, do, write down". One task does it all, one deed after the other, as the moments come: a deed
that a service is slow to answer makes the next one late, and the journal says so (`due_s`, `asked_s`).

What cannot be done (the service refuses, or does not answer because it hangs or is gone) is written down as
`inject_failed`, `heal_failed` or `action_failed` with the reason, and ends the run: it is not the run that was planned.
What was recorded until then is kept whole, and judged invalid for that reason.

The ledger knows what may be on. A fault is entered *before* it is asked for, because a request cut off half-way may
have arrived; it leaves when its healing was answered, or when the service refused it. On every way out of a run exactly
what is in the ledger is healed, newest first: healing what was never injected can break what was never broken.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any

import trio

from harness import runbook
from harness.errors import RunError
from harness.live.clock import RunClock
from harness.live.control import Control, Refused
from harness.live.events import Edge, Emit
from harness.live.log import RunLog
from harness.plan import Plan
from harness.timeline import Due, edges

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


class Operators:
    """Whoever carries the timeline out: `perform` is their task, `read` shows them the gauges of one moment."""

    def __init__(self, plan: Plan, clock: RunClock, ledger: Ledger, log: RunLog, emit: Emit) -> None:
        self._dues = deque(edges(plan))
        self._book = runbook.book_of(plan)
        self._state = runbook.start(self._book)
        self._clock = clock
        self._ledger = ledger
        self._log = log
        self._emit = emit
        self._news = trio.Event()
        self._did = trio.Event()  # a new one after every deed
        self._doing = False
        self._began = False

    def read(self, now_s: float, readings: Mapping[tuple[str, str], float]) -> None:
        """Look at the gauges of this moment, {(component, gauge): value}."""
        before = len(self._state.agenda)
        self._state = runbook.read(self._book, self._state, now_s, readings)
        if len(self._state.agenda) != before:
            self._news.set()

    async def perform(self, control: Control) -> None:
        """Do everything at its time, for as long as anything may still come. Raises RunError when it cannot be done."""
        self._began = True
        while self._dues or self._book.rules:
            known_s = self._dues[0].at_s if self._dues else math.inf
            next_s = min(known_s, runbook.next_s(self._book, self._state))
            self._news = trio.Event()
            with trio.move_on_after(max(0.0, next_s - self._clock.now_s())):  # inf: until a reading decides something
                await self._news.wait()
                continue
            await self._clock.sleep_until_s(next_s)
            self._doing = True
            if next_s == known_s:
                due = self._dues.popleft()
                if runbook.stands(self._state, due):
                    await self._do(due, control, None)
            else:
                self._state, fired = runbook.take(self._book, self._state, self._clock.now_s())
                if fired is not None:
                    await self._do(fired.due, control, fired.why)
            self._doing = False
            self._did.set()
            self._did = trio.Event()

    async def at_rest(self) -> None:
        """Wait until all that was due by now is done: a plan is not done while a deed of it waits for an answer."""
        now_s = self._clock.now_s()
        while self._doing or (self._dues and self._dues[0].at_s <= now_s):
            await self._did.wait()

    def end(self) -> None:
        """Write down what never happened; nothing where nobody was to carry the timeline out."""
        for name, text in runbook.left(self._book, self._state) if self._began else ():
            self._log.write("note", id=name, text=text)

    async def _do(self, due: Due, control: Control, why: Mapping[str, Any] | None) -> None:
        asked_s = self._clock.now_s()
        fields: dict[str, Any] = {"id": due.id, "what": due.what, "component": due.component, "name": due.name}
        fields |= {"due_s": due.at_s, "asked_s": round(asked_s, 6)}
        if why is not None:
            fields["fired_by"] = dict(why)
        try:
            result = await _ask(due, control, self._ledger) if due.told else None
        except RunError as error:
            self._log.write(f"{due.deed}_failed", **fields, error=str(error))
            raise RunError(f"timeline: {due.what} ({due.id}) could not be done: {error}") from error
        self._log.write(due.deed, **fields, result=result)
        if due.fix:
            self._log.write("fix", id=due.id, what=due.what)
        self._state = runbook.done(self._book, self._state, due, self._clock.now_s())
        self._emit(Edge(self._clock.now_s(), due.what, due.fix))


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


async def _ask(due: Due, control: Control, ledger: Ledger) -> object:
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
