"""Every retry budget: the promise of its docstring, and a twin that is slow and obvious."""

from __future__ import annotations

import math
from collections import deque
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.policies import (
    botocore_quota,
    catalogue,
    envoy_budget,
    finagle_budget,
    grpc_throttle,
    retry_budget,
    retry_circuit,
)
from harness.policies.entry import make

FLAGS = [(False, False), (True, False), (False, True)]  # timed out, throttled


def spec(kind: str, **params: object) -> object:
    return make(catalogue.find("client", "retry_budget", kind), params)


# f: a first try; s: a success; r: ask for a retry; c: a granted retry that never left
TAPES = st.lists(st.sampled_from("fsrrc"), max_size=120)


@given(tape=TAPES, hundredths=st.integers(0, 100), burst=st.integers(1, 8), kind=st.integers(0, 2))
def test_a_token_bucket_is_exact_in_fractions(tape: list[str], hundredths: int, burst: int, kind: int) -> None:
    name = ("token_bucket", "brooker_post", "brooker_code")[kind]
    if name == "brooker_code" and burst == 1:
        burst = 2
    chosen = spec(name, ratio=hundredths / 100, burst=burst)
    state = retry_budget.start(chosen, 0.0)
    level, ratio = Fraction(burst), Fraction(hundredths, 100)
    deposits = {"token_bucket": "f", "brooker_post": "s", "brooker_code": "f"}[name]
    for what in tape:
        if what == deposits:
            level = min(Fraction(burst), level + ratio)
        if what == "f":
            state = retry_budget.on_first(chosen, state, 0.0)
        elif what == "s":
            state = retry_budget.on_result(chosen, state, 0.0, 0, True, False, False)
        elif what == "c":
            level = min(Fraction(burst), level + 1)
            state = retry_budget.on_cancel(chosen, state, 0.0, 1, False)
        else:
            state, yes = retry_budget.take(chosen, state, 0.0, False, False)
            assert yes is (level > 1 if name == "brooker_code" else level >= 1)
            level -= yes
    assert Fraction(state.tokens, retry_budget.TOKEN) == level


@given(tape=st.lists(st.sampled_from("fr"), max_size=300), tenths=st.integers(0, 10), burst=st.integers(1, 8))
def test_retries_never_exceed_the_burst_and_the_share(tape: list[str], tenths: int, burst: int) -> None:
    chosen = spec("token_bucket", ratio=tenths / 10, burst=burst)
    state = retry_budget.start(chosen, 0.0)
    firsts = retries = 0
    for what in tape:
        if what == "f":
            firsts += 1
            state = retry_budget.on_first(chosen, state, 0.0)
        else:
            state, yes = retry_budget.take(chosen, state, 0.0, False, False)
            retries += yes
        assert retries <= burst + Fraction(tenths, 10) * firsts


def test_ten_deposits_of_a_tenth_are_exactly_one_retry() -> None:
    chosen = spec("token_bucket", ratio=0.1, burst=1)
    state, _ = retry_budget.take(chosen, retry_budget.start(chosen, 0.0), 0.0, False, False)
    for _ in range(9):
        state = retry_budget.on_first(chosen, state, 0.0)
        assert retry_budget.take(chosen, state, 0.0, False, False)[1] is False
    state = retry_budget.on_first(chosen, state, 0.0)
    assert retry_budget.take(chosen, state, 0.0, False, False)[1] is True


@given(tape=st.lists(st.sampled_from("srff"), max_size=200), tenths=st.integers(1, 9))
def test_grpc_tokens_are_exact_and_gate_at_half(tape: list[str], tenths: int) -> None:
    chosen = spec("grpc_throttling", max_tokens=10, ratio=tenths / 10)
    state = grpc_throttle.start(chosen, 0.0)
    tokens = Fraction(10)
    for what in tape:
        if what == "r":
            same, yes = grpc_throttle.take(chosen, state, 0.0, False, False)
            assert yes is (tokens > 5)
            assert same == state  # retries are not priced
        else:
            ok = what == "s"
            tokens = min(Fraction(10), tokens + Fraction(tenths, 10)) if ok else max(Fraction(0), tokens - 1)
            state = grpc_throttle.on_result(chosen, state, 0.0, 0, ok, False, False)
        assert Fraction(state.tokens, 1000) == tokens


@pytest.mark.parametrize(("successes", "allowed"), [(10, True), (9, False)])
def test_grpc_stops_at_one_failure_in_eleven(successes: int, allowed: bool) -> None:
    """ratio / (1 + ratio) = 1/11: ten successes pay for one failure, nine do not."""
    chosen = spec("grpc_throttling")
    state = grpc_throttle.start(chosen, 0.0)
    for _ in range(100):
        state = grpc_throttle.on_result(chosen, state, 0.0, 0, False, False, False)
        for _ in range(successes):
            state = grpc_throttle.on_result(chosen, state, 0.0, 0, True, False, False)
    assert grpc_throttle.take(chosen, state, 0.0, False, False)[1] is allowed


@given(
    kind=st.sampled_from(["botocore_143", "botocore"]),
    tape=st.lists(st.tuples(st.sampled_from("frrs"), st.integers(0, 2)), max_size=300),
)
def test_the_quota_is_a_ledger(kind: str, tape: list[tuple[str, int]]) -> None:
    """Retries paid and given back one by one: the balance is what a cash book says, between 0 and 500."""
    price = {"botocore_143": (5, 10, 5), "botocore": (14, 14, 5)}[kind]
    chosen = spec(kind)
    state = botocore_quota.start(chosen, 0.0)
    balance = 500
    paid: deque[int] = deque()  # sorts of the retries in flight
    for what, sort in tape:
        if what == "f":  # a first try that works
            state = botocore_quota.on_result(chosen, state, 0.0, 0, True, False, False)
            balance = min(500, balance + 1)
        elif what == "r":
            state, yes = botocore_quota.take(chosen, state, 0.0, *FLAGS[sort])
            assert yes is (balance >= price[sort])
            if yes:
                balance -= price[sort]
                paid.append(sort)
        elif paid:  # a retry that works gives back what it took
            sort = paid.popleft()
            state = botocore_quota.on_result(chosen, state, 0.0, 1, True, *FLAGS[sort])
            balance = min(500, balance + price[sort])
        assert state.left == balance >= 0


@given(
    ratio=st.sampled_from([0.0, 0.1, 0.2, 0.5, 1.0, 3.0]),
    floor=st.sampled_from([0.0, 1.0, 10.0]),
    ttl=st.sampled_from([1.0, 10.0, 60.0]),
    tape=st.lists(st.tuples(st.integers(0, 3000), st.sampled_from("ffr")), max_size=150),
)
def test_finagles_budget_agrees_with_a_list_of_events(
    ratio: float, floor: float, ttl: float, tape: list[tuple[int, str]]
) -> None:
    chosen = spec("finagle", ttl=ttl, min_rate=floor, ratio=ratio)
    state = finagle_budget.start(chosen, 0.0)
    price = int(1000 / ratio) if ratio else 1
    events: list[tuple[int, int]] = []  # bucket, amount
    now_ms = 0
    for gap_ms, what in tape:
        now_ms += gap_ms
        now_s = now_ms / 1000
        bucket = math.floor(now_s / chosen.bucket_s)
        balance = sum(amount for at, amount in events if at > bucket - 10) + int(floor * ttl) * price
        if what == "f":
            events.append((bucket, 1000 if ratio else 0))
            state = finagle_budget.on_first(chosen, state, now_s)
        else:
            state, yes = finagle_budget.take(chosen, state, now_s, False, False)
            assert yes is (balance >= price and (ratio > 0 or floor > 0))
            if yes:
                events.append((bucket, -price))


def test_finagles_floor_is_a_rate_and_its_share_expires() -> None:
    chosen = spec("finagle")  # 20 %, 10/s, 10 s
    state = finagle_budget.start(chosen, 0.0)
    for _ in range(50):
        state = finagle_budget.on_first(chosen, state, 0.0)
    granted = 0
    for _ in range(500):
        state, yes = finagle_budget.take(chosen, state, 0.5, False, False)
        granted += yes
    assert granted == 100 + 10  # the reserve for ten seconds, and a fifth of 50
    granted = 0
    for _ in range(500):
        state, yes = finagle_budget.take(chosen, state, 30.0, False, False)
        granted += yes
    assert granted == 100  # deposits and withdrawals are both forgotten


@given(
    tape=st.lists(st.sampled_from("frrec"), max_size=200),
    ratio=st.sampled_from([0.0, 0.2, 0.5]),
    least=st.integers(0, 5),
)
def test_envoys_budget_counts_what_is_open(tape: list[str], ratio: float, least: int) -> None:
    chosen = spec("envoy", ratio=ratio, min_retries=least)
    state = envoy_budget.start(chosen, 0.0)
    opened: list[int] = []  # attempt numbers of what is open
    for what in tape:
        if what == "f":
            opened.append(0)
            state = envoy_budget.on_first(chosen, state, 0.0)
        elif what == "r":
            retries = sum(n > 0 for n in opened)
            room = max(least, int(Fraction(ratio).limit_denominator(10) * len(opened)))
            state, yes = envoy_budget.take(chosen, state, 0.0, False, False)
            assert yes is (retries < room)
            if yes:
                opened.append(1)
                assert retries + 1 <= room  # the promise
        elif opened:
            n = opened.pop()
            if what == "e":
                state = envoy_budget.on_result(chosen, state, 0.0, n, True, False, False)
            else:
                state = envoy_budget.on_cancel(chosen, state, 0.0, n, True)
        assert state == (len(opened), sum(n > 0 for n in opened))


@given(tape=st.lists(st.sampled_from("ffffffffffbr"), max_size=300), percent=st.integers(0, 100))
def test_the_retry_circuit_is_a_ratio_of_two_counts(tape: list[str], percent: int) -> None:
    chosen = spec("retry_circuit", max_rate=percent / 100)
    state = retry_circuit.start(chosen, 0.0)
    calls = failures = 0
    for what in tape:
        if what == "f":
            calls += 1
            state = retry_circuit.on_first(chosen, state, 0.0)
        elif what == "b":
            failures += 1
            state = retry_circuit.on_result(chosen, state, 0.0, 0, False, False, False)
        else:
            _, yes = retry_circuit.take(chosen, state, 0.0, False, False)
            assert yes is (calls > 0 and Fraction(failures, max(calls, 1)) <= Fraction(percent, 100))
