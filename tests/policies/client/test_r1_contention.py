"""R1: backoff and jitter under contention, against the published simulation (aws-arch-backoff-simulator).

N clients each make one optimistic write on one row: read the version, write with it, start over if somebody was first.
Each message takes |N(10, 2)| ms. Calls are writes; time is when the last client succeeded. The table holds means over
400 repeats (1000 for N = 10) and, where known, the standard deviation of one repeat.
"""

from __future__ import annotations

import heapq
import math
import random
import statistics

import pytest

from harness.policies import backoff, catalogue
from harness.policies.entry import make

# The simulator's base of 5 ms is doubled before the first wait, so `base` is 10 ms; decorrelated starts from 5 ms.
KINDS = {
    "None": ("none", {}),
    "Exponential": ("exponential", {"base": 0.010, "cap": 2.0, "jitter": "none"}),
    "Equal": ("exponential", {"base": 0.010, "cap": 2.0, "jitter": "equal"}),
    "Full": ("exponential", {"base": 0.010, "cap": 2.0, "jitter": "full"}),
    "Decorr": ("exponential", {"base": 0.005, "cap": 2.0, "jitter": "decorrelated"}),
}
CALLS_10 = {"None": 50.8, "Exponential": 50.8, "Equal": 42.4, "Full": 39.0, "Decorr": 37.7}
CALLS_100 = {"None": (2419, 32), "Exponential": (1860, 56), "Equal": (812, 8), "Full": (796, 8), "Decorr": (1002, 29)}
MS_100 = {
    "None": (2025, 45),
    "Exponential": (63575, 3463),
    "Equal": (6629, 656),
    "Full": (4935, 540),
    "Decorr": (4586, 697),
}


def contend(name: str, clients: int, rng: random.Random) -> tuple[int, float]:
    """One repeat: the number of writes, and the time of the last in milliseconds."""
    kind, params = KINDS[name]
    spec = make(catalogue.find("client", "backoff", kind), params)

    def hop_s() -> float:
        return abs(rng.normalvariate(0.010, 0.002))

    version = writes = 0
    now_s = 0.0
    seen, tries, prev_s = [0] * clients, [0] * clients, [0.0] * clients
    heap = [(hop_s(), client, "read") for client in range(clients)]
    heapq.heapify(heap)
    while heap:
        now_s, client, what = heapq.heappop(heap)
        if what == "read":  # at the server; the answer and the write are two more hops
            seen[client] = version
            heapq.heappush(heap, (now_s + hop_s() + hop_s(), client, "write"))
        elif what == "write":
            writes += 1
            won = seen[client] == version
            version += won
            heapq.heappush(heap, (now_s + hop_s(), client, "won" if won else "lost"))
        elif what == "lost":
            tries[client] += 1
            wait_s = backoff.delay_s(spec, tries[client], prev_s[client], rng.random(), False)
            prev_s[client] = wait_s
            heapq.heappush(heap, (now_s + hop_s() + wait_s, client, "read"))
    return writes, now_s * 1e3


def repeats(name: str, clients: int, times: int) -> list[tuple[int, float]]:
    rng = random.Random(f"r1/{name}/{clients}")
    return [contend(name, clients, rng) for _ in range(times)]


@pytest.mark.parametrize("name", KINDS)
def test_r1_ten_clients_make_the_published_number_of_calls(name: str) -> None:
    times = 400
    calls = [writes for writes, _ in repeats(name, 10, times)]
    sd = statistics.stdev(calls)
    # Both means are measured: 1000 repeats there, `times` here.
    assert abs(statistics.fmean(calls) - CALLS_10[name]) <= 3 * sd * math.sqrt(1 / times + 1 / 1000) + 0.05


def hundred(name: str, times: int) -> None:
    runs = repeats(name, 100, times)
    for values, (mean, sd) in (
        ([writes for writes, _ in runs], CALLS_100[name]),
        ([ms for _, ms in runs], MS_100[name]),
    ):
        # 3 sd / sqrt(repeats) for our mean, as much again for theirs (400 repeats), and half a unit of their rounding.
        assert abs(statistics.fmean(values) - mean) <= 3 * sd * math.sqrt(1 / times + 1 / 400) + 0.5


@pytest.mark.parametrize("name", KINDS)
def test_r1_a_hundred_clients_agree_with_the_published_table_in_a_few_repeats(name: str) -> None:
    hundred(name, 3)


@pytest.mark.long
@pytest.mark.parametrize("name", KINDS)
def test_r1_a_hundred_clients_agree_with_the_published_table(name: str) -> None:
    hundred(name, 400)


def test_r1_full_jitter_more_than_halves_the_calls_of_plain_exponential() -> None:
    plain = statistics.fmean(writes for writes, _ in repeats("Exponential", 100, 3))
    full = statistics.fmean(writes for writes, _ in repeats("Full", 100, 3))
    assert full < 0.5 * plain
