"""One run being played: from the run's zero to the closed row files.

`finish` is the only way out, and every way out comes through it: drained, Ctrl-C, SIGTERM, the stop button, the death
of the parent. It cuts off what is open, writes the summary, closes the rows, and acts once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import gevent

from harness.load.clock import RunClock, cpu_s
from harness.load.crowd import CrowdPacer
from harness.load.operations import Operations
from harness.load.pacer import Arrival, pace
from harness.load.recorder import FLUSH_EVERY_S
from harness.load.resolver import RegionResolver
from harness.memory import MemoryGuard
from harness.record.layouts import Outcome

GAUGES = (
    "in_flight", "waiting_orbit", "waiting_slot", "started", "late", "dropped", "attempts_total", "cpu_s",
    "resolver_queries_total", "resolver_hits_total", "resolver_empties_total", "resolver_stale_total",
    "resolver_joined_total",
)  # fmt: skip


class LoadRun:
    """Paces, reads gauges, flushes, and finishes."""

    def __init__(self, clock: RunClock, operations: Operations, resolver: RegionResolver) -> None:
        self.clock = clock
        self.operations = operations
        self.resolver = resolver
        self.scheduled = 0  # operations that were due so far: started + dropped
        self.finished = False  # or finishing: nothing more is started
        self._ending: Any = None
        self._guard = MemoryGuard()
        gevent.spawn(self._every_so_often)

    def play(self, arrivals: Iterable[Arrival], drain_until_s: float, crowd: CrowdPacer | None = None) -> None:
        """Pace the arrivals, and the turns of a crowd; then wait for what is open, at most until `drain_until_s`."""
        turns = None if crowd is None else gevent.spawn(crowd.play, self.operations, self.clock.now_s, self.start)
        try:
            pace(arrivals, self.clock.now_s, gevent.sleep, self.start)
            if turns is not None:
                turns.get()  # what broke in it breaks here
        finally:
            if turns is not None:
                turns.kill(block=False)
        self.operations.drain(drain_until_s - self.clock.now_s())

    def finish(self) -> None:
        """Cut off what is open and close all files. Every caller waits until it is done; it is done once."""
        self.finished = True
        if self._ending is None:
            self._ending = gevent.spawn(self._finish)  # its own greenlet: Locust may kill the one that asks
        self._ending.get()

    def _finish(self) -> None:
        self.operations.cut()
        self._read_gauges()
        self.operations.recorder.close(self.summary())
        for target in self.operations.driver.targets.values():
            target.pool.close()
        self._guard.release()

    def summary(self) -> dict[str, Any]:
        """What `<worker>.json` says; seconds where the name says so, null where nothing started."""
        operations, driver = self.operations, self.operations.driver
        lateness, outcomes = operations.lateness, operations.recorder.outcomes
        pools = [target.pool for target in driver.targets.values()]
        return {
            "worker": operations.recorder.name,
            "scheduled": self.scheduled,
            "started": operations.started,
            "dropped": operations.dropped,
            "late": lateness.late,
            "lag_p50_s": lateness.quantile_s(0.50),
            "lag_p99_s": lateness.quantile_s(0.99),
            "lag_max_s": lateness.max_s if lateness.count else None,
            "unfinished": outcomes[Outcome.UNFINISHED],
            "outcomes": {outcome.name.lower(): outcomes[outcome] for outcome in Outcome},
            "attempts": driver.attempts_total,
            "causes": dict(sorted(driver.causes.items())),
            "waited_for_slot": sum(pool.waited_slot_total for pool in pools),
            "connections_opened": sum(pool.opened_total for pool in pools),
            "resolver": self.resolver.gauges(),
            "cpu_s": cpu_s(),
            "collections": self._guard.collections,
            "errors": operations.errors,
        }

    def start(self, arrival: Arrival) -> None:
        """Start one operation, and count it. Ends the greenlet that asks when the run is over."""
        if self.finished:
            raise gevent.GreenletExit  # ended from outside while the pacer was about to start one more
        self.scheduled += 1
        self.operations.start(arrival)

    def _every_so_often(self) -> None:
        """Gauges, flushes and the memory bound, until the end."""
        while not self.finished:
            self._read_gauges()
            self.operations.recorder.flush()
            self._guard.look()
            gevent.sleep(FLUSH_EVERY_S)

    def _read_gauges(self) -> None:
        operations, driver = self.operations, self.operations.driver
        readings = {
            "in_flight": operations.in_flight,
            "waiting_orbit": driver.waiting_orbit,
            "waiting_slot": driver.waiting_slot,
            "started": operations.started,
            "late": operations.lateness.late,
            "dropped": operations.dropped,
            "attempts_total": driver.attempts_total,
            "cpu_s": cpu_s(),
            **self.resolver.gauges(),
        }
        operations.recorder.gauges(self.clock.now_ns(), readings)
