"""The event queue inside a function service: asynchronous invokes, accepted at once and run when it can be.

Accepting is easy; what happens then decides how an outage ends. A failed run is not a refused one:

    error      the function ran and failed: again after 1 s, then after 2 s (`error_delays`), then given up
    throttled  no environment was free: again after an exponential wait, for as long as the event is young enough
    too old    dropped and counted, wherever it stands

    accepted = done + failed + expired + purged + waiting + running                        at every moment

The waits make a long tail: an event that was throttled for an hour waits minutes for its next chance, with environments
idle around it. And a function that did its work and failed afterwards does it again: at least once, so duplicates are
part of the contract; they are counted.

Events are durable: what ran at a crash waits again afterwards. Leaves out: on-failure destinations, and reading slower
when the queue is long. Source: the Lambda developer guide, asynchronous invocation (two retries after one and two
minutes; throttles and 5xx for up to six hours, 1 s to 5 min); here one minute is one second.
"""

from __future__ import annotations

import math
from heapq import heappop, heappush
from typing import Any, NamedTuple

from harness import seeds
from harness.policies import backoff
from harness.policies.backoff import JITTER_EQUAL, BackoffSpec

_JITTER = seeds.stream_id("functions/throttled")


class EventsSpec(NamedTuple):
    """Durations in seconds. One retry after each of `error_delays_s`; `throttle` is the wait after refusals."""

    error_delays_s: tuple[float, ...] = (1.0, 2.0)
    throttle: BackoffSpec = BackoffSpec(0.1, 5.0, 2.0, JITTER_EQUAL)
    max_age_s: float = 360.0
    capacity: int = 1_000_000


class Event:
    """One accepted invoke, until it is done or given up."""

    __slots__ = ("accepted_s", "effects", "errors", "number", "op", "payload", "runs", "throttles")

    def __init__(self, number: int, op: int, payload: Any, now_s: float) -> None:
        self.number = number
        self.op = op
        self.payload = payload
        self.accepted_s = now_s
        self.errors = 0  # runs that failed
        self.throttles = 0  # refusals since the last run
        self.runs = 0
        self.effects = 0  # runs whose work was done, whatever came afterwards


class Events:
    """All accepted events that are not over. Times are seconds from the run's zero."""

    def __init__(self, spec: EventsSpec, seed: int) -> None:
        self.spec = spec
        self.accepted_total = self.done_total = self.failed_total = self.expired_total = 0
        self.purged_total = self.retried_total = self.throttled_total = self.duplicates_total = 0
        self.running: dict[int, Event] = {}
        self._seed = seed
        self._waiting: list[tuple[float, int, Event]] = []  # heap of (not before, number, event)

    @property
    def waiting(self) -> int:
        """Events that are neither running nor over."""
        return len(self._waiting)

    def accept(self, op: int, payload: Any, now_s: float) -> int | None:
        """Take an event in; its number, or None when the queue is full."""
        if len(self._waiting) >= self.spec.capacity:
            return None
        number = self.accepted_total
        self.accepted_total += 1
        heappush(self._waiting, (now_s, number, Event(number, op, payload, now_s)))
        return number

    def next_s(self) -> float:
        """When the next event may be tried; inf for never."""
        return self._waiting[0][0] if self._waiting else math.inf

    def take(self, now_s: float) -> Event | None:
        """The next event that may be tried, now in the caller's hands: `ran` or `throttled` follows. None for none."""
        while self._waiting and self._waiting[0][0] <= now_s:
            event = heappop(self._waiting)[2]
            if now_s >= event.accepted_s + self.spec.max_age_s:
                self.expired_total += 1
                continue
            self.running[event.number] = event
            return event
        return None

    def throttled(self, event: Event, now_s: float) -> None:
        """There was no environment for it."""
        del self.running[event.number]
        event.throttles += 1
        self.throttled_total += 1
        u = seeds.draw(self._seed, _JITTER, event.number, event.runs, event.throttles)
        self._again(event, now_s, backoff.delay_s(self.spec.throttle, event.throttles, 0.0, u, throttled=True))

    def ran(self, event: Event, ok: bool, worked: bool, now_s: float) -> None:
        """It ran; `worked`: its work was done, even if it then failed."""
        del self.running[event.number]
        event.runs += 1
        event.throttles = 0
        self.duplicates_total += worked and event.effects > 0
        event.effects += worked
        if ok:
            self.done_total += 1
            return
        event.errors += 1
        if event.errors > len(self.spec.error_delays_s):
            self.failed_total += 1
            return
        self.retried_total += 1
        self._again(event, now_s, self.spec.error_delays_s[event.errors - 1])

    def purge(self) -> int:
        """Throw away what waits; how many those were."""
        purged = len(self._waiting)
        self._waiting.clear()
        self.purged_total += purged
        return purged

    def crashed(self, now_s: float) -> None:
        """What ran waits again; nobody knows how far it came."""
        for event in self.running.values():
            event.runs += 1
            heappush(self._waiting, (now_s, event.number, event))
        self.running.clear()

    def oldest_s(self, now_s: float) -> float:
        """Age of the oldest event that is not over, 0 for none. Looks at each."""
        every = [entry[2].accepted_s for entry in self._waiting] + [event.accepted_s for event in self.running.values()]
        return now_s - min(every) if every else 0.0

    def _again(self, event: Event, now_s: float, wait_s: float) -> None:
        if now_s + wait_s >= event.accepted_s + self.spec.max_age_s:
            self.expired_total += 1
            return
        heappush(self._waiting, (now_s + wait_s, event.number, event))
