"""AIMD, Vegas, Gradient2 and Envoy's gradient: published vectors, closed-form equilibria, exact twins."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.policies import aimd, envoy_gradient, gradient2, vegas
from harness.policies.server import compose

RESULTS = st.lists(
    st.tuples(st.floats(0.0, 10.0), st.integers(1, 400), st.booleans(), st.floats(0.001, 0.999)), max_size=200
)


def spec_of(kind: str, **params: float) -> object:
    return compose({"admission": (kind, params)}).admission


# AIMD


def test_aimd_multiplies_exactly_as_integers_would() -> None:
    """0.9 is no float, but the floor of 0.9 x limit never shows it for any limit in its range."""
    spec = aimd.AimdSpec(20, 1, 200, 0.9, 5.0)
    for limit in range(1, 201):
        after = aimd.on_done(spec, aimd.Aimd(limit), 0.0, 0.0, 0.1, limit, True)
        assert after.limit == max(limit * 9 // 10, 1)


@given(RESULTS)
def test_aimd_stays_in_bounds_and_never_grows_on_unused_room(results: list[tuple[float, int, bool, float]]) -> None:
    spec = aimd.AimdSpec(20, 20, 200, 0.9, 5.0)
    state = aimd.start(spec, 0.0)
    for rtt_s, inside, dropped, _ in results:
        after = aimd.on_done(spec, state, 0.0, 0.0, rtt_s, inside, dropped)
        assert 20 <= after.limit <= 200
        if after.limit > state.limit:
            assert after.limit == state.limit + 1
            assert 2 * inside >= state.limit
            assert not dropped
            assert rtt_s <= 5.0
        state = after


def test_aimd_is_a_saw_tooth_between_the_capacity_and_a_tenth_below() -> None:
    """Against a server that loses what exceeds 57 inside, the period is the climb from 52 (floor of .9 x 58) to 58."""
    spec = aimd.AimdSpec(20, 1, 200, 0.9, 5.0)
    state, seen = aimd.start(spec, 0.0), []
    for _ in range(200):
        state = aimd.on_done(spec, state, 0.0, 0.0, 0.1, state.limit, state.limit > 57)
        seen.append(state.limit)
    peak = len(seen) - 1 - seen[::-1].index(58)
    assert seen[peak - 13 : peak + 1] == [52, 53, 54, 55, 56, 57, 58] * 2


# Vegas


@given(RESULTS)
def test_vegas_stays_in_bounds_and_only_moves_by_its_steps(results: list[tuple[float, int, bool, float]]) -> None:
    spec = vegas.VegasSpec(20, 1000, 30.0)
    state = vegas.start(spec, 0.0)
    for rtt_s, inside, dropped, u in results:
        state, let_in = vegas.admit(spec, state, 0.0, inside, 0, 0.0, u)
        assert let_in == (inside < state.limit)
        after = vegas.on_done(spec, state, 0.0, 0.0, rtt_s, inside, dropped)
        assert 1.0 <= after.limit <= 1000.0
        step = max(1, len(str(int(state.limit))) - 1)  # the floor of log10, read off the digits
        assert after.limit - state.limit in (0, step, 6 * step, -step) or after.limit in (1.0, 1000.0)
        if 2 * inside < state.limit and not dropped:
            assert after.limit == state.limit
        state = after


def test_vegas_settles_with_a_queue_of_three_to_six_steps() -> None:
    """A fluid server: 40 jobs fill it (0.1 s each); with L inside a job takes 0.1 x L / 40, so the queue is L - 40."""
    spec = vegas.VegasSpec(20, 1000, 1e9)  # no probe
    state = vegas.start(spec, 0.0)
    for _ in range(500):
        rtt_s = 0.1 * max(state.limit / 40.0, 1.0)
        state = vegas.on_done(spec, state, 0.0, rtt_s - 0.1, 0.1, int(state.limit), False)
    assert 3 <= math.ceil(state.limit - 40) <= 6


def test_vegas_probes_after_thirty_jittered_limits_and_believes_what_it_sees() -> None:
    spec = vegas.VegasSpec(20, 20, 30.0)
    state = vegas.Vegas(20.0, 0.1, 0, 0.75, 0.2)
    for n in range(1, 451):  # 30 x 0.75 x 20 = 450 results
        assert state.rtt_min_s == 0.1, n
        state = vegas.on_done(spec, state, 0.0, 0.0, 0.4, 1, False)
    assert state == vegas.Vegas(state.limit, 0.4, 0, 0.6, 0.2)


# Gradient2


def test_r19_gradient2_grows_by_eight_tenths_on_equal_times() -> None:
    spec = gradient2.Gradient2Spec(20, 1, 200, 4.0, 0.2, 1.5, 600)
    state = gradient2.start(spec, 0.0)
    for n in range(1, 101):
        state = gradient2.on_done(spec, state, 0.0, 0.0, 0.05, 200, False)
        assert state.limit == pytest.approx(20 + 0.8 * n, rel=1e-12)


def test_r19_gradient2_reads_three_quarters_when_the_time_is_twice_the_long_one() -> None:
    """A long-term average that ends at 0.1 s after a sample of 0.2 s: g = 1.5 x 0.1 / 0.2."""
    window = 599  # factor 2 / 600
    before = (0.1 - 0.2 * 2 / 600) / (1 - 2 / 600)
    spec = gradient2.Gradient2Spec(20, 1, 200, 4.0, 0.2, 1.5, window)
    after = gradient2.on_done(spec, gradient2.Gradient2(100.0, before, 10, 1.0), 0.0, 0.1, 0.1, 100, False)
    assert after.long_s == pytest.approx(0.1, rel=1e-12)
    assert after.limit == pytest.approx(0.8 * 100 + 0.2 * (0.75 * 100 + 4), rel=1e-12)


@given(
    times=st.lists(st.integers(1, 400), min_size=1, max_size=60), inside=st.integers(1, 300), start=st.integers(20, 200)
)
def test_gradient2_agrees_with_exact_fractions(times: list[int], inside: int, start: int) -> None:
    spec = gradient2.Gradient2Spec(start, 20, 200, 4.0, 0.25, 1.5, 31)
    state = gradient2.start(spec, 0.0)
    limit, long, seen = Fraction(start), Fraction(0), Fraction(0)
    for n, ms in enumerate(times, 1):
        state = gradient2.on_done(spec, state, 0.0, 0.0, ms / 64, inside, n % 3 == 0)
        rtt = Fraction(ms, 64)
        seen += rtt
        long = seen / n if n <= 10 else long * Fraction(15, 16) + rtt / 16
        if 2 * inside >= limit:
            g = min(max(Fraction(3, 2) * long / rtt, Fraction(1, 2)), Fraction(1))
            limit = min(max(limit * 3 / 4 + (g * limit + 4) / 4, Fraction(20)), Fraction(200))
        if long / rtt > 2:
            long *= Fraction(95, 100)
        assert state.limit == pytest.approx(float(limit), rel=1e-9)
        assert state.long_s == pytest.approx(float(long), rel=1e-9)


def test_gradient2_takes_a_constant_timeout_for_normal_and_opens_fully() -> None:
    """The weakness its docstring names: five seconds each time is no gradient at all."""
    spec = gradient2.Gradient2Spec(20, 20, 200, 4.0, 0.2, 1.5, 600)
    state = gradient2.start(spec, 0.0)
    for _ in range(300):
        state = gradient2.on_done(spec, state, 0.0, 5.0, 0.0, 200, True)
    assert state.limit == 200.0


# Envoy


def envoy(**params: float) -> envoy_gradient.EnvoyGradientSpec:
    spec = spec_of("envoy_gradient", **params)
    assert isinstance(spec, envoy_gradient.EnvoyGradientSpec)
    return spec


def results(
    spec: envoy_gradient.EnvoyGradientSpec, state: envoy_gradient.EnvoyGradient, begin_s: float, n: int, rtt_s: float
) -> envoy_gradient.EnvoyGradient:
    """`n` results of the same time, 1 ms apart."""
    for k in range(n):
        state = envoy_gradient.on_done(spec, state, begin_s + k * 0.001, 0.0, rtt_s, 1, False)
    return state


def test_envoy_clamps_until_fifty_results_have_shown_the_best_time() -> None:
    spec = envoy()
    state = envoy_gradient.start(spec, 0.0)
    assert state.limit == 3
    state = results(spec, state, 1.0, 49, 0.02)
    assert state.probing
    state = results(spec, state, 1.049, 1, 0.02)
    assert (state.probing, state.min_rtt_s) == (False, 0.02)
    assert state.probe_at_s == 1.049 + 60.0 * (1.0 + 0.15 * 0.5)


def test_envoy_ignores_jobs_that_were_accepted_before_the_probe() -> None:
    spec = envoy()
    state = envoy_gradient.start(spec, 10.0)
    state = results(spec, state, 10.0, 200, 0.5)
    assert state.sample.samples == 0


@pytest.mark.parametrize("capacity", [8.0, 40.0, 333.0])
def test_envoy_settles_at_the_closed_form(capacity: float) -> None:
    """Fluid server of `capacity` jobs: sample / min = limit / capacity, so g x limit = 1.25 capacity = M, and then
    limit = floor(M + sqrt M)."""
    spec = envoy()
    state = envoy_gradient.EnvoyGradient(
        20, False, 20, 0.0, math.inf, 0.02, 0, 0.0, envoy_gradient.start(spec, 0.0).sample, 0.5
    )
    now = 0.0
    for _ in range(60):
        state = results(spec, state, now, 1, 0.02)  # closes the window; a minority of one in the next
        state = results(spec, state, now + 0.001, 20, 0.02 * max(state.limit / capacity, 1.0))
        now += 0.2
    m = 1.25 * capacity
    assert abs(state.limit - math.floor(m + math.sqrt(m))) <= 1


def test_envoy_never_more_than_doubles_nor_halves_before_head_room() -> None:
    spec = envoy()
    for rtt_s, scaled in ((1e-9, 200.0), (1e9, 50.0)):
        state = envoy_gradient.EnvoyGradient(
            100, False, 100, 0.0, math.inf, 0.02, 0, 0.0, envoy_gradient.start(spec, 0.0).sample, 0.5
        )
        state = results(spec, state, 1.0, 2, rtt_s)
        assert state.limit == int(scaled + math.sqrt(scaled))


def test_five_updates_at_the_floor_force_a_probe() -> None:
    spec = envoy(lowest=20)
    state = envoy_gradient.EnvoyGradient(
        20, False, 20, 0.0, math.inf, 0.02, 0, 0.0, envoy_gradient.start(spec, 0.0).sample, 0.5
    )
    now, updates = 0.0, 0
    while not state.probing:
        state = results(spec, state, now, 5, 10.0)
        now += 0.2
        updates += 1
        assert updates < 20
    assert updates == 5


@given(RESULTS)
def test_envoy_stays_in_bounds_and_admits_by_its_limit(outcomes: list[tuple[float, int, bool, float]]) -> None:
    spec = envoy(probe_every=1.0, probe_results=3)
    state, now = envoy_gradient.start(spec, 0.0), 0.0
    for rtt_s, inside, dropped, u in outcomes:
        now += 0.05
        state, let_in = envoy_gradient.admit(spec, state, now, inside, 0, 0.0, u)
        assert let_in == (inside < state.limit)
        assert not state.probing or state.limit == 3
        state = envoy_gradient.on_done(spec, state, now, 0.0, rtt_s * 0.01, inside, dropped)
        assert 3 <= state.limit <= 1000
