"""The timeline and its runbook, performed in virtual time: the twin of `harness/live/timeline.py`.

What is due when is decided in `harness.timeline` (moments known before the run) and `harness.runbook` (conditions);
here it is put on the heap, carried out and written down. The world says how something is done to a component; a surge
is in the schedule already, and a pause concerns only the operators, so of these the journal is all there is. What a
component refuses is written down as `inject_failed`, `heal_failed` or `action_failed` and ends the run, as it does
live: it is not the run that was planned.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from harness import runbook
from harness.errors import RunError
from harness.plan import Plan
from harness.sim.heap import Heap, Ticket, cancel
from harness.timeline import Due, edges

Readings = Mapping[str, Mapping[str, float]]  # component -> gauge -> value
Tell = Callable[..., None]  # tell(kind, **fields)


class Operators:
    """Whoever carries the timeline out. `tell` writes to the journal. `perform(due)` does a deed to a component, and
    gives back what writes down what the component noted meanwhile: that stands behind the deed in the journal.
    """

    def __init__(self, plan: Plan, heap: Heap, perform: Callable[[Due], Callable[[], None]], tell: Tell) -> None:
        self._plan = plan
        self._heap = heap
        self._perform = perform
        self._tell = tell
        self._book = runbook.book_of(plan)
        self._state = runbook.start(self._book)
        self._wake: Ticket | None = None
        self._wake_s = math.inf

    def begin(self) -> None:
        """Put everything whose moment is known on the heap."""
        for due in edges(self._plan):
            self._heap.at(due.at_s, partial(self._known, due))

    def read(self, readings: Readings) -> None:
        """Look at the gauges of this moment."""
        if not self._book.watched:
            return
        found = {
            (component, gauge): readings[component][gauge]
            for component, gauge in self._book.watched
            if component in readings and gauge in readings[component]
        }
        self._state = runbook.read(self._book, self._state, self._heap.now_s, found)
        self._settle()

    def end(self) -> None:
        """Write down what never happened."""
        for name, text in runbook.left(self._book, self._state):
            self._tell("note", id=name, text=text)

    def _known(self, due: Due) -> None:
        if runbook.stands(self._state, due):
            self._do(due, None)
            self._settle()

    def _woken(self) -> None:
        self._wake_s = math.inf
        self._settle()

    def _settle(self) -> None:
        """Do what is due by now, and be woken for what comes next."""
        while True:
            self._state, fired = runbook.take(self._book, self._state, self._heap.now_s)
            if fired is None:
                break
            self._do(fired.due, fired.why)
        next_s = runbook.next_s(self._book, self._state)
        if next_s != self._wake_s:
            if self._wake is not None:
                cancel(self._wake)
            self._wake = self._heap.at(next_s, self._woken) if next_s < math.inf else None
            self._wake_s = next_s

    def _do(self, due: Due, why: Mapping[str, Any] | None) -> None:
        fields: dict[str, Any] = {"id": due.id, "what": due.what, "component": due.component, "name": due.name}
        if why is not None:
            fields["fired_by"] = dict(why)
        try:
            tell_noted = self._perform(due) if due.told else None
        except ValueError as error:
            self._tell(f"{due.deed}_failed", **fields, error=str(error))
            raise RunError(f"timeline: {due.what} ({due.id}) could not be done: {error}") from error
        self._tell(due.deed, **fields)
        if tell_noted is not None:
            tell_noted()
        if due.fix:
            self._tell("fix", id=due.id, what=due.what)
        self._state = runbook.done(self._book, self._state, due, self._heap.now_s)
