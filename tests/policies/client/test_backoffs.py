"""Every backoff: the bounds it promises, and its rule in exact arithmetic or as a slow twin."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.policies import backoff, botocore_backoff, catalogue, finagle_backoff
from harness.policies.entry import make

DRAWS = st.floats(0.0, 1.0, exclude_min=True, exclude_max=True)


def spec(kind: str, **params: object) -> object:
    return make(catalogue.find("client", "backoff", kind), params)


@given(
    base=st.floats(1e-4, 1.0), extra=st.floats(0, 100), n=st.integers(1, 400), u=DRAWS, jitter=st.sampled_from(range(5))
)
def test_a_wait_stays_between_zero_and_the_cap(base: float, extra: float, n: int, u: float, jitter: int) -> None:
    chosen = backoff.BackoffSpec(base, base + extra, 2.0, jitter)
    wait_s = backoff.delay_s(chosen, n, 0.0, u, False)
    spread = 1.2 if jitter == backoff.JITTER_SPREAD else 1.0
    assert 0.0 <= wait_s <= chosen.cap_s * spread


@given(
    base=st.integers(1, 100), cap=st.integers(1, 10_000), multiplier=st.integers(1, 4), n=st.integers(1, 30), u=DRAWS
)
def test_the_rule_holds_in_exact_fractions(base: int, cap: int, multiplier: int, n: int, u: float) -> None:
    v = min(Fraction(cap), Fraction(base) * Fraction(multiplier) ** (n - 1))
    draw = Fraction(u)
    exact = {
        backoff.JITTER_NONE: v,
        backoff.JITTER_FULL: draw * v,
        backoff.JITTER_EQUAL: v / 2 + draw * v / 2,
        backoff.JITTER_SPREAD: v * (Fraction(8, 10) + Fraction(4, 10) * draw),
    }
    for jitter, value in exact.items():
        got = backoff.delay_s(backoff.BackoffSpec(float(base), float(cap), float(multiplier), jitter), n, 0.0, u, False)
        assert got == pytest.approx(float(value), rel=1e-14)


@given(prev=st.floats(0.005, 2.0), u=DRAWS)
def test_decorrelated_draws_between_base_and_three_times_the_last(prev: float, u: float) -> None:
    chosen = backoff.BackoffSpec(0.005, 2.0, 2.0, backoff.JITTER_DECORRELATED)
    wait_s = backoff.delay_s(chosen, 5, prev, u, False)
    assert wait_s == min(2.0, 0.005 + u * (3.0 * prev - 0.005))
    assert 0.005 <= wait_s <= min(2.0, 3.0 * prev)


def test_decorrelated_starts_from_the_base() -> None:
    chosen = backoff.BackoffSpec(0.005, 2.0, 2.0, backoff.JITTER_DECORRELATED)
    assert backoff.delay_s(chosen, 1, 0.0, 0.5, False) == backoff.delay_s(chosen, 1, 0.005, 0.5, False)


def test_the_published_first_waits_of_the_aws_simulator() -> None:
    """min(cap, 5 ms x 2^n) for n = 1, 2, ...: 10, 20, 40 ... 1280, 2000 ms."""
    chosen = spec("exponential", base=0.010, cap=2.0, jitter="none")
    waits_ms = [round(1e3 * backoff.delay_s(chosen, n, 0.0, 0.5, False), 9) for n in range(1, 11)]
    assert waits_ms == [10, 20, 40, 80, 160, 320, 640, 1280, 2000, 2000]


def test_no_backoff_waits_nothing_and_fixed_waits_the_same() -> None:
    fixed = spec("fixed", delay=0.3)
    for n in (1, 2, 50):
        assert backoff.delay_s(spec("none"), n, 0.0, 0.9, True) == 0.0
        assert backoff.delay_s(fixed, n, 0.0, 0.9, True) == 0.3


@given(n=st.integers(1, 8), u=DRAWS)
def test_grpc_waits_within_a_fifth_of_the_doubled_delay(n: int, u: float) -> None:
    wait_s = backoff.delay_s(spec("grpc", initial=0.1, cap=1.0), n, 0.0, u, False)
    middle = min(0.1 * 2 ** (n - 1), 1.0)
    assert 0.8 * middle <= wait_s <= 1.2 * middle + 1e-15


class Stream:
    """Finagle's way of writing it: an object that makes its successor, in whole nanoseconds."""

    def __init__(self, growth: int, start: int, cap: int) -> None:
        self.growth, self.first, self.cap = growth, start, cap
        self.now, self.attempt, self.constant = start, 1, start == cap

    def step(self, u: float) -> None:
        if self.constant:
            return
        if self.growth == finagle_backoff.DECORRELATED:
            high = min(self.cap, 3 * self.now)
            self.now += int(u * (high - self.now))
            self.constant = self.now == self.cap
            return
        if self.growth == finagle_backoff.EXPONENTIAL:
            most = self.now * 2**self.attempt
            self.constant = most >= self.cap
            self.now = self.cap if self.constant else int(u * most)
        else:
            half = min(self.cap, self.first * 2 ** (self.attempt - 1))
            self.constant = half == self.cap or half + int(u * half) >= self.cap
            self.now = self.cap if self.constant else half + int(u * half)
        self.attempt += 1


@given(
    growth=st.sampled_from([finagle_backoff.DECORRELATED, finagle_backoff.EXPONENTIAL, finagle_backoff.EQUAL]),
    start=st.integers(1, 60),
    times=st.integers(1, 60),
    draws=st.lists(st.floats(0.01, 0.99), min_size=1, max_size=20),
)
def test_finagle_agrees_with_a_stream_in_nanoseconds(growth: int, start: int, times: int, draws: list[float]) -> None:
    """The twin rounds each wait to 1 ns; one wait feeds the next, so rounding may grow by the factors between them."""
    twin = Stream(growth, start * 10**9, start * times * 10**9)
    chosen = finagle_backoff.FinagleBackoffSpec(float(start), float(start * times), growth)
    prev_s = finagle_backoff.delay_s(chosen, 1, 0.0, 0.5, False)
    assert prev_s == start
    for n, u in enumerate(draws, start=2):
        twin.step(u)
        prev_s = finagle_backoff.delay_s(chosen, n, prev_s, u, False)
        if twin.now == twin.cap or prev_s >= chosen.cap_s * (1 - 1e-6):
            break  # at the edge of the cap a nanosecond decides; the test below looks past it
        assert prev_s == pytest.approx(twin.now / 1e9, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("kind", ["finagle_exponential", "finagle_equal"])
@given(draws=st.lists(DRAWS, min_size=4, max_size=4))
def test_finagle_loses_its_jitter_at_the_cap_for_ever(kind: str, draws: list[float]) -> None:
    chosen = spec(kind, start=5.0, cap=300.0)
    waits = [300.0]
    for n, u in enumerate(draws, start=9):
        waits.append(finagle_backoff.delay_s(chosen, n, waits[-1], u, False))
    assert waits == [300.0] * 5


@given(draws=st.lists(DRAWS, max_size=20))
def test_finagles_decorrelated_wait_never_shrinks(draws: list[float]) -> None:
    chosen = spec("finagle_decorrelated", start=5.0, cap=300.0)
    prev_s = finagle_backoff.delay_s(chosen, 1, 0.0, 0.5, False)
    for n, u in enumerate(draws, start=2):
        wait_s = finagle_backoff.delay_s(chosen, n, prev_s, u, False)
        assert prev_s <= wait_s <= 300.0
        prev_s = wait_s


@given(n=st.integers(1, 40), u=DRAWS, throttled=st.booleans(), dynamodb=st.booleans())
def test_botocore_waits_by_the_powers_of_two_of_its_generation(
    n: int, u: float, throttled: bool, dynamodb: bool
) -> None:
    doubled = Fraction(2) ** (n - 1)
    scale = Fraction(1) if throttled else Fraction(0.025 if dynamodb else 0.05)
    wants = {
        spec("botocore_legacy", dynamodb=dynamodb): Fraction(0.05) * doubled if dynamodb else Fraction(u) * doubled,
        spec("botocore_standard_143"): Fraction(u) * min(doubled, 20),
        spec("botocore_standard", dynamodb=dynamodb): Fraction(u) * min(scale * doubled, 20),
    }
    for chosen, exact in wants.items():
        got = botocore_backoff.delay_s(chosen, n, 0.0, u, throttled)
        assert got == pytest.approx(float(exact), rel=1e-15)


def test_botocores_waits_never_overflow() -> None:
    assert botocore_backoff.delay_s(spec("botocore_legacy"), 5000, 0.0, 0.5, False) == math.inf
    assert botocore_backoff.delay_s(spec("botocore_standard"), 5000, 0.0, 0.5, False) == 10.0
