"""R1: backoff and jitter under contention. N clients write one row; each starts over if somebody was first.

Each message takes |N(10, 2)| ms. A client reads the version, writes with it, and after losing waits as its backoff says
and reads again. Calls are writes; time is when the last client succeeded. The published simulator doubles its base of
5 ms before the first wait (so base is 10 ms here), and decorrelated jitter starts from 5 ms.

Source: aws-samples/aws-arch-backoff-simulator, and "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from random import Random
from statistics import stdev
from typing import Any, Final

from harness import seeds
from harness.policies import backoff, catalogue
from harness.policies.entry import make
from harness.study.claims import Claim, Effort, Line, sample

HOP_S, HOP_SD_S = 0.010, 0.002
KINDS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "none": ("none", {}),
    "exponential": ("exponential", {"base": 0.010, "cap": 2.0, "jitter": "none"}),
    "equal": ("exponential", {"base": 0.010, "cap": 2.0, "jitter": "equal"}),
    "full": ("exponential", {"base": 0.010, "cap": 2.0, "jitter": "full"}),
    "decorrelated": ("exponential", {"base": 0.005, "cap": 2.0, "jitter": "decorrelated"}),
}
CALLS_10: Final = {"none": 50.8, "exponential": 50.8, "equal": 42.4, "full": 39.0, "decorrelated": 37.7}
# mean and standard deviation over 400 repeats
CALLS_100: Final = {
    "none": (2419, 32), "exponential": (1860, 56), "equal": (812, 8), "full": (796, 8), "decorrelated": (1002, 29),
}  # fmt: skip
MS_100: Final = {
    "none": (2025, 45), "exponential": (63575, 3463), "equal": (6629, 656), "full": (4935, 540),
    "decorrelated": (4586, 697),
}  # fmt: skip


def contend(kind: str, clients: int, rng: Random) -> tuple[int, float]:
    """One repeat: how many writes were made, and when the last client succeeded, in ms."""
    name, params = KINDS[kind]
    spec = make(catalogue.find("client", "backoff", name), params)
    version = writes = 0
    now_s = 0.0
    seen, tries, waited_s = [0] * clients, [0] * clients, [0.0] * clients

    def hop_s() -> float:
        return abs(rng.normalvariate(HOP_S, HOP_SD_S))

    at_server = [(hop_s(), client, False) for client in range(clients)]  # when, who, writing
    heapq.heapify(at_server)
    while at_server:
        now_s, client, writing = heapq.heappop(at_server)
        if not writing:
            seen[client] = version
            heapq.heappush(at_server, (now_s + hop_s() + hop_s(), client, True))
            continue
        writes += 1
        now_s += hop_s()  # the answer
        if seen[client] == version:
            version += 1
            continue
        tries[client] += 1
        waited_s[client] = backoff.delay_s(spec, tries[client], waited_s[client], rng.random(), False)
        heapq.heappush(at_server, (now_s + waited_s[client] + hop_s(), client, False))
    return writes, now_s * 1e3


def lines(effort: Effort) -> Iterator[Line]:
    """Calls with 10 clients; calls and time with 100."""
    for kind, published in CALLS_10.items():
        rng = seeds.rng(1, f"published/contention/{kind}/10")
        calls = [float(contend(kind, 10, rng)[0]) for _ in range(20 * effort.seeds)]
        theirs = stdev(calls) / math.sqrt(1000)  # a mean of 1000 repeats; their scatter is that of ours
        yield sample("R1", f"10 clients, {kind}: calls", calls, published, published_se=theirs, slack=0.05)
    for kind in KINDS:
        rng = seeds.rng(1, f"published/contention/{kind}/100")
        told = [contend(kind, 100, rng) for _ in range(effort.seeds)]
        for what, values, (mean, sd) in (
            ("calls", [float(calls) for calls, _ in told], CALLS_100[kind]),
            ("ms to the last", [ms for _, ms in told], MS_100[kind]),
        ):
            named = f"100 clients, {kind}: {what}"
            yield sample("R1", named, values, mean, published_se=sd / math.sqrt(400), slack=0.5)


CLAIM = Claim("R1", "aws-samples/aws-arch-backoff-simulator", lines)
