"""How far another host's clock is from ours, from a few round trips.

Two hosts have two CLOCK_MONOTONICs with nothing in common, and a worker that starts operations by its own would place
them seconds away from the outage. So a worker asks the master for the time, several times:

    worker reads t0, asks;  master reads t1, answers at t2;  worker reads t3
    offset = ((t1 - t0) + (t2 - t3)) / 2            master's clock - worker's clock
    delay  = (t3 - t0) - (t2 - t1)                  time spent under way, both ways together

The offset is exact when both ways take equally long, and wrong by at most half the delay whatever the ways do. A round
trip that met a queue or a busy interpreter has a long delay, so of several the one with the least delay is believed,
and half of that delay is stated as the error. Averaging would let the queues back in.

Leaves out: the drift during a run (some 0.05 ms a second between two hosts' crystals). It is measured, by asking again
at the end, and recorded; rows are not bent to it. Source: D. Mills, Network Time Protocol (RFC 5905, clock filter).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

ROUND_TRIPS = 16


class RoundTrip(NamedTuple):
    """Four clock readings in nanoseconds: `asked` and `heard` on the worker's clock, the others on the master's."""

    asked_ns: int
    received_ns: int
    answered_ns: int
    heard_ns: int

    @property
    def delay_ns(self) -> int:
        """Time under way, both ways together."""
        return (self.heard_ns - self.asked_ns) - (self.answered_ns - self.received_ns)

    @property
    def offset_ns(self) -> int:
        """Master's clock minus worker's, if both ways took equally long."""
        return ((self.received_ns - self.asked_ns) + (self.answered_ns - self.heard_ns)) // 2


class Offset(NamedTuple):
    """Add `offset_ns` to a worker's reading to have the master's; right to within `error_ns`."""

    offset_ns: int
    error_ns: int
    round_trips: int

    def to_json(self) -> dict[str, Any]:
        """For messages and the manifest."""
        return self._asdict()


def estimate(trips: Sequence[RoundTrip]) -> Offset:
    """The offset by the round trip with the least delay; `trips` holds one at least."""
    best = min(trips, key=lambda trip: trip.delay_ns)
    return Offset(best.offset_ns, (max(0, best.delay_ns) + 1) // 2 + 1, len(trips))
