"""The orchestrator's clock: CLOCK_MONOTONIC for everything measured, wall time for the manifest alone.

Wall time steps when it is corrected, so a duration taken from it can be negative. CLOCK_MONOTONIC cannot step and is
shared by all processes of one machine, so one reading of it, the run's zero in `plan.json`, gives every process the
same seconds:

    t = (CLOCK_MONOTONIC now - zero) / 1e9

Sleeps are absolute (`sleep_until_s`): a loop of relative sleeps drifts by its own running time. Trio's clock is offset
on purpose, so only differences cross from one to the other. Leaves out: other hosts, whose clocks need a measured
offset.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import trio


def monotonic_ns() -> int:
    """CLOCK_MONOTONIC now, in nanoseconds; the same for all processes of this machine."""
    return time.monotonic_ns()


def wall_rfc3339(in_s: float = 0.0) -> str:
    """Wall time in UTC as RFC 3339 with milliseconds, as in "2025-10-19T23:48:00.000Z": now, or in so many seconds."""
    return (datetime.now(UTC) + timedelta(seconds=in_s)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def wall_stamp() -> str:
    """Wall time now in UTC for folder names, as in "20251019-234800"."""
    return datetime.now(UTC).strftime("%Y%m%d-%H%M%S")


class RunClock:
    """Seconds from the run's zero. `read_ns` is CLOCK_MONOTONIC live, and virtual time in tests."""

    def __init__(self, read_ns: Callable[[], int] = monotonic_ns) -> None:
        self.read_ns = read_ns
        self.zero_ns: int | None = None

    def set_zero(self, zero_ns: int) -> None:
        """Fix the run's zero, once."""
        assert self.zero_ns is None, "the run's zero was already set"
        self.zero_ns = zero_ns

    def now_s(self) -> float:
        """Seconds from zero; negative before it."""
        assert self.zero_ns is not None, "the run's zero is not set yet"
        return (self.read_ns() - self.zero_ns) / 1e9

    async def sleep_until_s(self, t_s: float) -> None:
        """Sleep until `t_s` seconds from zero; a moment in the past only yields to other tasks."""
        await trio.sleep_until(trio.current_time() + t_s - self.now_s())


def resolution_s() -> float:
    """The smallest step of CLOCK_MONOTONIC, in seconds."""
    return time.clock_getres(time.CLOCK_MONOTONIC)
