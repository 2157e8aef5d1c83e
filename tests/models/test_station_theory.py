"""R8 and R9: the station against queueing theory, with stated standard errors and one small event loop.

Arrivals are Poisson from a seeded generator; service times are the station's own draws. Neighbouring jobs share their
queue, so errors are taken from 50 batches of the run (or from the published formula for M/M/1). Every tolerance is four
standard errors, which a right station exceeds once in 16,000 checks, and each error is checked to be small enough for
the check to fail when the station is wrong.
"""

from __future__ import annotations

import math
import random

import pytest

from harness.flows.wants import Cause
from harness.models.station import Station, StationSpec
from harness.policies.server import compose

BATCHES = 50


def mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def run(spec: StationSpec, rate_per_s: float, jobs: int, seed: int = 11) -> tuple[list[float], list[float], list[bool]]:
    """Offer Poisson arrivals: sojourn and wait of each in order of arrival (0 for refused), and who was refused."""
    rng, station, now = random.Random(seed), Station(spec, seed, 0.0), 0.0
    refused = []
    for attempt in range(jobs):
        now += rng.expovariate(rate_per_s)
        refused.append(station.offer(attempt, now) is not Cause.NONE)
    sojourns, waits = [0.0] * jobs, [0.0] * jobs
    for d in station.advance(1e12):
        sojourns[d.attempt], waits[d.attempt] = d.ended_s - d.arrived_s, d.began_s - d.arrived_s
    return sojourns, waits, refused


def assert_mean(values: list[float], theory: float, se_max: float) -> None:
    """The mean is the theory's within four batch errors, and the error is at most the share `se_max` of it."""
    size = len(values) // BATCHES
    means = [mean(values[k * size : (k + 1) * size]) for k in range(BATCHES)]
    centre = mean(means)
    se = math.sqrt(sum((m - centre) ** 2 for m in means) / (BATCHES - 1) / BATCHES)
    assert se < se_max * theory, (se, theory)
    assert abs(centre - theory) < 4 * se, (centre, theory, se)


@pytest.mark.parametrize(
    "discipline", ["fifo", pytest.param("lifo", marks=pytest.mark.long), pytest.param("fair", marks=pytest.mark.long)]
)
def test_r8_mm1_mean_sojourn(discipline: str) -> None:
    """T = 1 / (mu - lambda) = 0.5 s at rho = 0.8, mu = 10, whatever the order, since orders here ignore service times.

    The FIFO standard error is sqrt(rho (2 + 5 rho - 4 rho^2 + rho^3) / (1 - rho)^4 / n) / mu = .0111 s."""
    n, rho, mu = 160_000, 0.8, 10.0
    se = math.sqrt(rho * (2 + 5 * rho - 4 * rho**2 + rho**3) / (1 - rho) ** 4 / n) / mu
    assert se == pytest.approx(0.0111, abs=5e-5)
    spec = StationSpec(1, 1 / mu, server=compose({"discipline": (discipline, {})}))
    sojourns, _, _ = run(spec, rho * mu, n)
    assert abs(mean(sojourns) - 0.5) < 4 * se


@pytest.mark.parametrize(
    ("rho", "theory_s", "n"),
    [
        (0.5, 0.1637, 60_000),
        pytest.param(0.8, 0.3546, 200_000, marks=pytest.mark.long),
        pytest.param(0.9, 0.6730, 600_000, marks=pytest.mark.long),
    ],
)
def test_r8_pollaczek_khinchine_weibull(rho: float, theory_s: float, n: int) -> None:
    sojourns, _, _ = run(StationSpec(1, 0.1, "weibull"), rho * 10.0, n)
    assert_mean(sojourns, theory_s, 0.04)


@pytest.mark.long
@pytest.mark.parametrize(("distribution", "theory"), [("fixed", 2.0), ("exponential", 4.0)])
def test_r8_waiting_over_service_at_eight_tenths(distribution: str, theory: float) -> None:
    """Wq / S: M/D/1 2.0, M/M/1 4.0."""
    _, waits, _ = run(StationSpec(1, 1.0, distribution), 0.8, 300_000, seed=12)
    assert_mean(waits, theory, 0.03)


ERLANG = [
    (5, 2.5, 0.0697, 0.1304, 60_000),
    pytest.param(10, 5.0, 0.0184, 0.0361, 300_000, marks=pytest.mark.long),
    pytest.param(10, 8.0, 0.1217, 0.4092, 300_000, marks=pytest.mark.long),
]


@pytest.mark.parametrize(("c", "a", "blocked", "delayed", "n"), ERLANG)
def test_r8_erlang_b_and_c(c: int, a: float, blocked: float, delayed: float, n: int) -> None:
    loss = StationSpec(c, 1.0, server=compose({"admission": ("concurrency", {"limit": c})}))
    _, _, refused = run(loss, a, n)
    assert_mean([float(r) for r in refused], blocked, 0.05)
    _, waits, _ = run(StationSpec(c, 1.0), a, n)
    assert_mean([float(w > 0.0) for w in waits], delayed, 0.05)


@pytest.mark.parametrize(
    ("rho", "k", "blocked", "inside", "n"),
    [
        (1.5, 10, 0.3372, 8.13, 60_000),
        pytest.param(1.0, 10, 0.0909, 5.0, 300_000, marks=pytest.mark.long),
        pytest.param(0.9, 20, 0.01365, 6.42, 600_000, marks=pytest.mark.long),
    ],
)
def test_r8_mm1k(rho: float, k: int, blocked: float, inside: float, n: int) -> None:
    """K counts the job in service: a line of K - 1. L is the arrival rate times the mean sojourn, refused ones at 0."""
    spec = StationSpec(1, 1.0, server=compose({"admission": ("queue", {"limit": k - 1})}))
    sojourns, _, refused = run(spec, rho, n)
    assert_mean([float(r) for r in refused], blocked, 0.05)
    assert_mean([rho * s for s in sojourns], inside, 0.05)


def test_the_busy_gauge_is_the_offered_load() -> None:
    """Work offered is a sum of n exponentials: relative error 1 / sqrt n from services and as much from arrivals."""
    n, rng, station, now = 50_000, random.Random(3), Station(StationSpec(4, 1.0), 3, 0.0), 0.0
    for attempt in range(n):
        now += rng.expovariate(2.0)
        station.offer(attempt, now)
    assert station.gauges(now)["busy_s_total"] / now == pytest.approx(2.0, rel=4 * math.sqrt(2 / n))


def drain_s(rate_per_s: float, backlog: int, seed: int) -> float:
    """When a backlog at capacity 100/s is gone for the first time, with Poisson arrivals going on."""
    rng, station, now = random.Random(seed), Station(StationSpec(1, 0.01), seed, 0.0), 0.0
    for attempt in range(backlog):
        station.offer(attempt, 0.0)
    attempt = inside = backlog
    while True:
        now += rng.expovariate(rate_per_s)
        for d in station.advance(now):
            inside -= 1
            if inside == 0:
                return d.ended_s
        station.offer(attempt, now)
        attempt, inside = attempt + 1, inside + 1


@pytest.mark.parametrize(
    ("rate_per_s", "theory_s", "sd_s"), [(50.0, 20.0, 1.10), pytest.param(90.0, 100.0, 13.8, marks=pytest.mark.long)]
)
def test_r9_backlog_drain(rate_per_s: float, theory_s: float, sd_s: float) -> None:
    """1,000 jobs waiting: mean B / (mu - lambda), variance B (mu + lambda) / (mu - lambda)^3."""
    backlog, runs = 1000, 40
    assert math.sqrt(backlog * (100 + rate_per_s) / (100 - rate_per_s) ** 3) == pytest.approx(sd_s, rel=0.01)
    drains = [drain_s(rate_per_s, backlog, seed) for seed in range(runs)]
    assert abs(mean(drains) - theory_s) < 4 * sd_s / math.sqrt(runs)
    spread = math.sqrt(sum((d - mean(drains)) ** 2 for d in drains) / (runs - 1))
    assert abs(spread - sd_s) < 4 * sd_s / math.sqrt(2 * runs)


def test_r9_after_an_outage_the_drain_is_its_length_times_load_over_room() -> None:
    """No slots for 10 s at rho = 0.7: fluid drain 10 x 0.7 / 0.3 = 23.3 s, with fixed times and even arrivals exact to
    the few jobs under way."""
    station, gap_s = Station(StationSpec(1, 0.01, "fixed"), 1, 0.0), 1 / 70
    station.set_slots(0, 0.0)
    drained_s = math.inf
    for attempt in range(1, 4000):
        now = attempt * gap_s
        if attempt == 700:
            station.set_slots(1, 10.0)
        station.offer(attempt, now)
        if attempt > 700 and station.gauges(now)["waiting_queue"] == 0:
            drained_s = now - 10.0
            break
    assert drained_s == pytest.approx(10 * 0.7 / 0.3, abs=4 * gap_s)
