"""R16: what a server under each rule delivers of its capacity, offered 0.8, 1.2 and 5 times of it.

M/M/1, capacity 100/s, deadline 1 s, nobody retries. Goodput counts replies within the deadline, over the run after its
first tenth. The published figures are kept as they are; where ours differ the test says why:

- K of the table counts the job in service, as theory does: `concurrency` with that limit.
- the table's CoDel forgets its drop rate when it stops dropping: `memory: false`. With the memory of RFC 8289 the rule
  delivers about twice as much at five times the load, and that is asserted beside it.
"""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from harness.flows.wants import Cause
from harness.models.station import Done, Station, StationSpec
from harness.policies.server import compose

MU, DEADLINE_S = 100.0, 1.0
LOADS = (0.8, 1.2, 5.0)


def goodput(slots: dict[str, Any], rho: float, seed: int, jobs: int) -> float:
    """Good replies a second over capacity."""
    station, rng = Station(StationSpec(1, 1 / MU, server=compose(slots)), seed, 0.0), random.Random(seed)
    end_s = jobs / (rho * MU)
    warm_s, good, now = end_s / 10, 0, 0.0

    def count(done: list[Done]) -> int:
        return sum(
            d.cause is Cause.NONE and d.ended_s - d.arrived_s <= DEADLINE_S and warm_s <= d.ended_s <= end_s
            for d in done
        )

    for attempt in range(jobs):
        now += rng.expovariate(rho * MU)
        station.offer(attempt, now, deadline_s=now + DEADLINE_S, criticality=attempt % 4, tenant=rng.randrange(10**6))
        good += count(station.advance(now))
    return (good + count(station.advance(end_s))) / (end_s - warm_s) / MU


def bound(k: int) -> dict[str, Any]:
    return {"admission": ("concurrency", {"limit": k})}


TABLE: list[tuple[str, dict[str, Any], tuple[float, float, float]]] = [
    ("FIFO unbounded", {}, (0.799, 0.0, 0.0)),
    ("FIFO K=50", bound(50), (0.799, 1.00, 1.00)),
    ("FIFO K=100", bound(100), (0.799, 0.67, 0.48)),
    ("FIFO K=150", bound(150), (0.799, 0.0, 0.0)),
    ("LIFO", {"discipline": ("lifo", {})}, (0.795, 1.00, 1.00)),
    ("drop expired at dequeue", {"drop": ("expired", {})}, (0.799, 0.84, 0.20)),
    ("CoDel 5/100 without memory", {"drop": ("codel", {"memory": False})}, (0.778, 0.97, 0.16)),
    ("Facebook CoDel 5/100", {"drop": ("facebook_codel", {})}, (0.73, 0.89, 0.99)),
    ("Facebook CoDel 5/100, adaptive LIFO",
     {"drop": ("facebook_codel", {}), "discipline": ("adaptive_lifo", {})}, (0.73, 0.89, 0.99)),
]  # fmt: skip
QUICK = ("FIFO unbounded", "FIFO K=50", "LIFO", "drop expired at dequeue")


@pytest.mark.parametrize(("slots", "published"), [row[1:] for row in TABLE if row[0] in QUICK], ids=QUICK)
def test_r16_in_short(slots: dict[str, Any], published: tuple[float, float, float]) -> None:
    """30 s to 190 s of one seed: within four points, which tells every row of the table from its neighbours."""
    for rho, expected in zip(LOADS, published, strict=True):
        assert goodput(slots, rho, 1, 15_000) == pytest.approx(expected, abs=0.04), rho


@pytest.mark.long
@pytest.mark.parametrize(("slots", "published"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_r16_table(slots: dict[str, Any], published: tuple[float, float, float]) -> None:
    """Three seeds of 60,000 jobs: two points, five standard errors of the arrivals at load 0.8.

    With a line of exactly capacity x deadline the luck of each second decides for all jobs in it: 120 s of run are 120
    coin tosses, standard error 0.027 over three seeds, so that row has eight points."""
    close = 0.08 if slots == bound(100) else 0.02
    for rho, expected in zip(LOADS, published, strict=True):
        mean = sum(goodput(slots, rho, seed, 60_000) for seed in (1, 2, 3)) / 3
        assert mean == pytest.approx(expected, abs=close), rho


def test_a_full_line_of_k_delivers_the_share_of_gamma_times_within_the_deadline() -> None:
    """Far over capacity every accepted job finds K - 1 inside, so its time is Gamma(K, 1/mu): the Poisson probability
    of K or more services in a second. K = 80 (0.983) and 120 (0.028) say more than one point at K = 100 could."""
    seconds = 200
    for k in (80, 120):
        theory = 1.0 - sum(math.exp(n * math.log(MU) - MU - math.lgamma(n + 1)) for n in range(k))
        close = 4 * math.sqrt(theory * (1 - theory) / seconds)  # one coin toss a second
        assert goodput(bound(k), 3.0, 2, 300 * seconds) == pytest.approx(theory, abs=close)


@pytest.mark.long
def test_r16_codel_with_the_memory_of_the_rfc_is_still_too_slow_at_five_times_the_load() -> None:
    with_memory, without = ({"drop": ("codel", {"memory": memory})} for memory in (True, False))
    assert 0.25 < goodput(with_memory, 5.0, 1, 150_000) < 0.45
    assert 0.10 < goodput(without, 5.0, 1, 150_000) < 0.22


def test_dropping_what_cannot_finish_beats_dropping_what_has_expired() -> None:
    """The note below the table: survivors of `expired` start with nothing left; a reserve of five service times cures
    it."""
    reserve = {"drop": ("deadline", {"known": False, "reserve": 0.05})}
    assert goodput(reserve, 5.0, 1, 15_000) > 0.97
    assert goodput({"drop": ("expired", {})}, 5.0, 1, 15_000) < 0.24


ADAPTIVE: list[tuple[str, dict[str, Any], float]] = [
    ("aimd", {"admission": ("aimd", {"timeout": 0.5, "lowest": 1})}, 0.85),
    ("vegas", {"admission": ("vegas", {})}, 0.90),
    ("envoy_gradient", {"admission": ("envoy_gradient", {"probe_every": 20.0})}, 0.85),
    ("seda", {"admission": ("seda", {"target": 0.1})}, 0.70),
    ("breakwater", {"admission": ("breakwater", {"target": 0.08})}, 0.90),
    ("backlog_rate", {"admission": ("backlog_rate", {"rate": 150.0})}, 0.95),
    ("dagor", {"priority": ("dagor", {"window": 0.1})}, 0.60),
    ("partitioned", {"priority": ("partitioned", {"limit": 50})}, 0.95),
    ("folly_codel", {"drop": ("folly_codel", {})}, 0.80),
]


@pytest.mark.parametrize(("slots", "at_least"), [row[1:] for row in ADAPTIVE], ids=[row[0] for row in ADAPTIVE])
def test_every_overload_control_keeps_a_server_alive_where_an_open_door_kills_it(
    slots: dict[str, Any], at_least: float
) -> None:
    """At 1.2 and 5 times capacity an unbounded FIFO delivers nothing. No table exists for these; the floor is what each
    reaches with a margin of some points."""
    for rho in (1.2, 5.0):
        assert goodput(slots, rho, 1, 20_000) > at_least, rho


def test_gradient2_takes_the_standing_queue_for_normal() -> None:
    """Its weakness, met in the wild: at 1.2 times capacity times rise slowly, the average follows, and the limit passes
    capacity x deadline."""
    assert goodput({"admission": ("gradient2", {})}, 1.2, 1, 60_000) < 0.5
    assert goodput({"admission": ("gradient2", {"highest": 50})}, 1.2, 1, 60_000) > 0.9
