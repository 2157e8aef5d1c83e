"""The real services in virtual time: an asyncio loop whose clock jumps to the next timer when nothing is readable.

Tests with real sleeps are slow and need tolerances; tests with fakes do not run the code that ships. Here the code that
ships runs, sockets included (loopback data is readable as soon as it is sent), and time passes only while every task
waits for time. An hour takes milliseconds, and times are exact. Exact times meet: a moment at which two timers end is
rare in life and common here, so timers of one moment fire in the order in which they were set (asyncio's own heap keeps
no order among them).

    run_virtually(main)      as asyncio.run, from time 0

Its limits are hard. Work that leaves the loop (executors, threads, other processes) lets time leap past it. Code that
reads another clock does not move with it: aiohttp's DNS cache is one, which is one more reason why it is off.
"""

from __future__ import annotations

import asyncio
import heapq
import selectors
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class _JumpingSelector(selectors.DefaultSelector):
    """Looks at the sockets without waiting; when there is nothing to read, moves the time instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.loop: Any = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:  # no timer at all: only the outside can wake us
            return super().select(None)
        # Land on the timer itself: now + (when - now) can be a rounding beside it, and then times are not exact.
        timers = self.loop._scheduled  # asyncio's heap; it makes a new list of it now and then
        self.now_s = min(timers[0].when(), self.now_s + timeout + 1e-9) if timers else self.now_s + timeout
        return ready


class _Timer(asyncio.TimerHandle):
    """A timer that knows when it was set."""

    __slots__ = ("birth",)

    def __init__(self, birth: int, when: float, callback: Any, args: Any, loop: Any, context: Context | None) -> None:
        super().__init__(when, callback, args, loop, context)
        self.birth = birth

    def __lt__(self, other: Any) -> bool:
        return (self.when(), self.birth) < (other.when(), other.birth)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that starts at 0.0 and never sleeps while a timer is set."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        self._jumping.loop = self
        self._births = 0

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jumping.now_s

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As the loop's own, with an order among timers of one moment."""
        loop: Any = self  # asyncio's heap of timers is its own affair
        loop._check_closed()
        self._births += 1
        timer: Any = _Timer(self._births, when, callback, args, self, context)
        heapq.heappush(loop._scheduled, timer)
        timer._scheduled = True
        handle: asyncio.TimerHandle = timer
        return handle


def run_virtually(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `main()` to its end in virtual time; its result."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())
