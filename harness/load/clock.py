"""The load process's clock: seconds from the run's zero on CLOCK_MONOTONIC.

Locust stamps requests with wall time, which steps when it is corrected; a step of 20 ms inside a run would be read as
a latency. The zero is one CLOCK_MONOTONIC reading that the orchestrator puts into `plan.json`, the same for every
process of the machine. Wall time appears once, for the start times that Locust's own statistics want to be told.

Leaves out: other hosts, whose clocks need a measured offset.
"""

from __future__ import annotations

import time


def monotonic_ns() -> int:
    """CLOCK_MONOTONIC now, in nanoseconds."""
    return time.monotonic_ns()


def wall_s() -> float:
    """Wall time in seconds since the epoch, for Locust's `start_time` alone."""
    return time.time()


def cpu_s() -> float:
    """Processor time this process has used, user and system."""
    return time.process_time()


class RunClock:
    """Seconds and nanoseconds from a zero that is known."""

    __slots__ = ("zero_ns",)

    def __init__(self, zero_ns: int) -> None:
        self.zero_ns = zero_ns

    def now_ns(self) -> int:
        """Nanoseconds from zero; negative before it."""
        return time.monotonic_ns() - self.zero_ns

    def now_s(self) -> float:
        """Seconds from zero; negative before it."""
        return (time.monotonic_ns() - self.zero_ns) * 1e-9
