"""The pace (GCRA): what it promises, in exact fractions and in floats."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate, combinations

from hypothesis import given
from hypothesis import strategies as st

from harness.policies import pacing, retry_rate
from harness.policies.pacing import Pace, PaceSpec


@given(burst=st.integers(1, 9), gaps=st.lists(st.integers(0, 8), max_size=60))
def test_no_window_grants_more_than_the_line(burst: int, gaps: list[int]) -> None:
    spec = PaceSpec(Fraction(3), burst)
    state = Pace(Fraction(0))
    granted = []
    for now in map(Fraction, accumulate(gaps)):
        state, yes = pacing.take(spec, state, now)
        if yes:
            granted.append(now)
    for (i, a), (j, b) in combinations(enumerate(granted), 2):
        assert j - i + 1 <= burst + (b - a) // 3


@given(
    rate=st.floats(1e-3, 1e6),
    burst=st.integers(1, 1000),
    start=st.floats(-10, 1e6),
    gaps=st.lists(st.floats(0, 100), max_size=50),
)
def test_a_wait_promised_is_a_wait_honoured(rate: float, burst: int, start: float, gaps: list[float]) -> None:
    spec = pacing.build(rate=rate, burst=burst)
    state = pacing.start(spec, start)
    now_s = start
    for gap_s in gaps:
        now_s += gap_s
        state, wait_s = pacing.admit(spec, state, now_s, 0.5)
        if wait_s > 0.0:
            now_s += wait_s
            assert now_s >= pacing.ready_at_s(spec, state)
            state, wait_s = pacing.admit(spec, state, now_s, 0.5)
        assert wait_s == 0.0


@given(rate=st.floats(0.1, 1000), burst=st.integers(1, 20), times=st.lists(st.floats(0, 10), max_size=60).map(sorted))
def test_asking_and_admitting_are_one_rule(rate: float, burst: int, times: list[float]) -> None:
    """`take` (pace), `admit` (limiter) and the retry rate (budget) give the same answers to the same questions."""
    spec = pacing.build(rate=rate, burst=burst)
    rates = retry_rate.RetryRateSpec(spec.interval_s, spec.burst)
    taken = admitted = pacing.start(spec, 0.0)
    rated = retry_rate.start(rates, 0.0)
    for now_s in times:
        taken, yes = pacing.take(spec, taken, now_s)
        admitted, wait_s = pacing.admit(spec, admitted, now_s, 0.5)
        rated, allowed = retry_rate.take(rates, rated, now_s, False, False)
        assert (wait_s == 0.0) is yes
        assert allowed is yes
        assert taken == admitted
        assert rated.tat_s == taken.tat_s


def test_a_retry_rate_that_granted_in_vain_grants_again() -> None:
    spec = retry_rate.RetryRateSpec(1.0, 1)
    state, _ = retry_rate.take(spec, retry_rate.start(spec, 5.0), 5.0, False, False)
    assert retry_rate.take(spec, state, 5.0, False, False)[1] is False
    state = retry_rate.on_cancel(spec, state, 5.0, 1, False)
    assert retry_rate.take(spec, state, 5.0, False, False)[1] is True
