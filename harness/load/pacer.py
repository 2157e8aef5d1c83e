"""Open loop: every operation of the plan is started at its intended moment, whatever the region does.

A closed loop waits for replies before it goes on, so its load sags exactly when the system is slow, and the stall it
should have measured is missing from its numbers (with a 3 s stall, a closed loop of the same nominal rate issued 900 of
990 requests). So:

    for each due operation: sleep until it is due, start it in a greenlet of its own, never wait for it

Nothing in the loop can block. An operation that cannot be started because too many are open is *dropped*, and counted:
that is the generator's fault, and makes the run invalid. One that starts more than `LATE_S` after its intended moment
is *late*, and counted; its latency is taken from the intended moment all the same.

When the loop itself is behind, it lets the others run after every `BURST` starts, so that what was started also moves.
Shares: worker k of n takes operations k, k + n, k + 2n, ... of the one schedule, so any number of workers together
start exactly the plan, under the numbers that one process would give them.
Source: G. Tene on coordinated omission; wrk2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

LATE_S = 0.010
BURST = 64
_FINE_S, _FINE_BINS = 1e-5, 10_000  # up to 100 ms in steps of 10 us
_COARSE_S, _COARSE_BINS = 1e-2, 6_000  # then up to about a minute in steps of 10 ms; the largest is kept exactly
_FINE_END_S = _FINE_S * _FINE_BINS


class Arrival(NamedTuple):
    """One operation that is due."""

    op: int
    story: int  # index in the plan's stories
    intended_s: float


class Lateness:
    """How late operations started: a histogram, so that quantiles cost no memory per operation."""

    def __init__(self) -> None:
        self.count = 0
        self.late = 0  # by more than LATE_S
        self.max_s = 0.0
        self._bins = [0] * (_FINE_BINS + _COARSE_BINS)

    def add(self, lag_s: float) -> None:
        """Note one start, `lag_s` after its intended moment (a start is never early: less than 0 counts as 0)."""
        self.count += 1
        if lag_s > self.max_s:
            self.max_s = lag_s
        if lag_s > LATE_S:
            self.late += 1
        if lag_s < _FINE_END_S:
            place = int(lag_s / _FINE_S) if lag_s > 0.0 else 0
        else:
            place = min(_FINE_BINS + int((lag_s - _FINE_END_S) / _COARSE_S), _FINE_BINS + _COARSE_BINS - 1)
        self._bins[place] += 1

    def quantile_s(self, q: float) -> float | None:
        """The upper edge of the bin that holds quantile `q`, at most the largest lag; None when nothing started."""
        rank = q * self.count
        seen = 0
        for place, number in enumerate(self._bins):
            seen += number
            if number and seen >= rank:
                return min(_upper_edge_s(place), self.max_s)
        return None


def _upper_edge_s(place: int) -> float:
    if place < _FINE_BINS:
        return (place + 1) * _FINE_S
    if place == _FINE_BINS + _COARSE_BINS - 1:
        return math.inf
    return _FINE_END_S + (place - _FINE_BINS + 1) * _COARSE_S


def share(worker: int, workers: int) -> slice:
    """Which places of the schedule (from 0) worker number `worker` (from 0) of `workers` starts."""
    if not 0 <= worker < workers:
        raise ValueError(f"worker {worker} of {workers}: workers are numbered from 0")
    return slice(worker, None, workers)


def repeated(
    arrivals: list[Arrival], operations: int, length_s: float, start_s: float, op_base: int
) -> Iterator[Arrival]:
    """The same arrivals again and again, each round `length_s` long, the first from `start_s`; ids go on from
    `op_base`. `operations` is how many the whole schedule has, so that rounds of several workers do not share ids.
    """
    turn = 0
    while arrivals:
        shift_s, shift_op = start_s + turn * length_s, op_base + turn * operations
        for op, story, intended_s in arrivals:
            yield Arrival(op + shift_op, story, intended_s + shift_s)
        turn += 1


def pace(
    arrivals: Iterable[Arrival],
    now_s: Callable[[], float],
    sleep: Callable[[float], object],
    start: Callable[[Arrival], None],
) -> int:
    """Start each arrival when it is due; how many were due in all. `start` must not block."""
    count = 0
    behind = 0
    for arrival in arrivals:
        wait_s = arrival.intended_s - now_s()
        if wait_s > 0.0:
            behind = 0
            while wait_s > 0.0:
                sleep(wait_s)
                wait_s = arrival.intended_s - now_s()
        else:
            behind += 1
            if behind % BURST == 0:
                sleep(0.0)
        count += 1
        start(arrival)
    return count
