"""Closed loop: each user's next operation is started when that user has had the answer and has thought.

    one greenlet: sleep until the next turn is due, start it, and again; an answer puts its user back into the line

The naive way gives each user a greenlet that asks, waits and sleeps: ten thousand stacks that sleep. Here a user who
thinks is one entry of a heap. Who comes when is decided in `harness.flows.crowd`, which the simulated world asks too;
this file only keeps time.

Lateness is counted as for arrivals, from the moment the user wanted to start. What a hanging service keeps its users
from wanting is not late, it is missing, and no generator can count it: see `harness.policies.crowd`.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush

import gevent
from gevent.event import Event

from harness.flows.crowd import Crowd, Turn
from harness.load.operations import Operations
from harness.load.pacer import BURST, Arrival
from harness.record.layouts import Outcome

_LONG_S = 1e6  # longer than a timer can be asked to wait: until somebody comes


class CrowdPacer:
    """Keeps the users of one process who think, and starts their turns."""

    def __init__(self, crowd: Crowd, until_s: float) -> None:
        self._crowd = crowd
        self._until_s = until_s  # no turn is due from then on
        self._due: list[tuple[float, int, Turn]] = []
        self._sooner = Event()  # somebody comes before whom we sleep for

    def play(self, operations: Operations, now_s: Callable[[], float], start: Callable[[Arrival], None]) -> None:
        """Start every turn that is due before `until_s`; `start` must not block."""
        operations.ended = self._ended
        for turn in self._crowd.first():
            self._add(turn)
        behind = 0
        while True:
            due_s = self._due[0][0] if self._due else self._until_s
            wait_s = due_s - now_s()
            if wait_s > 0.0:
                behind = 0
                self._sooner.clear()
                self._sooner.wait(None if wait_s > _LONG_S else wait_s)
            elif not self._due:
                return
            else:
                behind += 1
                if behind % BURST == 0:
                    gevent.sleep(0.0)
                start(Arrival(*heappop(self._due)[2]))

    def _add(self, turn: Turn) -> None:
        if not self._due or turn.due_s < self._due[0][0]:
            self._sooner.set()
        heappush(self._due, (turn.due_s, turn.op, turn))

    def _ended(self, op: int, outcome: Outcome, at_s: float) -> None:
        turn = self._crowd.after(op, outcome is Outcome.GOOD, at_s)
        if turn is not None:
            self._add(turn)
