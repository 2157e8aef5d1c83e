"""One timer that follows what comes next: the station's next end, a brain's next deed.

A timer per event would be thousands on a busy service, most of them cancelled. Here there is one, moved when what comes
next has moved and left alone when it has not. It may ring late, as all timers do; so it says *that* something may have
happened, and whoever is rung asks the model, which knows *when* it did.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from mock_services.clock import Clock


class Alarm:
    """`ring(now_s)` is called once for each moment set, on the loop that runs then."""

    def __init__(self, clock: Clock, ring: Callable[[float], None]) -> None:
        self._clock = clock
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = math.inf

    def set(self, due_s: float, now_s: float) -> None:
        """Ring at `due_s` and at no other time; inf for not at all. Seconds from the run's zero."""
        if due_s == self._due_s:
            return
        self.off()
        self._due_s = due_s
        if due_s < math.inf:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(loop.time() + max(0.0, due_s - now_s), self._rung, due_s)

    def off(self) -> None:
        """Do not ring."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._due_s = None, math.inf

    def _rung(self, due_s: float) -> None:
        self._timer, self._due_s = None, math.inf
        self._ring(max(due_s, self._clock.now_s()))  # the clock may be a rounding short of what the loop waited for
