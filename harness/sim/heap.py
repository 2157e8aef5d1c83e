"""Virtual time: a heap of what happens next.

    [at_s, birth, step]      pop the earliest, set the time, call it; steps push further steps

Ties are broken by birth, so a run replays exactly and callables are never compared. The number of pending steps is
bounded, and looked at every few hundred steps: a storm that feeds itself ends in an error that names the moment, not in
a machine without memory. Cancelled
steps stay until they surface; their callable is dropped at once, so what they held is freed. The end of a run is a step
like any other, so that the loop need not look for it before each.

What is due at once stands in a line beside the heap. Whatever the heap holds for this moment was pushed at an earlier
one, so it is older and goes first; within the line, births are in order.

Steps that all wait equally long (timeouts, mostly called off before they happen) come in order of their birth. They
queue in a lane of their own, of which only the first stands in the heap: the heap stays small, and what was called off
never enters it.

An entry is a plain list because this is the innermost loop of a simulation: lists are compared in C, and an object per
entry, however small, costs more than the rest of `at`.

Leaves out: what the steps do. Source of the form: SimPy's core and Brooker's simulators.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from math import inf, nextafter
from typing import Any, TypeAlias

from harness.errors import RunError

PENDING_MAX = 2_000_000
_LOOK_EVERY = 256  # steps
_LANES_MAX = 8
_LANE_MIN_S = 1e-6  # what waits less may be due at once, and at once is no lane

Step = Callable[[], None]
Ticket: TypeAlias = list[Any]  # a step to come: [at_s, birth, step], the step None once it is off


def cancel(ticket: Ticket) -> None:
    """Call a step off; harmless when it has happened."""
    ticket[2] = None


class _Lane:
    """Steps that wait equally long, in order; the first stands in the heap as `fire`, with its own time and birth."""

    __slots__ = ("fire", "pending", "queue")

    def __init__(self, pending: list[Ticket]) -> None:
        self.pending = pending
        self.queue: deque[Ticket] = deque()
        self.fire: Step = self._fire

    def _fire(self) -> None:
        queue = self.queue
        step = queue.popleft()[2]
        while queue:
            at_s, birth, following = queue[0]
            if following is not None:
                heappush(self.pending, [at_s, birth, self.fire])
                break
            queue.popleft()
        if step is not None:
            step()


class _Over(Exception):
    """The run has reached its end."""


def _stop() -> None:
    raise _Over


class Heap:
    """The steps to come and the time it is, in seconds from the run's zero."""

    __slots__ = ("_births", "_lanes", "_line", "_pending", "_pending_max", "now_s", "steps_done")

    def __init__(self, start_s: float = 0.0, pending_max: int = PENDING_MAX) -> None:
        self.now_s = start_s
        self.steps_done = 0
        self._pending: list[Ticket] = []  # births differ, so steps are never compared
        self._line: deque[Ticket] = deque()  # due at this moment
        self._pending_max = pending_max
        self._births = 0
        self._lanes: dict[float, _Lane] = {}

    def at(self, at_s: float, step: Step) -> Ticket:
        """Call `step` at `at_s`, or now if that is past."""
        now_s = self.now_s
        self._births = birth = self._births + 1
        if at_s > now_s:
            ticket = [at_s, birth, step]
            heappush(self._pending, ticket)
        else:
            ticket = [now_s, birth, step]
            self._line.append(ticket)
        return ticket

    def after(self, wait_s: float, step: Step) -> Ticket:
        """Call `step` in `wait_s`."""
        return self.at(self.now_s + wait_s, step)

    def in_lane(self, wait_s: float, step: Step) -> Ticket:
        """The same as `after`, quicker for waits that many steps have in common and that are mostly called off."""
        lane = self._lanes.get(wait_s)
        if lane is None:
            if len(self._lanes) >= _LANES_MAX or not wait_s >= _LANE_MIN_S:
                return self.at(self.now_s + wait_s, step)
            lane = self._lanes[wait_s] = _Lane(self._pending)
        queue = lane.queue
        if not queue:
            at_s, birth, _ = self.at(self.now_s + wait_s, lane.fire)
            ticket = [at_s, birth, step]
        else:
            self._births = birth = self._births + 1
            ticket = [self.now_s + wait_s, birth, step]
        queue.append(ticket)
        return ticket

    def _look(self) -> None:
        behind = sum(len(lane.queue) - 1 for lane in self._lanes.values() if lane.queue)  # the first stands in the heap
        count = len(self._pending) - 1 + len(self._line) + behind  # without the end of the run
        if count > self._pending_max:
            raise RunError(
                f"simulation: {count} steps are pending at {self.now_s:.3f} s; the most allowed are "
                f"{self._pending_max}: look for a retry storm without end, or shorten the run"
            )

    def run(self, until_s: float) -> None:
        """Do everything due up to and including `until_s`; it is then that time. Raises RunError when too much is
        pending.
        """
        if until_s < self.now_s:
            return
        pending, line, done = self._pending, self._line, 0
        end = [nextafter(until_s, inf), 0, _stop]
        heappush(pending, end)
        at_s = self.now_s
        try:
            while True:
                self._look()
                for _ in range(_LOOK_EVERY):
                    if line and pending[0][0] > at_s:
                        step = line.popleft()[2]
                    else:
                        at_s, _, step = heappop(pending)
                        self.now_s = at_s
                    if step is not None:
                        step()
                        done += 1
        except _Over:
            self.now_s = until_s
        finally:
            end[2] = None
            self.steps_done += done
