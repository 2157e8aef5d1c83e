"""Virtual time: a heap of what happens next.

    (at_s, birth, step)      pop the earliest, set the time, call it; steps push further steps

Ties are broken by birth, so a run replays exactly and callables are never compared. The number of pending steps is
bounded: a storm that feeds itself ends in an error that names the moment, not in a machine without memory. Cancelled
steps stay until they surface; their callable is dropped at once, so what they held is freed.

Leaves out: what the steps do. Source of the form: SimPy's core and Brooker's simulators.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from harness.errors import RunError

PENDING_MAX = 2_000_000

Step = Callable[[], None]


class Ticket:
    """A step to come, which may be called off."""

    __slots__ = ("at_s", "step")

    def __init__(self, at_s: float, step: Step) -> None:
        self.at_s = at_s
        self.step: Step | None = step

    def cancel(self) -> None:
        """Call the step off; harmless when it has happened."""
        self.step = None


class Heap:
    """The steps to come and the time it is, in seconds from the run's zero."""

    def __init__(self, start_s: float = 0.0, pending_max: int = PENDING_MAX) -> None:
        self.now_s = start_s
        self.steps_done = 0
        self._pending: list[tuple[float, int, Ticket]] = []  # births differ, so tickets are never compared
        self._pending_max = pending_max
        self._births = 0

    def at(self, at_s: float, step: Step) -> Ticket:
        """Call `step` at `at_s`, or now if that is past. Raises RunError when too much is pending."""
        if len(self._pending) >= self._pending_max:
            raise RunError(
                f"simulation: {len(self._pending)} steps are pending at {self.now_s:.3f} s, the most allowed; look for "
                "a retry storm without end, or shorten the run"
            )
        self._births += 1
        if at_s < self.now_s:
            at_s = self.now_s
        ticket = Ticket(at_s, step)
        heapq.heappush(self._pending, (at_s, self._births, ticket))
        return ticket

    def after(self, wait_s: float, step: Step) -> Ticket:
        """Call `step` in `wait_s`."""
        return self.at(self.now_s + wait_s, step)

    def run(self, until_s: float) -> None:
        """Do everything due up to and including `until_s`; it is then that time."""
        pending = self._pending
        while pending and pending[0][0] <= until_s:
            at_s, _, ticket = heapq.heappop(pending)
            step = ticket.step
            if step is None:
                continue
            self.now_s = at_s
            ticket.step = None
            self.steps_done += 1
            step()
        self.now_s = max(self.now_s, until_s)
