"""R6: open against closed loops. A generator that waits for replies does not see the queue it would have made.

One worker, mean service 0.1 s, exponential or with one request in a thousand a hundred times longer. Open: Poisson at
0.8 of capacity. Closed: n users, each with one request under way and then an exponential pause with mean
(1 - rho) s + (n - 1) s / rho, the published simulator's choice.

Theory for the open loop: sojourn times are exponential with mean 0.5 s, so p99 = 0.5 ln 100 = 2.30 s. The bimodal one
has mean 4.113 s (Pollaczek-Khinchine); its transform has two poles, and inverted gives a p99 of 45.80 s. The published
39 to 40 s is of one run of hours, and runs of hours scatter widely.

Source: mbrooker/simulator_example, omission; "Open and Closed, Omission and Collapse", brooker.co.za, 2023-05-10.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator
from random import Random
from statistics import fmean

from harness import seeds
from harness.study.claims import Claim, Effort, Line, one_run, ruled, sample

MEAN_S, RHO = 0.1, 0.8
LONG_S, LONG_SHARE = 10.0, 0.001
HEAVY_P99_S = 45.80
JOBS, END_S = 40_000, 20_000.0
Draw = Callable[[Random], float]


def exponential_s(rng: Random) -> float:
    """A service time with mean 0.1 s."""
    return rng.expovariate(1.0 / MEAN_S)


def bimodal_s(rng: Random) -> float:
    """The same, but one in a thousand has a mean of 10 s."""
    return rng.expovariate(1.0 / (LONG_S if rng.random() < LONG_SHARE else MEAN_S))


def open_loop(draw: Draw, mean_s: float, jobs: int, rng: Random) -> list[float]:
    """Sojourn times under Poisson arrivals (Lindley's recursion), sorted."""
    now_s = free_s = 0.0
    found = []
    for _ in range(jobs):
        now_s += rng.expovariate(RHO / mean_s)
        free_s = max(free_s, now_s) + draw(rng)
        found.append(free_s - now_s)
    return sorted(found)


def closed_loop(draw: Draw, mean_s: float, users: int, jobs: int, rng: Random) -> list[float]:
    """Sojourn times of users who pause between replies and requests, sorted."""
    pause_s = (1.0 - RHO) * mean_s + (users - 1) * mean_s / RHO
    ready_s = [0.0] * users
    free_s = 0.0
    found = []
    for _ in range(jobs):
        sent_s = heapq.heappop(ready_s)
        free_s = max(free_s, sent_s) + draw(rng)
        found.append(free_s - sent_s)
        heapq.heappush(ready_s, free_s + rng.expovariate(1.0 / pause_s))
    return sorted(found)


def quantile(values: list[float], q: float) -> float:
    """The ceil(q n)-th smallest of sorted values."""
    return values[math.ceil(q * len(values)) - 1]


def resubmitting(seed: int, end_s: float, limit_s: float | None) -> tuple[int, int]:
    """The bimodal open loop that sends again what took over `limit_s`: its line half-way and at the end."""
    rng = seeds.rng(seed, "published/loops/resubmit")
    mean_s = (1.0 - LONG_SHARE) * MEAN_S + LONG_SHARE * LONG_S
    waiting: list[float] = []  # moments of arrival; served in order
    head, next_s, done_s, half = 0, rng.expovariate(RHO / mean_s), math.inf, 0
    now_s = 0.0
    while now_s < end_s:
        now_s = min(next_s, done_s)
        if next_s <= done_s:
            waiting.append(now_s)
            next_s = now_s + rng.expovariate(RHO / mean_s)
        else:
            took_s = now_s - waiting[head]
            head += 1
            if limit_s is not None and took_s > limit_s:
                waiting.append(now_s)
            done_s = math.inf
        if done_s == math.inf and head < len(waiting):
            done_s = now_s + bimodal_s(rng)
        if now_s <= end_s / 2:
            half = len(waiting) - head
    return half, len(waiting) - head


def long_run(seed: int) -> list[float]:
    """Sojourn times of the bimodal open loop over 20,000 s, sorted."""
    mean_s = (1.0 - LONG_SHARE) * MEAN_S + LONG_SHARE * LONG_S
    return open_loop(bimodal_s, mean_s, round(END_S * RHO / mean_s), seeds.rng(seed, "published/loops/bimodal"))


def lines(effort: Effort) -> Iterator[Line]:
    """p99 of open and closed loops, and the loop that feeds itself."""
    numbers = range(1, 1 + effort.seeds)

    def of(draw: Draw, mean_s: float, users: int) -> list[list[float]]:
        """Independent runs: open loops when there are no users."""
        found = []
        for seed in numbers:
            rng = seeds.rng(seed, f"published/loops/{draw.__name__}/{users}")
            loop = closed_loop(draw, mean_s, users, JOBS, rng) if users else open_loop(draw, mean_s, JOBS, rng)
            found.append(loop)
        return found

    opened = of(exponential_s, MEAN_S, 0)
    yield sample("R6", "exponential, open: mean (s)", [fmean(run) for run in opened], 0.50)
    yield sample("R6", "exponential, open: p99 (s)", [quantile(run, 0.99) for run in opened], 2.30, slack=0.005)
    for users, published in ((1, 0.46), (10, 0.94)):
        values = [quantile(run, 0.99) for run in of(exponential_s, MEAN_S, users)]
        yield sample("R6", f"exponential, closed with {users}: p99 (s)", values, published, slack=0.005)
    mean_s = (1.0 - LONG_SHARE) * MEAN_S + LONG_SHARE * LONG_S
    heavy = [long_run(seed) for seed in range(1, 1 + 2 * effort.seeds)]
    p99s = [quantile(run, 0.99) for run in heavy]
    yield one_run("R6", "bimodal, open, 20,000 s: p99 (s)", p99s, 39.5, slack=0.5)
    over = [sum(took_s > HEAVY_P99_S for took_s in run) / len(run) for run in heavy]
    yield sample("R6", f"bimodal, open: share over {HEAVY_P99_S} s (exact p99)", over, 0.01)
    yield sample("R6", "bimodal, open: mean (s), exact", [fmean(run) for run in heavy], 4.113)
    alone = [quantile(run, 0.99) for run in of(bimodal_s, mean_s, 1)]
    yield sample("R6", "bimodal, closed with 1: p99 (s)", alone, 0.47, slack=0.005)
    lengths = [resubmitting(seed, END_S, 15.0) for seed in numbers]
    ends = [float(end) for _, end in lengths]
    yield one_run("R6", "bimodal, resubmitted after 15 s: line at 20,000 s", ends, 140155.0)
    least = min(end / max(1, half) for half, end in lengths)
    what, rule = "the same: the line at the end over that half-way", "over 1.5 in every run"
    yield ruled("R6", what, f"{least:.2g} or more", "growing", least > 1.5, rule)
    ends = [float(resubmitting(seed, END_S, None)[1]) for seed in numbers]
    yield one_run("R6", "the same without resubmission", ends, 0.0)


CLAIM = Claim("R6", "mbrooker/simulator_example, omission; queueing theory", lines)
