"""Work that needs a worker slot, from inside a flow: a station, and one gate for each job in it.

A brain's flow cannot know when its job will be done: the discipline may let later work pass, an operator may drop the
queue, a fault may slow the workers. So it offers the job, parks at a gate, and the station's own events open the gate:

    done = yield from place.work(job, now_s, deadline_s=..., criticality=...)
    if done.cause is not Cause.NONE: ...refused at the door or dropped from the queue (then done.began_s is nan)

The brain passes its `wake_s` and `background` on to `next_s` and `settle`. A job whose flow is closed (its caller went,
and the run cancels) leaves the station if the station cancels; else its slot works on for nobody, as real slots do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping
from typing import Any

from harness.flows.wants import Answer, Cause, Gate, Park, Want
from harness.models.station import Done, Station
from harness.models.store_controls import StoreControls

Params = Mapping[str, Any]


class Workplace:
    """A station whose jobs are flows. Times are seconds from the run's zero."""

    def __init__(self, station: Station, seed: int) -> None:
        self.station = station
        self.controls = StoreControls(station, seed)
        self._inside: dict[int, Gate] = {}
        self._last_wait_s = 0.0

    def work(
        self, job: int, now_s: float, deadline_s: float = math.inf, criticality: int = 0, first_try: bool = True
    ) -> Generator[Want, Answer, Done]:
        """Wait for a slot and use it; ends when the job is done, refused or dropped. `job` is an id in use once."""
        cause = self.station.offer(job, now_s, deadline_s, criticality, first_try=first_try)
        if cause is not Cause.NONE:
            return Done(job, cause, now_s, math.nan, now_s, 0.0)
        gate = self._inside[job] = Gate()
        self.settle(now_s)
        try:
            done: Done = yield Park(gate)
        except GeneratorExit:  # nobody waits for it any more
            self._inside.pop(job, None)
            if self.station.spec.cancellation:
                self.station.cancel(job, now_s)
            raise
        return done

    def next_s(self) -> float:
        """When the station has something to tell; inf for never."""
        return self.station.next_event_s()

    def settle(self, now_s: float) -> None:
        """Resume the flows whose jobs have ended by now."""
        if self.station.next_event_s() <= now_s:
            for done in self.station.advance(now_s):
                self._open(done)

    def drop_queue(self, params: Params, now_s: float) -> dict[str, int]:
        """An operator's deed: throw away what waits."""
        dropped = self.controls.drop_queue(now_s)
        for done in dropped:
            self._open(done)
        return {"dropped": len(dropped)}

    def faults(self) -> dict[str, tuple[Callable[[Params, float], None], Callable[[float], None]]]:
        """`latency` and `capacity`, as pairs for a brain's switches."""
        return {name: (self.controls.on[name], self.controls.off[name]) for name in ("latency", "capacity")}

    def actions(self) -> dict[str, Callable[[Params, float], object]]:
        """`add_capacity` and `drop_queue`, for a brain's deeds."""
        return {"add_capacity": self.controls.act["add_capacity"], "drop_queue": self.drop_queue}

    def crashed(self, now_s: float) -> None:
        """All work inside is lost, that in the slots too."""
        self._inside.clear()
        self.station.lose_all(now_s)

    def gauges(self, now_s: float) -> dict[str, float]:
        """The station's, and `queue_delay_s` as every station gives it."""
        self.settle(now_s)
        seen = self.station.gauges(now_s)
        return {**seen, "queue_delay_s": max(self._last_wait_s, seen["oldest_wait_s"]) if self._inside else 0.0}

    def _open(self, done: Done) -> None:
        if not math.isnan(done.began_s):
            self._last_wait_s = done.began_s - done.arrived_s
        gate = self._inside.pop(done.attempt, None)
        if gate is not None:
            gate.open(done)
