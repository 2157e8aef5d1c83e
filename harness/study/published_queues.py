"""R8 and R9: queueing theory against the station that every service here is made of.

R8  mean sojourn of M/M/1 and of M/G/1 (Pollaczek-Khinchine, Weibull with shape 2), mean waits of M/D/1 and M/M/1, loss
    and waiting probabilities (Erlang B and C), M/M/1/K.
R9  a backlog of B jobs under load: the first passage to empty takes B / (mu - lambda) on average, with variance
    B (mu + lambda) / (mu - lambda)^3.

The published figures are closed forms, so they have no error of their own; ours have a standard error over seeds.
Sources: Kleinrock, "Queueing Systems" 1975; Erlang 1917.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import fmean, stdev
from typing import Any, Final, NamedTuple

from harness import seeds
from harness.flows.wants import Cause
from harness.models.station import Station, StationSpec
from harness.policies.server import compose
from harness.study.claims import Claim, Effort, Line, estimate, sample

MU, MEAN_S = 10.0, 0.1
WEIBULL_SOJOURN_S: Final = {0.5: 0.1637, 0.8: 0.3546, 0.9: 0.6730}
ERLANG: Final = {(5, 2.5): (0.0697, 0.1304), (10, 5.0): (0.0184, 0.0361), (10, 8.0): (0.1217, 0.4092),
                 (100, 80.0): (0.0040, 0.0196)}  # fmt: skip  # (slots, load in erlangs) -> (B, C)
MM1K: Final = {(0.9, 20): (0.01365, 6.42), (1.0, 10): (0.0909, 5.0), (1.5, 10): (0.3372, 8.13)}
DRAIN: Final = {50.0: (20.0, 1.10), 90.0: (100.0, 13.8)}  # load -> mean and sd of the drain of 1000 jobs at 100/s


class Seen(NamedTuple):
    """What arrivals met: mean sojourn and wait of the served, shares that waited and were refused, number inside."""

    sojourn_s: float
    wait_s: float
    waited: float
    refused: float
    inside: float


def watch(spec: StationSpec, rate_per_s: float, jobs: int, seed: int) -> Seen:
    """A station under Poisson arrivals; the first tenth of the jobs is left out."""
    station, rng = Station(spec, seed, 0.0), seeds.rng(seed, "published/queues")
    skipped, now_s = jobs // 10, 0.0
    sojourns_s, waits_s, refused = [], [], 0
    counted_from_s = 0.0
    for attempt in range(jobs):
        now_s += rng.expovariate(rate_per_s)
        done = station.advance(now_s)
        cause = station.offer(attempt, now_s)
        if attempt == skipped:
            counted_from_s = now_s
        refused += cause is not Cause.NONE and attempt >= skipped
        for one in done:
            if one.attempt >= skipped:
                sojourns_s.append(one.ended_s - one.arrived_s)
                waits_s.append(one.began_s - one.arrived_s)
    waited = sum(wait_s > 0.0 for wait_s in waits_s) / len(waits_s)
    inside = sum(sojourns_s) / (now_s - counted_from_s)
    return Seen(fmean(sojourns_s), fmean(waits_s), waited, refused / (jobs - skipped), inside)


def bounded(limit: int) -> dict[str, Any]:
    """A bound on all inside, as the server policies spell it."""
    return {"admission": ("concurrency", {"limit": limit})}


def drain_s(rate_per_s: float, backlog: int, seed: int) -> float:
    """How long a station of 100/s takes to empty a backlog while more arrives."""
    station, rng = Station(StationSpec(1, 0.01), seed, 0.0), seeds.rng(seed, "published/drain")
    inside = backlog
    for attempt in range(backlog):
        station.offer(attempt, 0.0)
    attempt, next_s = backlog, rng.expovariate(rate_per_s)
    while True:
        ends_s = station.next_event_s()
        if ends_s <= next_s:
            inside -= len(station.advance(ends_s))
            if inside == 0:
                return ends_s
        else:
            inside -= len(station.advance(next_s))
            station.offer(attempt, next_s)
            inside, attempt, next_s = inside + 1, attempt + 1, next_s + rng.expovariate(rate_per_s)


def queue_lines(effort: Effort) -> Iterator[Line]:
    """R8."""
    numbers = range(1, 1 + max(5, effort.seeds))

    def seen(spec: StationSpec, rate_per_s: float, jobs: int = 15_000) -> list[Seen]:
        return [watch(spec, rate_per_s, jobs, seed) for seed in numbers]

    mm1 = seen(StationSpec(1, MEAN_S), 0.8 * MU)
    yield sample("R8", "M/M/1, load 0.8: mean sojourn (s)", [one.sojourn_s for one in mm1], 0.5)
    for rho, published in WEIBULL_SOJOURN_S.items():
        values = [one.sojourn_s for one in seen(StationSpec(1, MEAN_S, "weibull"), rho * MU)]
        yield sample("R8", f"Weibull(2), load {rho}: mean sojourn (s)", values, published)
    md1 = seen(StationSpec(1, MEAN_S, "fixed"), 0.8 * MU)
    yield sample("R8", "M/D/1, load 0.8: wait / service", [one.wait_s / MEAN_S for one in md1], 2.0)
    yield sample("R8", "M/M/1, load 0.8: wait / service", [one.wait_s / MEAN_S for one in mm1], 4.0)
    for (slots, erlangs), (loss, wait) in ERLANG.items():
        waited = [one.waited for one in seen(StationSpec(slots, MEAN_S), erlangs * MU)]
        yield sample("R8", f"Erlang C, {slots} slots, {erlangs:g} erlangs", waited, wait, slack=0.0001)
        full = StationSpec(slots, MEAN_S, server=compose(bounded(slots)))
        refused = [one.refused for one in seen(full, erlangs * MU)]
        yield sample("R8", f"Erlang B, {slots} slots, {erlangs:g} erlangs", refused, loss, slack=0.0001)
    for (rho, limit), (blocked, inside) in MM1K.items():
        told = seen(StationSpec(1, MEAN_S, server=compose(bounded(limit))), rho * MU)
        yield sample("R8", f"M/M/1/{limit}, load {rho}: refused", [one.refused for one in told], blocked, slack=0.0001)
        yield sample("R8", f"M/M/1/{limit}, load {rho}: inside", [one.inside for one in told], inside, slack=0.01)


def drain_lines(effort: Effort) -> Iterator[Line]:
    """R9, first passage; the full outage is an experiment file."""
    for rate_per_s, (mean, sd) in DRAIN.items():
        repeats = (20 if rate_per_s < 80.0 else 4) * effort.seeds  # a drain at 90/s takes five times as many jobs
        values = [drain_s(rate_per_s, 1000, seed) for seed in range(1, 1 + repeats)]
        yield sample("R9", f"1000 jobs, {rate_per_s:g}/s of 100/s: drain (s)", values, mean)
        ours, se = stdev(values), stdev(values) / math.sqrt(2 * len(values))
        what = f"1000 jobs, {rate_per_s:g}/s of 100/s: standard deviation (s)"
        yield estimate("R9", what, ours, se, sd, slack=0.05)


CLAIMS = (Claim("R8", "queueing theory", queue_lines), Claim("R9", "queueing theory, first passage", drain_lines))
