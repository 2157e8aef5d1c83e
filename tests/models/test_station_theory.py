"""R8 and R9: the station against queueing theory, with stated standard errors and one small event loop.

Arrivals are Poisson from a seeded generator; service times are the station's own draws. A tolerance is four standard
errors throughout, so a right station fails one check in 16,000, and seeds are fixed.
"""

from __future__ import annotations

import math
import random

import pytest

from harness.flows.wants import Cause
from harness.models.station import Done, Station, StationSpec
from harness.policies.server import compose


def run(
    spec: StationSpec, rate_per_s: float, jobs: int, seed: int = 11
) -> tuple[list[Done], int, float, dict[str, float]]:
    """Offer `jobs` Poisson arrivals: what ended, how many were refused, when the last arrived, gauges at that moment."""
    rng, station, now, refused = random.Random(seed), Station(spec, seed, 0.0), 0.0, 0
    for attempt in range(jobs):
        now += rng.expovariate(rate_per_s)
        refused += station.offer(attempt, now) is not Cause.NONE
    seen = station.gauges(now)
    return station.advance(1e12), refused, now, seen


def mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


@pytest.mark.parametrize("discipline", ["fifo", "lifo", "fair"])
def test_r8_mm1_mean_sojourn(discipline: str) -> None:
    """T = 1 / (mu - lambda) = 0.5 s at rho = 0.8, mu = 10; SE of FIFO sqrt(rho (2 + 5 rho - 4 rho^2 + rho^3) / (1 -
    rho)^4 / n) / mu. By Little the mean is the same for every order that ignores service times."""
    n, rho, mu = 160_000, 0.8, 10.0
    se = math.sqrt(rho * (2 + 5 * rho - 4 * rho**2 + rho**3) / (1 - rho) ** 4 / n) / mu
    assert se == pytest.approx(0.0111, abs=5e-5)
    spec = StationSpec(1, 1 / mu, server=compose({"discipline": (discipline, {})}))
    done, _, _, _ = run(spec, rho * mu, n)
    assert len(done) == n
    assert abs(mean([d.ended_s - d.arrived_s for d in done]) - 0.5) < 4 * se


@pytest.mark.parametrize(("rho", "theory_s"), [(0.5, 0.1637), (0.8, 0.3546), (0.9, 0.6730)])
def test_r8_pollaczek_khinchine_weibull(rho: float, theory_s: float) -> None:
    """Weibull of shape 2, mean 0.1 s. SE from 40 batches of the run itself."""
    n, batches = 200_000, 40
    done, _, _, _ = run(StationSpec(1, 0.1, "weibull"), rho * 10.0, n)
    done.sort(key=lambda d: d.arrived_s)
    size = n // batches
    means = [mean([d.ended_s - d.arrived_s for d in done[k * size : (k + 1) * size]]) for k in range(batches)]
    se = math.sqrt(sum((m - mean(means)) ** 2 for m in means) / (batches - 1) / batches)
    assert se < 0.05 * theory_s  # so that the check can fail
    assert abs(mean(means) - theory_s) < 4 * se


@pytest.mark.parametrize(("distribution", "waits"), [("fixed", 2.0), ("exponential", 4.0)])
def test_r8_waiting_over_service_at_eight_tenths(distribution: str, waits: float) -> None:
    """Wq / S: M/D/1 2.0, M/M/1 4.0. The M/M/1 error bounds both."""
    n, rho = 160_000, 0.8
    se = math.sqrt(rho * (2 + 5 * rho - 4 * rho**2 + rho**3) / (1 - rho) ** 4 / n)
    done, _, _, _ = run(StationSpec(1, 1.0, distribution), rho, n, seed=12)
    assert abs(mean([d.began_s - d.arrived_s for d in done]) - waits) < 4 * se


def test_r8_erlang_b_and_c() -> None:
    """(c, a) = (5, 2.5): B = .0697, C = .1304; (10, 8): B = .1217, C = .4092. Blocking counts are correlated; batch SE."""
    for c, a, blocked, delayed in ((5, 2.5, 0.0697, 0.1304), (10, 8.0, 0.1217, 0.4092)):
        n = 150_000
        loss = StationSpec(c, 1.0, server=compose({"admission": ("concurrency", {"limit": c})}))
        _, refused, _, _ = run(loss, a, n)
        assert abs(refused / n - blocked) < 4 * math.sqrt(blocked / n * 4)
        done, _, _, _ = run(StationSpec(c, 1.0), a, n)
        waited = sorted((d.arrived_s, d.began_s > d.arrived_s) for d in done)
        batches = [sum(w for _, w in waited[k : k + n // 50]) / (n // 50) for k in range(0, n, n // 50)]
        centre = mean(batches)
        se = math.sqrt(sum((b - centre) ** 2 for b in batches) / 49 / 50)
        assert se < 0.05 * delayed + 0.01
        assert abs(centre - delayed) < 4 * se


@pytest.mark.parametrize(
    ("rho", "k", "blocked", "inside"), [(0.9, 20, 0.01365, 6.42), (1.0, 10, 0.0909, 5.0), (1.5, 10, 0.3372, 8.13)]
)
def test_r8_mm1k(rho: float, k: int, blocked: float, inside: float) -> None:
    """K counts the job in service: a line of K - 1. L from Little's law on those accepted; SE from 50 batches."""
    n = 200_000
    spec = StationSpec(1, 1.0, server=compose({"admission": ("queue", {"limit": k - 1})}))
    done, refused, ended, _ = run(spec, rho, n)
    assert abs(refused / n - blocked) < 4 * math.sqrt(blocked * k / n)
    assert abs(math.fsum(d.ended_s - d.arrived_s for d in done) / ended - inside) < 0.03 * inside


def test_the_busy_gauge_is_the_offered_load() -> None:
    _, _, now, seen = run(StationSpec(4, 1.0), 2.0, 100_000)
    assert seen["busy_s_total"] / now == pytest.approx(2.0, rel=4 * math.sqrt(2 / 100_000))


@pytest.mark.parametrize(("rate_per_s", "drain_s", "sd_s"), [(50.0, 20.0, 1.10), (90.0, 100.0, 13.8)])
def test_r9_backlog_drain(rate_per_s: float, drain_s: float, sd_s: float) -> None:
    """1,000 jobs waiting at capacity 100/s: mean B / (mu - lambda), variance B (mu + lambda) / (mu - lambda)^3."""
    mu, backlog, runs = 100.0, 1000, 40
    assert math.sqrt(backlog * (mu + rate_per_s) / (mu - rate_per_s) ** 3) == pytest.approx(sd_s, rel=0.01)
    drains = []
    for seed in range(runs):
        rng, station, now = random.Random(seed), Station(StationSpec(1, 1 / mu), seed, 0.0), 0.0
        for attempt in range(backlog):
            station.offer(attempt, 0.0)
        attempt, inside, empty_s = backlog, backlog, math.inf
        while empty_s == math.inf:
            now += rng.expovariate(rate_per_s)
            for d in station.advance(now):
                inside -= 1
                if inside == 0:
                    empty_s = d.ended_s
                    break
            station.offer(attempt, now)
            attempt, inside = attempt + 1, inside + 1
        drains.append(empty_s)
    assert abs(mean(drains) - drain_s) < 4 * sd_s / math.sqrt(runs)
    spread = math.sqrt(sum((d - mean(drains)) ** 2 for d in drains) / (runs - 1))
    assert abs(spread - sd_s) < 4 * sd_s / math.sqrt(2 * runs)


def test_r9_after_an_outage_the_drain_is_its_length_times_load_over_room() -> None:
    """No slots for 10 s at rho = 0.7: fluid drain 10 x 0.7 / 0.3 = 23.3 s. Fixed times and even arrivals make it exact to
    the jobs under way."""
    station, gap = Station(StationSpec(1, 0.01, "fixed"), 1, 0.0), 1 / 70
    station.set_slots(0, 0.0)
    drained_s = math.inf
    for attempt in range(1, 4000):
        if attempt == 700:
            station.set_slots(1, 10.0)
        station.offer(attempt, attempt * gap)
        if attempt > 700 and station.gauges(attempt * gap)["waiting_queue"] == 0:
            drained_s = attempt * gap - 10.0
            break
    assert drained_s == pytest.approx(10 * 0.7 / 0.3, abs=4 * gap)
