"""R12 and R17: a station with retrying callers, stuck or saved by one setting of the server.

The running example of Isaacs et al., HotOS 2025: capacity 10/s on one thread, timeout 5 s, 5 retries at once after a
timeout; 5 operations/s for 5 minutes, 15/s for 10 (the trigger), 5/s again. Conventions: late replies are ignored, a
refusal is silent (the caller learns of it by its timeout), the server does not hear that a caller has gone unless
`cancellation` says so. K bounds the waiting line. The threshold is K* = capacity x timeout = 50: above it every job
served was given up while it waited.

The world here is a heap of two kinds of events, an attempt and its timeout, and the station.
"""

from __future__ import annotations

import heapq
import math
import random
from typing import Any, NamedTuple

import pytest

from harness.flows.wants import Cause
from harness.models.station import Station, StationSpec
from harness.policies.server import compose

MU, TIMEOUT_S, RETRIES = 10.0, 5.0, 5
TRIGGER_S, FIX_S = 300.0, 900.0


class Told(NamedTuple):
    """The last five minutes in shares of the operations due, and when goodput came back for good after the fix."""

    goodput: float
    amplification: float
    escaped_s: float


def tell(
    server: dict[str, Any], seed: int, *, horizon_s: float = 1800.0, retries: int = RETRIES, cancellation: bool = False
) -> Told:
    station = Station(StationSpec(1, 1 / MU, server=compose(server), cancellation=cancellation), seed, 0.0)
    rng, end_s = random.Random(seed), FIX_S + horizon_s
    events: list[tuple[float, int, int, int]] = []  # when, operation, attempt number, 0 to send or 1 to give up
    due, now = [], 0.0
    while now < end_s:
        rate = 15.0 if TRIGGER_S <= now < FIX_S else 5.0
        now += rng.expovariate(rate)
        events.append((now, len(due), 0, 0))
        due.append(now)
    heapq.heapify(events)
    good_at: dict[int, float] = {}
    sent: list[float] = []

    while events and events[0][0] < end_s:
        now, op, n, giving_up = heapq.heappop(events)
        for d in station.advance(now):
            if d.cause is Cause.NONE and d.ended_s - d.arrived_s < TIMEOUT_S:
                good_at[d.attempt // 8] = d.ended_s
        if not giving_up:
            sent.append(now)
            station.offer(op * 8 + n, now, deadline_s=now + TIMEOUT_S, first_try=n == 0)
            heapq.heappush(events, (now + TIMEOUT_S, op, n, 1))
        elif op not in good_at:
            station.cancel(op * 8 + n, now)
            if n < retries:
                heapq.heappush(events, (now, op, n + 1, 0))
    last = [op for op, at in enumerate(due) if end_s - 330.0 <= at < end_s - 30.0]
    attempts = sum(end_s - 330.0 <= at < end_s - 30.0 for at in sent)
    lost = [at for op, at in enumerate(due) if FIX_S <= at < end_s - 30.0 and op not in good_at]
    return Told(sum(op in good_at for op in last) / len(last), attempts / len(last), max(lost, default=FIX_S) - FIX_S)


def bound(k: int) -> dict[str, Any]:
    return {"admission": ("queue", {"limit": k})}


def stuck(told: Told) -> bool:
    return told.goodput < 0.5 and told.amplification > 5.0


def recovered(told: Told) -> bool:
    return told.goodput > 0.99 and told.amplification < 1.1


def test_r12_a_short_line_recovers_and_a_long_one_never_does() -> None:
    assert recovered(tell(bound(35), 1, horizon_s=400.0))
    told = tell(bound(150), 1, horizon_s=400.0)
    assert stuck(told)
    assert told.goodput == 0.0
    assert told.amplification == pytest.approx(6.0, abs=0.3)


CURES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("server skips abandoned work", bound(150), {"cancellation": True}),
    ("LIFO", {**bound(150), "discipline": ("lifo", {})}, {}),
    ("K=40", bound(40), {}),
    ("no retries", bound(150), {"retries": 0}),
    ("drop what cannot finish", {**bound(150), "drop": ("deadline", {})}, {}),
    ("first tries before retries", {**bound(150), "priority": ("first_tries", {})}, {"horizon_s": 900.0}),
]


@pytest.mark.parametrize(("server", "more"), [row[1:] for row in CURES], ids=[row[0] for row in CURES])
def test_r17_each_server_side_cure_alone_recovers(server: dict[str, Any], more: dict[str, Any]) -> None:
    assert recovered(tell(server, 1, **({"horizon_s": 400.0} | more)))


@pytest.mark.long
@pytest.mark.parametrize(("k", "saved"), [(35, True), (50, True), (80, False), (150, False)])
def test_r12_over_ten_seeds(k: int, saved: bool) -> None:
    for seed in range(10):
        told = tell(bound(k), seed)
        assert recovered(told) if saved else stuck(told), (seed, told)


@pytest.mark.long
@pytest.mark.parametrize(("k", "mean_s"), [(52, 90.0), (55, 159.0)])
def test_r12_escape_takes_exponentially_longer_above_the_threshold(k: int, mean_s: float) -> None:
    """Published to a factor of two, over 20 seeds."""
    escapes = [tell(bound(k), seed).escaped_s for seed in range(20)]
    assert mean_s / 2 < math.fsum(escapes) / 20 < mean_s * 2


@pytest.mark.long
@pytest.mark.parametrize(("server", "more"), [row[1:] for row in CURES], ids=[row[0] for row in CURES])
def test_r17_cures_over_ten_seeds(server: dict[str, Any], more: dict[str, Any]) -> None:
    for seed in range(10):
        assert recovered(tell(server, seed, **(more | {"horizon_s": 1800.0}))), seed
