"""The one clock of the service processes: seconds from the run's zero.

The zero is a single CLOCK_MONOTONIC reading that the orchestrator puts into `plan.json` for every process of the run;
on Linux that clock is shared by all processes of a machine. Wall time can step and never appears here. Asking the time
before the zero is known is a mistake in the order of starting up, so it fails instead of answering something.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time of a run."""

    def now_s(self) -> float:
        """Seconds from the run's zero; negative before it."""

    def now_ns(self) -> int:
        """Nanoseconds from the run's zero."""


class RunClock:
    """CLOCK_MONOTONIC less the run's zero; `begin` sets the zero once."""

    def __init__(self) -> None:
        self._zero_ns: int | None = None

    def begin(self, zero_monotonic_ns: int) -> None:
        """From here on the clock tells the time."""
        if self._zero_ns is not None:
            raise AssertionError("a run has one zero")
        self._zero_ns = zero_monotonic_ns

    @property
    def begun(self) -> bool:
        """True once the zero is known."""
        return self._zero_ns is not None

    @property
    def zero_monotonic_ns(self) -> int:
        """The run's zero, as in row headers."""
        if self._zero_ns is None:
            raise AssertionError("the run's zero is not known yet: do this in start(), not in build()")
        return self._zero_ns

    def now_ns(self) -> int:
        """Nanoseconds from zero."""
        return time.monotonic_ns() - self.zero_monotonic_ns

    def now_s(self) -> float:
        """Seconds from zero."""
        return (time.monotonic_ns() - self.zero_monotonic_ns) * 1e-9


class LoopClock:
    """The running event loop's own time, from the moment this was made: exact under a virtual loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._zero_s = loop.time()

    def now_s(self) -> float:
        """Seconds since it was made."""
        return self._loop.time() - self._zero_s

    def now_ns(self) -> int:
        """Nanoseconds since it was made."""
        return round(self.now_s() * 1e9)


def cpu_s() -> float:
    """Processor time this process has used, user and system."""
    return time.process_time()
