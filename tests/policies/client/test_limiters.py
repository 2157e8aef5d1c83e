"""Limiters that learn: R18 and R19 of the published results, and a twin for each."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.policies import adaptive_throttle, botocore_adaptive, catalogue, nack_filter, pacing
from harness.policies.entry import make

DRAWS = st.floats(0.0, 1.0, exclude_min=True, exclude_max=True)


def spec(kind: str, **params: object) -> object:
    return make(catalogue.find("client", "limiter", kind), params)


def steady(chosen: object, offered: float, seconds: int) -> tuple[float, float, float]:
    """Offer `offered` x 100/s to a backend that accepts 100/s: sent, accepted, refused locally, as shares."""
    rng = random.Random(f"r18/{offered}")
    state = adaptive_throttle.start(chosen, 0.0)
    backend = pacing.PaceSpec(0.01, 10)
    room = pacing.start(backend, 0.0)
    now_s, settle_s = 0.0, 150.0  # longer than the window
    asks = sent = accepted = 0
    while now_s < settle_s + seconds:
        now_s += rng.expovariate(100.0 * offered)
        state, answer = adaptive_throttle.admit(chosen, state, now_s, rng.random())
        counted = now_s >= settle_s
        asks += counted
        if answer < 0.0:
            continue
        room, yes = pacing.take(backend, room, now_s)
        state = adaptive_throttle.on_result(chosen, state, now_s, yes, not yes)
        sent += counted
        accepted += counted and yes
    return sent / (100.0 * seconds), accepted / (100.0 * seconds), 1.0 - sent / asks


@pytest.mark.parametrize(("offered", "sent", "refused"), [(5, 1.99, 0.60), (10, 1.98, 0.80)])
def test_r18_the_backend_sees_twice_what_it_accepts(offered: float, sent: float, refused: float) -> None:
    got_sent, got_accepted, got_refused = steady(spec("sre"), offered, 60)
    assert got_sent == pytest.approx(sent, abs=0.05)
    assert got_accepted == pytest.approx(1.0, abs=0.01)
    assert got_refused == pytest.approx(refused, abs=0.02)


def test_r18_a_tight_k_leaves_capacity_unused() -> None:
    sent, accepted, _ = steady(spec("sre", k=1.1), 5, 60)
    assert accepted == pytest.approx(0.98, abs=0.015)
    assert sent == pytest.approx(1.1 * accepted, abs=0.036)  # 3 sd of the draws in 60 s


def test_r18_below_capacity_nothing_is_refused() -> None:
    _, _, refused = steady(spec("sre"), 0.8, 60)
    assert refused == 0.0


def counts(chosen: object, n: int, s: int) -> object:
    return adaptive_throttle.start(chosen, 0.0)._replace(n=n, s=s)


@pytest.mark.parametrize(("success", "p"), [(0.9, 0.0526), (0.8, 0.158), (0.5, 0.473)])
def test_r19_envoys_refusal_probability(success: float, p: float) -> None:
    chosen = spec("envoy_admission", threshold=0.95, aggression=1.0, min_rate=0.0)
    assert adaptive_throttle.refusal_probability(chosen, counts(chosen, 1000, int(1000 * success))) == pytest.approx(
        p, abs=5e-4
    )


@pytest.mark.parametrize(("accepts", "p"), [(0.4, 0.2), (0.25, 0.5), (0.5, 0.0), (1.0, 0.0)])
def test_r19_the_sre_refusal_probability(accepts: float, p: float) -> None:
    chosen = spec("sre")
    assert adaptive_throttle.refusal_probability(chosen, counts(chosen, 10**6, int(10**6 * accepts))) == pytest.approx(
        p, abs=1e-5
    )


@pytest.mark.parametrize(("rate", "after", "back_s"), [(10, 7, 1.957), (100, 70, 4.217), (1000, 700, 9.086)])
def test_r19_cubic_falls_to_seventy_percent_and_comes_back(rate: float, after: float, back_s: float) -> None:
    chosen = spec("botocore_adaptive")
    state = botocore_adaptive.start(chosen, 0.0)._replace(on=1, measured=rate, fill=rate * 1.5)
    state = botocore_adaptive.on_result(chosen, state, 0.1, False, True)
    assert state.fill == pytest.approx(after, rel=1e-12)
    assert state.w == rate
    assert state.k_s == pytest.approx(back_s, abs=5e-4)
    again = botocore_adaptive.on_result(chosen, state._replace(bucket_s=100.0), 0.1 + state.k_s, True, False)
    assert again.fill == pytest.approx(rate, rel=1e-9)


class ThrottleTwin:
    """Every ask and accept with its bucket, in lists."""

    def __init__(self, chosen: adaptive_throttle.ThrottleSpec) -> None:
        self.chosen, self.asks, self.accepts = chosen, [], []

    def p(self, bucket: int) -> float:
        n = sum(b > bucket - self.chosen.buckets for b in self.asks)
        s = sum(b > bucket - self.chosen.buckets for b in self.accepts)
        if n < self.chosen.n_min:
            return 0.0
        return min(self.chosen.p_max, max(0.0, (n - self.chosen.k * s) / (n + 1)) ** self.chosen.exponent)


@given(
    tape=st.lists(st.tuples(st.integers(0, 30), st.sampled_from("aaagb"), DRAWS), max_size=150),
    asked=st.integers(0, 1),
    exponent=st.sampled_from([1.0, 0.5]),
    n_min=st.integers(0, 5),
)
def test_the_throttle_agrees_with_lists(
    tape: list[tuple[int, str, float]], asked: int, exponent: float, n_min: int
) -> None:
    chosen = adaptive_throttle.ThrottleSpec(asked, 1.5, exponent, 0.8, float(n_min), 1.0, 5)
    twin = ThrottleTwin(chosen)
    state = adaptive_throttle.start(chosen, 0.0)
    now_s = 0.0
    for gap, what, u in tape:
        now_s += gap / 8
        bucket = math.floor(now_s)
        if what == "a":
            p = twin.p(bucket)
            state, answer = adaptive_throttle.admit(chosen, state, now_s, u)
            if abs(u - p) > 1e-12:
                assert (answer < 0.0) is (u < p)
            if asked:
                twin.asks.append(bucket)
        else:
            state = adaptive_throttle.on_result(chosen, state, now_s, what == "g", what == "b")
            if not asked:
                twin.asks.append(bucket)
            if what == "g":
                twin.accepts.append(bucket)
        assert state.n == sum(b > bucket - 5 for b in twin.asks)
        assert state.s == sum(b > bucket - 5 for b in twin.accepts)


@given(n=st.integers(0, 10**6), s=st.integers(0, 10**6), u=st.floats(0.8, 1.0, exclude_min=True, exclude_max=True))
def test_envoy_always_lets_a_fifth_through(n: int, s: int, u: float) -> None:
    chosen = spec("envoy_admission", min_rate=0.0)
    assert adaptive_throttle.refusal_probability(chosen, counts(chosen, n, min(n, s))) <= 0.8
    assert adaptive_throttle.admit(chosen, counts(chosen, n, min(n, s)), 0.0, u)[1] == 0.0


@given(nacks=st.lists(st.booleans(), min_size=1, max_size=80), gap_ms=st.integers(1, 150))
def test_the_nack_average_fades_exponentially(nacks: list[bool], gap_ms: int) -> None:
    """Closed form: with even gaps the average is a geometric sum, taken here from the back."""
    chosen = spec("nack_filter", window=2.0, min_rate=5.0)
    state = nack_filter.start(chosen, 0.0)
    w = math.exp(-gap_ms / 1000 / 2.0)
    values = []
    for k, nack in enumerate(nacks, start=1):
        now_s = k * gap_ms / 1000
        state, _ = nack_filter.admit(chosen, state, now_s, 0.999)
        # what the last second holds, by tenths, newest included
        enough = sum(math.floor(j * gap_ms / 1000 / 0.1) > math.floor(now_s / 0.1) - 10 for j in range(1, k + 1)) >= 5
        values.append(0.0 if nack and enough else 1.0)
        state = nack_filter.on_result(chosen, state, now_s, not nack, nack)
    size = len(values)
    expected = w**size + sum(x * (1 - w) * w ** (size - k) for k, x in enumerate(values, start=1))
    assert state.accepts == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("average", "p"), [(1.0, 0.0), (0.5, 0.0), (0.2, 0.6), (0.1, 0.75), (0.0, 0.75)])
def test_the_nack_filter_drops_in_proportion_and_never_all(average: float, p: float) -> None:
    chosen = spec("nack_filter")
    state = nack_filter.start(chosen, 0.0)._replace(accepts=average, total=100)
    dropped = sum(nack_filter.admit(chosen, state, 0.0, (k + 0.5) / 1000)[1] < 0.0 for k in range(1000))
    assert dropped / 1000 == pytest.approx(p, abs=1e-3)


class Level:
    """botocore's own way: a bucket with a level that is refilled, and a clock of half seconds."""

    def __init__(self, now_s: float) -> None:
        self.on, self.level, self.rate, self.cap, self.at_s = False, 0.0, 1.0, 1.0, now_s
        self.measured, self.count, self.half_s = 0.0, 0, float(math.floor(now_s))
        self.w, self.failed_s = 0.0, now_s

    def refill(self, now_s: float) -> None:
        self.level = min(self.cap, self.level + (now_s - self.at_s) * self.rate)
        self.at_s = now_s

    def result(self, now_s: float, throttled: bool) -> None:
        self.count += 1
        half_s = math.floor(now_s * 2) / 2
        if half_s > self.half_s:
            self.measured = self.count / (half_s - self.half_s) * 0.8 + self.measured * (1 - 0.8)
            self.count, self.half_s = 0, half_s
        if throttled:
            self.w = min(self.measured, self.rate) if self.on else self.measured
            self.failed_s, self.on = now_s, True
            rate = self.w * 0.7
        else:
            rate = 0.4 * (now_s - self.failed_s - (self.w * (1 - 0.7) / 0.4) ** (1 / 3)) ** 3 + self.w
        self.refill(now_s)
        rate = min(rate, 2 * self.measured)
        self.rate, self.cap = max(rate, 0.5), max(rate, 1.0)
        self.level = min(self.level, self.cap)


@given(tape=st.lists(st.tuples(st.integers(1, 400), st.sampled_from("aaagggt")), max_size=150))
def test_adaptive_agrees_with_a_bucket_of_levels(tape: list[tuple[int, str]]) -> None:
    chosen = spec("botocore_adaptive")
    state = botocore_adaptive.start(chosen, 0.0)
    twin = Level(0.0)
    now_s = 0.0
    for gap_ms, what in tape:
        now_s += gap_ms / 1000
        if what == "a":
            before = state
            state, wait_s = botocore_adaptive.admit(chosen, state, now_s, 0.5)
            twin.refill(now_s)
            if not twin.on:
                assert wait_s == 0.0
                assert state == before
            elif abs(twin.level - 1.0) > 1e-6:  # at the very edge the two may round apart
                assert (wait_s == 0.0) is (twin.level > 1.0)
                if wait_s > 0.0:
                    assert wait_s == pytest.approx((1.0 - twin.level) / twin.rate, rel=1e-6, abs=1e-9)
            if twin.on and wait_s == 0.0:
                twin.level -= 1.0
        else:
            state = botocore_adaptive.on_result(chosen, state, now_s, what == "g", what == "t")
            twin.result(now_s, what == "t")
        assert state.fill == pytest.approx(twin.rate, rel=1e-9)
        assert state.measured == pytest.approx(twin.measured, rel=1e-9)


@given(
    fill=st.floats(0.5, 1e4),
    cap=st.floats(1, 1e4),
    now_s=st.floats(0, 1e6),
    empty=st.floats(-10, 10),
    asks=st.integers(1, 30),
)
def test_adaptives_promise_is_kept_while_the_rate_stands(
    fill: float, cap: float, now_s: float, empty: float, asks: int
) -> None:
    chosen = spec("botocore_adaptive")
    state = botocore_adaptive.start(chosen, 0.0)._replace(on=1, fill=fill, cap=cap, empty_s=now_s - empty)
    for _ in range(asks):
        state, wait_s = botocore_adaptive.admit(chosen, state, now_s, 0.5)
        if wait_s > 0.0:
            now_s += wait_s
            state, wait_s = botocore_adaptive.admit(chosen, state, now_s, 0.5)
        assert wait_s == 0.0


def test_adaptive_never_limits_before_the_first_throttle() -> None:
    chosen = spec("botocore_adaptive")
    state = botocore_adaptive.start(chosen, 0.0)
    for k in range(1000):
        state, wait_s = botocore_adaptive.admit(chosen, state, k * 0.001, 0.5)
        assert wait_s == 0.0
        state = botocore_adaptive.on_result(chosen, state, k * 0.001, k % 2 == 0, False)
