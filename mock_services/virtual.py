"""The real services in virtual time: an asyncio loop whose clock jumps to the next timer when nothing is readable.

Tests with real sleeps are slow and need tolerances; tests with fakes do not run the code that ships. Here the code that
ships runs, sockets included (loopback data is readable as soon as it is sent), and time passes only while every task
waits for time. An hour takes milliseconds, and times are exact.

    run_virtually(main)      as asyncio.run, from time 0

Its limits are hard. Work that leaves the loop (executors, threads, other processes) lets time leap past it. Code that
reads another clock does not move with it: aiohttp's DNS cache is one, which is one more reason why it is off.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


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


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that starts at 0.0 and never sleeps while a timer is set."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        self._jumping.loop = self

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jumping.now_s


def run_virtually(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `main()` to its end in virtual time; its result."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())
