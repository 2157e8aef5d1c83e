"""Rates that move: SEDA, the backlog rate, Breakwater's credits and the operator's ramp."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.policies import backlog_rate, breakwater, ramp, seda

# SEDA

SEDA = seda.SedaSpec(0.08, 100.0, 2.0, 1e6, 40.0, 1.04, 4, 100, 1.0)


def after_batch(spec: seda.SedaSpec, state: seda.Seda, rtt_s: float) -> seda.Seda:
    for _ in range(spec.results):
        state = seda.on_done(spec, state, 0.0, 0.0, rtt_s, 1, False)
    return state


def test_seda_cuts_by_a_factor_above_target_and_steps_up_below_half_of_it() -> None:
    state = after_batch(SEDA, seda.start(SEDA, 0.0), 0.16)
    assert (state.rate_per_s, state.p90_s) == (100.0 / 1.04, 0.16)
    state = after_batch(SEDA, seda.start(SEDA, 0.0), 0.02)  # error -0.75: up by 40 x (0.75 - 0.1)
    assert state.rate_per_s == pytest.approx(100.0 + 40.0 * 0.65, rel=1e-12)
    state = after_batch(SEDA, seda.start(SEDA, 0.0), 0.06)  # error -0.25: dead band
    assert state.rate_per_s == 100.0


def test_seda_forgets_a_slow_spell_as_seven_tenths_to_the_n() -> None:
    state = after_batch(SEDA, seda.start(SEDA, 0.0), 1.0)
    for n in range(1, 30):
        state = after_batch(SEDA, state, 0.02)
        assert state.p90_s == pytest.approx(0.02 + 0.98 * 0.7**n, rel=1e-9)


@given(st.lists(st.tuples(st.floats(0.0, 0.3), st.floats(0.0, 0.05)), max_size=200))
def test_seda_keeps_its_rate_in_bounds_and_its_bucket_honest(life: list[tuple[float, float]]) -> None:
    spec = SEDA._replace(results=7, highest_per_s=300.0)
    state, now, granted = seda.start(spec, 0.0), 0.0, []
    for rtt_s, gap_s in life:
        now += gap_s
        state, let_in = seda.admit(spec, state, now, 1, 1, 0.0, 0.5)
        if let_in:
            granted.append(now)
            state = seda.on_done(spec, state, now, 0.0, rtt_s, 1, False)
        assert 2.0 <= state.rate_per_s <= 300.0
    for (i, a), (j, b) in combinations(enumerate(granted), 2):
        assert j - i + 1 <= spec.burst + 300.0 * (b - a) + 1e-6


# Backlog rate


@given(
    burst=st.integers(1, 6),
    lives=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 30), st.integers(0, 8)), max_size=50),
)
def test_the_backlog_rate_keeps_both_promises_in_exact_fractions(
    burst: int, lives: list[tuple[int, int, int]]
) -> None:
    """At most burst + rate x L in any window, and at most 1 + s (burst - 1 + rate x L) where the share is at most s."""
    spec = backlog_rate.BacklogRateSpec(Fraction(3), burst, 4, 20, Fraction(4), Fraction(1, 10))  # type: ignore[arg-type]
    state = backlog_rate.start(spec, Fraction(0))  # type: ignore[arg-type]
    now, granted = Fraction(0), []
    for gap, queued, age in lives:
        now += gap
        after, let_in = backlog_rate.admit(spec, state, now, 1, queued, Fraction(age), 0.5)  # type: ignore[arg-type]
        if let_in:
            by_size = Fraction(20 - queued, 16)
            part = min(max(min(by_size, 1 - Fraction(age, 4)), Fraction(1, 10)), Fraction(1))
            granted.append((now, part))
        else:
            assert after == state
        state = after
    for i, (a, _) in enumerate(granted):
        worst = Fraction(0)
        for j in range(i, len(granted)):
            b, part = granted[j]
            worst = max(worst, part)
            n = j - i + 1
            assert n <= burst + (b - a) / 3
            assert n <= 1 + worst * (burst - 1 + (b - a) / 3)


def test_the_backlog_rate_falls_in_a_line_with_the_backlog() -> None:
    """Asked all the time with q waiting, it lets in rate x (1 - q / high) a second."""
    for queued, per_s in ((0, 100), (25, 75), (50, 50), (75, 25), (100, 10), (5000, 10)):
        spec = backlog_rate.build(100.0, 1, 0, 100, 1.0, 0.1)
        state, granted = backlog_rate.start(spec, 0.0), 0
        for tick in range(100_000):
            state, let_in = backlog_rate.admit(spec, state, tick / 10_000, 5, queued, 0.0, 0.5)
            granted += let_in
        assert granted == pytest.approx(10 * per_s, abs=10)


# Breakwater

BREAKWATER = breakwater.BreakwaterSpec(0.08, 0.01, 1000, 10, 0.001, 0.02, 2.0)


def credits_after(credit: float, wait_s: float, spec: breakwater.BreakwaterSpec = BREAKWATER) -> float:
    state, _ = breakwater.admit(spec, breakwater.Breakwater(credit, 0.0), 0.0, 0, 0, wait_s, 0.5)
    return state.limit


def test_breakwater_credits_follow_the_published_law() -> None:
    assert credits_after(500.0, 0.0) == 501.0  # 0.1 % of 1,000 clients
    assert credits_after(500.0, 0.08) == 500.0  # at target: no excess, no cut
    assert credits_after(500.0, 0.16) == pytest.approx(490.0, rel=1e-12)  # one target over: 2 %
    assert credits_after(500.0, 0.08 * 51) == 250.0  # never below half in one step
    assert credits_after(500.0, 0.0, BREAKWATER._replace(clients=8)) == 501.0  # at least one


def test_breakwater_refuses_at_once_beyond_twice_the_target() -> None:
    state = breakwater.Breakwater(500.0, math.inf)
    for wait_s, let_in in ((0.16, True), (0.1601, False)):
        assert breakwater.admit(BREAKWATER, state, 0.0, 1, 1, wait_s, 0.5) == (state, let_in)


@given(st.lists(st.tuples(st.floats(0.0, 0.05), st.floats(0.0, 3.0), st.integers(0, 100)), max_size=100))
def test_breakwater_never_lets_in_more_than_its_credits(life: list[tuple[float, float, int]]) -> None:
    spec = BREAKWATER._replace(clients=2)
    state, now = breakwater.start(spec, 0.0), 0.0
    for gap_s, wait_s, inside in life:
        now += gap_s
        before = state.limit
        state, let_in = breakwater.admit(spec, state, now, inside, 0, wait_s, 0.5)
        assert 1.0 <= state.limit <= 128.0
        assert before / 2 <= state.limit <= before + 1.0
        assert not let_in or inside + 1 <= state.limit


@given(credit=st.integers(1, 200), demands=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 50)), max_size=100))
def test_grants_never_put_more_credits_out_than_there_are_and_recall_one_at_a_time(
    credit: int, demands: list[tuple[int, int]]
) -> None:
    held = [0] * 10
    for client, demand in demands:
        issued, before = sum(held), held[client]
        held[client] = breakwater.grant(float(credit), issued, 10, before, demand)
        assert sum(held) <= credit
        assert held[client] <= demand + max((credit - issued) / 10, 1.0)
    over = breakwater.grant(float(credit), credit + 5, 10, 7, 50)
    assert over == 6


# Ramp


@given(
    initial=st.sampled_from([0.05, 0.1, 0.5]),
    step=st.sampled_from([0.1, 0.25]),
    asks=st.lists(st.tuples(st.floats(0.0, 2.0), st.floats(0.001, 0.999), st.booleans()), max_size=150),
)
def test_a_ramp_never_falls_and_rises_by_one_step_a_period_at_most(
    initial: float, step: float, asks: list[tuple[float, float, bool]]
) -> None:
    spec = ramp.RampSpec(initial, step, 5.0, 0.05)
    state, now = ramp.start(spec, 0.0), 0.0
    for gap_s, u, bad in asks:
        now += gap_s
        before = state.share
        state, let_in = ramp.admit(spec, state, now, 0, 0, 0.0, u)
        assert let_in == (u < state.share)
        assert before <= state.share <= min(before + step + 1e-9, 1.0)
        assert state.share <= initial + step * (now // 5.0) + 1e-9
        if let_in:
            state = ramp.on_done(spec, state, now, 0.0, 0.01, 1, bad)


def opened_after_s(bad_until_s: float) -> float:
    """When a ramp of 10 % each 5 s is fully open, with one job a tenth of a second and errors until a moment."""
    spec = ramp.RampSpec(0.1, 0.1, 5.0, 0.05)
    state = ramp.start(spec, 0.0)
    for tick in range(10_000):
        now = tick / 10
        state, let_in = ramp.admit(spec, state, now, 0, 0, 0.0, (tick * 0.618) % 1.0)
        if let_in:
            state = ramp.on_done(spec, state, now, 0.0, 0.01, 1, now < bad_until_s)
        if state.share == 1.0:
            return now
    raise AssertionError("never opened")


def test_a_ramp_opens_after_its_steps_and_later_by_as_long_as_errors_last() -> None:
    assert opened_after_s(0.0) == 45.0  # nine steps of 5 s
    assert opened_after_s(20.0) == 65.0


def test_a_ramp_with_jobs_out_and_no_news_holds() -> None:
    spec = ramp.RampSpec(0.5, 0.1, 5.0, 0.05)
    state, _ = ramp.admit(spec, ramp.start(spec, 0.0), 1.0, 0, 0, 0.0, 0.2)
    state, _ = ramp.admit(spec, state, 6.0, 1, 0, 0.0, 0.9)
    assert state.share == 0.5
    state, _ = ramp.admit(spec, state, 12.0, 1, 0, 0.0, 0.9)  # nobody was let in since: nothing to wait for
    assert state.share == 0.6
