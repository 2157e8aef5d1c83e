"""Bounds and rates at the door, against exact fractions, a second implementation and brute force."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from harness.policies import pacing
from harness.policies.admission import (
    ConcurrencySpec,
    QueueSpec,
    Stateless,
    TokenBucket,
    TokenBucketSpec,
    bucket_admit,
    build_bucket,
    concurrency_admit,
    queue_admit,
)

NOBODY = Stateless()


@given(limit=st.integers(1, 60), in_service=st.integers(0, 60), queued=st.integers(0, 80))
def test_a_bound_on_the_line_counts_the_line_only(limit: int, in_service: int, queued: int) -> None:
    line = range(queued)
    room_left = [place for place in range(limit) if place not in line]  # places in the line nobody stands on
    assert queue_admit(QueueSpec(limit), NOBODY, 0.0, in_service, queued, 0.0, 0.5) == (NOBODY, bool(room_left))


@given(limit=st.integers(1, 60), queue=st.integers(0, 60), arrivals=st.integers(0, 200), slots=st.integers(1, 80))
def test_a_concurrency_limit_never_lets_more_inside_than_limit_and_queue(
    limit: int, queue: int, arrivals: int, slots: int
) -> None:
    inside = 0
    for _ in range(arrivals):
        _, let_in = concurrency_admit(
            ConcurrencySpec(limit, queue), NOBODY, 0.0, min(inside, slots), max(inside - slots, 0), 0.0, 0.5
        )
        inside += let_in
    assert inside == min(arrivals, limit + queue)


@given(burst=st.integers(1, 9), gaps=st.lists(st.integers(0, 8), max_size=50))
def test_no_window_admits_more_than_burst_and_rate_times_length_in_exact_fractions(burst: int, gaps: list[int]) -> None:
    spec = TokenBucketSpec(Fraction(3), burst)  # type: ignore[arg-type]
    state, now, granted = TokenBucket(Fraction(0)), Fraction(0), []  # type: ignore[arg-type]
    for gap in gaps:
        now += gap
        state, let_in = bucket_admit(spec, state, now, 0, 0, 0.0, 0.5)  # type: ignore[arg-type]
        if let_in:
            granted.append(now)
    for (i, a), (j, b) in combinations(enumerate(granted), 2):
        assert j - i + 1 <= burst + (b - a) / 3


@given(
    rate=st.floats(0.1, 1e4), burst=st.integers(1, 50), gaps=st.lists(st.floats(0.0, 1.0), max_size=80)
)
def test_the_bucket_and_the_client_pace_are_the_same_law(rate: float, burst: int, gaps: list[float]) -> None:
    spec = build_bucket(rate, burst)
    twin_spec = pacing.build(rate, burst)
    now, state, twin = 0.0, TokenBucket(0.0), pacing.start(twin_spec, 0.0)
    for gap in gaps:
        now += gap
        state, let_in = bucket_admit(spec, state, now, 3, 5, 0.1, 0.5)
        twin, granted = pacing.take(twin_spec, twin, now)
        assert (state.tat_s, let_in) == (twin.tat_s, granted)


def test_a_bucket_asked_far_too_often_grants_exactly_its_rate() -> None:
    spec, state, granted = build_bucket(10.0, 5), TokenBucket(0.0), 0
    for tick in range(100_001):  # 100 s, 1,000 asks a second
        state, let_in = bucket_admit(spec, state, tick / 1000, 0, 0, 0.0, 0.5)
        granted += let_in
    assert granted == 5 + 10 * 100
