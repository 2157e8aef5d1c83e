"""R2, R3, R4: what retries do to load and success when failures are independent, against tables and closed forms.

Each attempt fails with probability p, whatever the load. Retries follow at once. Budgets then have closed forms, and
the table of a published simulation (100 clients x 10 calls/s x 100 s; its code in mbrooker/simulator_example).
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Generator
from typing import Any, NamedTuple

import pytest

from harness.flows.call import Client, call
from harness.flows.wants import Cause, Reply, Request, Result, Send, Wait
from harness.policies import backoff, catalogue
from harness.policies.client import compose
from harness.policies.entry import make, steps_of

RTT_S = 0.02
POLICIES: dict[str, tuple[int, tuple[str, dict[str, Any]] | None]] = {  # attempts, retry budget
    "3 retries": (4, None),
    "brooker code": (100, ("brooker_code", {"ratio": 0.1, "burst": 5})),
    "botocore to 1.43": (3, ("botocore_143", {})),
    "botocore from 1.44": (3, ("botocore", {})),
    "grpc": (4, ("grpc_throttling", {})),
    "finagle, no floor": (4, ("finagle", {"min_rate": 0.0})),
    "finagle": (4, ("finagle", {})),
}
TABLE = {  # success %, load % by p
    "3 retries": {0.05: (100, 105.2), 0.1: (100, 111.1), 0.5: (93.8, 187.4), 1.0: (0, 400)},
    "brooker code": {0.05: (100, 105.2), 0.1: (98.5, 109.4), 0.5: (55.3, 110.4), 1.0: (0, 110.4)},
    "botocore to 1.43": {0.05: (100, 105.2), 0.1: (99.9, 111.0), 0.5: (70.2, 140.0), 1.0: (0, 110.0)},
    "botocore from 1.44": {0.05: (100, 105.2), 0.1: (99.9, 111.0), 0.5: (57.0, 114.1), 1.0: (0, 103.5)},
    "grpc": {0.05: (100, 105.1), 0.1: (93.2, 103.5), 0.5: (50.3, 100.5), 1.0: (0, 100.3)},
    "finagle, no floor": {0.05: (100, 105.2), 0.1: (99.8, 110.9), 0.5: (59.6, 119.4), 1.0: (0, 119.7)},
    "finagle": {0.05: (100, 105.2), 0.1: (100, 111.1), 0.5: (93.7, 187.1), 1.0: (0, 220.1)},
}


class Tally(NamedTuple):
    calls: int
    good: int
    attempts: int

    @property
    def success(self) -> float:
        return 100 * self.good / self.calls

    @property
    def load(self) -> float:
        return 100 * self.attempts / self.calls


def poisson(rate_per_s: float, end_s: float, rng: random.Random) -> list[float]:
    """Times of a client's calls; the published clients make their first call at once."""
    times, now_s = [], 0.0
    while now_s < end_s:
        times.append(now_s)
        now_s += rng.expovariate(rate_per_s)
    return times


def a_client(policy: str, p: float, times: list[float], rng: random.Random) -> Tally:
    """One open-loop client asking the budget's steps directly; attempts interleave on a heap."""
    attempts_max, chosen = POLICIES.get(policy, (4, ("retry_circuit", {})))
    spec: Any = None
    steps: Any = None
    state: Any = None
    if chosen is not None:
        spec = make(catalogue.find("client", "retry_budget", chosen[0]), chosen[1])
        steps = steps_of(spec)
        state = steps.start(spec, 0.0)
    calls = good = attempts = 0
    heap: list[tuple[float, int, int]] = []  # answer at, birth, attempt
    while heap or calls < len(times):
        if calls < len(times) and (not heap or times[calls] <= heap[0][0]):
            next_s = times[calls]
            calls += 1
            attempts += 1
            if steps is not None:
                state = steps.on_first(spec, state, next_s)
            heapq.heappush(heap, (next_s + RTT_S, attempts, 0))
            continue
        now_s, _, n = heapq.heappop(heap)
        ok = rng.random() >= p
        good += ok
        if steps is not None:
            state = steps.on_result(spec, state, now_s, n, ok, False, False)
        if ok or n + 1 >= attempts_max:
            continue
        granted = True
        if steps is not None:
            state, granted = steps.take(spec, state, now_s, False, False)
        if granted:
            attempts += 1
            heapq.heappush(heap, (now_s + RTT_S, attempts, n + 1))
    return Tally(calls, good, attempts)


def fleet(policy: str, p: float, clients: int, rate_per_s: float, end_s: float) -> Tally:
    rng = random.Random(f"{policy}/{p}/{clients}")
    runs = [a_client(policy, p, poisson(rate_per_s, end_s, rng), rng) for _ in range(clients)]
    return Tally(*(sum(column) for column in zip(*runs, strict=True)))


def even_fleet(policy: str, p: float, clients: int) -> Tally:
    """Poisson clients of 10 calls/s over 100 s, each given exactly 1000 calls: the same law with less noise."""
    rng = random.Random(f"{policy}/{p}/{clients}")
    runs = [a_client(policy, p, sorted(rng.uniform(0, 100) for _ in range(1000)), rng) for _ in range(clients)]
    return Tally(*(sum(column) for column in zip(*runs, strict=True)))


CELLS = [(policy, p) for policy, row in TABLE.items() for p in row]


@pytest.mark.parametrize(("policy", "p"), CELLS)
def test_r2_a_part_of_the_fleet_is_within_two_points_of_the_table(policy: str, p: float) -> None:
    """A fifth of the fleet: the load has a standard deviation of up to 0.7 points at p = 0.5."""
    tally = even_fleet(policy, p, 20)
    success, load = TABLE[policy][p]
    assert tally.success == pytest.approx(success, abs=2.0)
    assert tally.load == pytest.approx(load, abs=2.0)


@pytest.mark.long
@pytest.mark.parametrize(("policy", "p"), CELLS)
def test_r2_the_full_fleet_is_within_a_point_of_the_table(policy: str, p: float) -> None:
    tally = even_fleet(policy, p, 100)
    success, load = TABLE[policy][p]
    assert tally.success == pytest.approx(success, abs=1.0)
    assert tally.load == pytest.approx(load, abs=1.0)


@pytest.mark.parametrize("p", [0.05, 0.1, 0.5])
def test_r2_naive_retries_follow_the_closed_form(p: float) -> None:
    tally = fleet("3 retries", p, 20, 10.0, 100.0)
    sd = 100 * math.sqrt(p / (1 - p) ** 2 / tally.calls)  # of the mean number of attempts, were it not cut at 4
    assert tally.load == pytest.approx(100 * (1 - p**4) / (1 - p), abs=4 * sd)
    assert tally.success == pytest.approx(100 * (1 - p**4), abs=400 * math.sqrt(p**4 / tally.calls))


@pytest.mark.parametrize(("policy", "retries"), [("botocore to 1.43", 100), ("botocore from 1.44", 35)])
def test_r2_a_hard_outage_costs_exactly_the_quota(policy: str, retries: int) -> None:
    tally = fleet(policy, 1.0, 1, 10.0, 100.0)
    assert tally.attempts - tally.calls == retries


@pytest.mark.parametrize(
    ("kind", "timed_out", "throttled", "retries"),
    [
        ("botocore_143", False, False, 100),
        ("botocore_143", True, False, 50),
        ("botocore", False, False, 35),
        ("botocore", True, False, 35),
        ("botocore", False, True, 100),
    ],
)
def test_r2_the_price_depends_on_the_sort_of_failure(kind: str, timed_out: bool, throttled: bool, retries: int) -> None:
    spec = make(catalogue.find("client", "retry_budget", kind), {})
    steps = steps_of(spec)
    state = steps.start(spec, 0.0)
    granted = 0
    for _ in range(1000):
        state, yes = steps.take(spec, state, 0.0, timed_out, throttled)
        granted += yes
    assert granted == retries


def through_the_flow(policy: str, p: float, calls: int, backoff_s: float | None = None) -> Tally:
    """The same question asked of the whole call flow: one client, calls 0.1 s apart, answered by a function."""
    attempts_max, budget = POLICIES[policy]
    spec = compose(
        {
            "attempts": attempts_max,
            "retry_budget": budget,
            "backoff": None if backoff_s is None else ("exponential", {"base": backoff_s, "cap": 60.0}),
        }
    )
    client = Client(spec, 7, "test", 0.0)
    fails = random.Random(f"flow/{p}")
    luck: dict[tuple[int, int], bool] = {}
    good = 0
    for op in range(1, calls + 1):
        flow = call(
            client,
            "kv",
            Request("get", {}),
            op=op,
            layer=0,
            parent_id=0,
            call_no=0,
            now_s=op * 0.1,
            deadline_s=math.inf,
        )
        good += drive(flow, op * 0.1, lambda send: luck.setdefault((send.op, send.n), fails.random() >= p))
    return Tally(calls, good, client.counters.attempts)


def drive(flow: Generator[Any, Any, Any], now_s: float, works: Any) -> bool:
    answer: Any = None
    while True:
        try:
            want = flow.send(answer)
        except StopIteration as end:
            return bool(end.value.ok)
        if isinstance(want, Wait):
            now_s = want.until_s
            answer = now_s
        else:
            assert isinstance(want, Send)
            now_s += RTT_S
            ok = works(want)
            answer = Reply(Result.OK if ok else Result.ERROR, 200 if ok else 500, Cause.NONE, now_s)


@pytest.mark.parametrize("policy", ["brooker code", "botocore from 1.44", "finagle, no floor"])
def test_r2_the_call_flow_spends_what_the_steps_allow(policy: str) -> None:
    tally = through_the_flow(policy, 1.0, 1000)
    # One client, one draw sequence: the hard-outage column has no noise but the window's edge.
    assert tally.load == pytest.approx(TABLE[policy][1.0][1], abs=0.5)


@pytest.mark.parametrize(("clients", "load"), [(10, 114), (100, 145), (1000, 187)])
def test_r3_buckets_approach_plain_retries_as_clients_multiply(clients: int, load: float) -> None:
    tally = fleet("brooker code", 0.5, clients, 100.0 / clients, 10.0)
    sd = 100 * math.sqrt(2 / tally.calls)  # a geometric number of attempts has variance p / (1-p)^2 = 2
    assert tally.load == pytest.approx(load, abs=4 * sd)


@pytest.mark.parametrize("clients", [10, 100, 1000])
def test_r3_the_retry_circuit_sends_no_retries_at_half_failures(clients: int) -> None:
    tally = fleet("retry circuit", 0.5, clients, 100.0 / clients, 10.0)
    assert tally.load == pytest.approx(100, abs=1)


@pytest.mark.parametrize(("clients", "success"), [(10, 98.2), (100, 95.4), (1000, 95.6)])
def test_r3_the_retry_circuit_helps_few_clients_only(clients: int, success: float) -> None:
    tally = fleet("retry circuit", 0.05, clients, 100.0 / clients, 10.0)
    assert tally.success == pytest.approx(success, abs=2.0)  # sd 0.6 on either side


def test_r4_backoff_does_not_cut_open_loop_load() -> None:
    """The same calls meet the same luck with and without backoff: the attempts are not about equal, they are equal."""
    without = through_the_flow("3 retries", 0.5, 4000)
    with_backoff = through_the_flow("3 retries", 0.5, 4000, backoff_s=0.05)
    assert with_backoff == without
    assert without.load == pytest.approx(187.5, abs=4 * 100 * math.sqrt(1.11 / 4000))


def serial_client(p: float, end_s: float, rng: random.Random, spec: backoff.BackoffSpec) -> int:
    """First tries of one closed-loop client that thinks 0.1 s, and backs off further after each failed call.

    The published figures do not say where the backoff was capped; 1 s (ten times the base) gives both of them.
    """
    now_s, tries, in_a_row = 0.0, 0, 0
    while True:
        now_s += rng.expovariate(10.0)
        if now_s > end_s:
            return tries
        tries += 1
        now_s += rng.expovariate(100.0) + rng.expovariate(100.0)
        in_a_row = in_a_row + 1 if rng.random() < p else 0
        if in_a_row:
            now_s += backoff.delay_s(spec, in_a_row, 0.0, rng.random(), False)


@pytest.mark.parametrize(("p", "published"), [(0.5, 4242), (0.75, 2347)])
def test_r4_backoff_cuts_the_load_of_serial_clients(p: float, published: int) -> None:
    spec = make(catalogue.find("client", "backoff", "exponential"), {"base": 0.1, "cap": 1.0, "jitter": "none"})
    tries = [serial_client(p, 10.0, random.Random(f"r4/{p}/{k}"), spec) for k in range(400)]
    sd = math.sqrt(sum((t - sum(tries) / 400) ** 2 for t in tries) / 399)
    # Both are samples: 100 clients there, 400 here.
    assert sum(tries) / 4 < 0.6 * 10_201  # what as many open-loop clients send
    assert sum(tries) / 4 == pytest.approx(published, abs=3 * sd * math.sqrt(100 * (1 + 1 / 4)))
