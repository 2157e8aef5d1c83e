"""Drop rules: a trace worked by hand, the RFC's own loop, timeouts set on joining, and brute force."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.policies import codel, deadline_drop, facebook_codel, folly_codel

SPEC = codel.CodelSpec(0.005, 0.1, True)


def drops_at(spec: codel.CodelSpec, sojourn_s: Callable[[int], float], jobs: int) -> list[int]:
    """Which of the jobs leaving the line each 10 ms, ten others waiting, are dropped (in hundredths of a second)."""
    state, dropped = codel.start(spec, 0.0), []
    for k in range(jobs):
        state, drop = codel.on_dequeue(spec, state, k * 0.01, sojourn_s(k), math.inf, 0.01, 10)
        if drop:
            dropped.append(k)
    return dropped


# Standing queue from 0. Above target since 0.00, so the first drop is at 0.10, then drop_next by hand:
# 0.20; + .1/sqrt 2 = .2707; + .1/sqrt 3 = .3285; + .05 = .3785; + .1/sqrt 5 = .4232; + .1/sqrt 6 = .4640;
# + .1/sqrt 7 = .5018; + .1/sqrt 8 = .5372. The job dropped is the first to leave at or after each.
BY_HAND = [10, 20, 28, 33, 38, 43, 47, 51, 54]


def test_codel_drops_where_a_trace_by_hand_drops() -> None:
    assert drops_at(SPEC, lambda k: 0.05, 55) == BY_HAND


@pytest.mark.parametrize(("memory", "then"), [(True, [66, 70, 73]), (False, [66, 76])])
def test_codel_resumes_the_learned_rate_only_with_memory(memory: bool, then: list[int]) -> None:
    """One job below target at 0.55 ends the episode; above again since 0.56, dropping again at 0.66. Nine drops less
    the one it began with: count 8, so the next are due at .66 + .1/sqrt 8 = .6954 and + .1/3 = .7287; without .76."""
    spec = codel.CodelSpec(0.005, 0.1, memory)
    assert drops_at(spec, lambda k: 0.001 if k == 55 else 0.05, 77)[: 9 + len(then)] == BY_HAND + then


def test_codel_forgets_after_sixteen_intervals() -> None:
    calm = range(55, 55 + 180)  # 1.8 s
    dropped = drops_at(SPEC, lambda k: 0.001 if k in calm else 0.05, 270)
    assert dropped[:11] == [*BY_HAND, 245, 255]


class ByTheBook:
    """RFC 8289 section 5 written down with its queue and its loop; jobs are arrival times in milliseconds."""

    def __init__(self, target: float, interval: float) -> None:
        self.target, self.interval = target, interval
        self.queue: deque[int] = deque()
        self.first_above, self.drop_next = 0.0, 0.0
        self.count, self.lastcount, self.dropping = 0, 0, False
        self.dropped: list[int] = []

    def control_law(self, t: float) -> float:
        return t + self.interval / math.sqrt(self.count)

    def dodequeue(self, now: float) -> tuple[int | None, bool]:
        if not self.queue:
            self.first_above = 0.0
            return None, False
        job = self.queue.popleft()
        if now - job < self.target or len(self.queue) <= 1:
            self.first_above = 0.0
        elif self.first_above == 0.0:
            self.first_above = now + self.interval
        elif now >= self.first_above:
            return job, True
        return job, False

    def dequeue(self, now: float) -> int | None:
        job, ok_to_drop = self.dodequeue(now)
        if self.dropping:
            if not ok_to_drop:
                self.dropping = False
            while now >= self.drop_next and self.dropping:
                assert job is not None
                self.dropped.append(job)
                self.count += 1
                job, ok_to_drop = self.dodequeue(now)
                if not ok_to_drop:
                    self.dropping = False
                else:
                    self.drop_next = self.control_law(self.drop_next)
        elif ok_to_drop:
            assert job is not None
            self.dropped.append(job)
            job, _ = self.dodequeue(now)
            self.dropping = True
            delta = self.count - self.lastcount
            self.count = 1
            if delta > 1 and now - self.drop_next < 16 * self.interval:
                self.count = delta
            self.drop_next = self.control_law(now)
            self.lastcount = self.count
        return job


class StepByStep:
    """The same queue under our step."""

    def __init__(self, target: float, interval: float) -> None:
        self.spec = codel.CodelSpec(target, interval, True)
        self.state = codel.start(self.spec, 0.0)
        self.queue: deque[int] = deque()
        self.dropped: list[int] = []

    def dequeue(self, now: float) -> int | None:
        while self.queue:
            job = self.queue.popleft()
            self.state, drop = codel.on_dequeue(
                self.spec, self.state, now, now - job, math.inf, 1.0, len(self.queue)
            )
            if not drop:
                return job
            self.dropped.append(job)
        return None


def serve(server: ByTheBook | StepByStep, gaps: list[int], works: list[int]) -> list[tuple[int, float]]:
    """Run one busy server: what it starts and when (milliseconds)."""
    arrivals, now = [], 1
    for gap in gaps:
        now += gap
        arrivals.append(now)
    pending, works_left, started, free = deque(arrivals), deque(works * 50), [], 0
    while pending or server.queue:
        if not server.queue:
            free = max(free, pending[0])
        while pending and pending[0] <= free:
            server.queue.append(pending.popleft())
        job = server.dequeue(free)
        if job is not None:
            started.append((job, free))
            free += works_left.popleft() if works_left else 1
    return started


@given(
    gaps=st.lists(st.sampled_from([0, 1, 1, 2, 30]), min_size=50, max_size=600),
    works=st.lists(st.integers(1, 6), min_size=5, max_size=40),
)
def test_codel_agrees_with_the_rfcs_own_loop(gaps: list[int], works: list[int]) -> None:
    book, step = ByTheBook(5, 100), StepByStep(5, 100)
    assert serve(book, gaps, works) == serve(step, gaps, works)
    assert book.dropped == step.dropped


def test_the_rfc_comparison_really_drops() -> None:
    book, step = ByTheBook(5, 100), StepByStep(5, 100)
    gaps = ([1] * 800 + [500]) * 3
    works = [3] * 60
    assert serve(book, gaps, works) == serve(step, gaps, works)
    assert len(step.dropped) > 100
    assert book.dropped == step.dropped


@given(st.lists(st.floats(0.0, 0.2), max_size=100), st.integers(2, 50))
def test_codel_never_drops_before_a_whole_interval_above_target(waits: list[float], queued: int) -> None:
    state, below_s = codel.start(SPEC, 0.0), 0.0
    for k, wait_s in enumerate(waits):
        now_s = k * 0.007
        state, drop = codel.on_dequeue(SPEC, state, now_s, wait_s, math.inf, 0.01, queued)
        if wait_s < SPEC.target_s:
            below_s = now_s
            assert not drop
        if drop:
            assert now_s - below_s >= SPEC.interval_s


# folly


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=200))
def test_folly_agrees_with_lists_of_delays_by_interval(jobs: list[tuple[int, int]]) -> None:
    """Milliseconds as integers: target 5, interval 100. Intervals are kept as lists, and minima taken at the end."""
    spec = folly_codel.FollyCodelSpec(5, 100)
    state = folly_codel.start(spec, 0)
    now, intervals, ends = 0, [[0], [0]], 0
    for gap, delay in jobs:
        now += gap
        state, drop = folly_codel.on_dequeue(spec, state, now, delay, math.inf, 1.0, 3)
        if now > ends:
            intervals.append([delay])
            ends = now + 100
            expected = False
        else:
            intervals[-1].append(delay)
            expected = min(intervals[-2]) > 5 and delay > 10
        assert drop == expected


# Facebook


@given(
    steps=st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["join", "join", "leave"])), max_size=300),
    newest_first=st.booleans(),
)
def test_facebook_drops_as_if_the_timeout_had_been_set_on_joining(
    steps: list[tuple[int, str]], newest_first: bool
) -> None:
    """The published form: `timeout = M if last_empty < now - N else N` when a job joins (milliseconds, 5 and 100)."""
    spec = facebook_codel.FacebookCodelSpec(5, 100)
    state = facebook_codel.start(spec, 0)
    line: list[tuple[int, int]] = []  # joined, may wait
    now, last_empty = 0, 0
    for gap, what in steps:
        now += gap
        if not line:
            last_empty = now
        if what == "join":
            state = facebook_codel.on_enqueue(spec, state, now, len(line))
            line.append((now, 5 if last_empty < now - 100 else 100))
        elif line:
            joined, may_wait = line.pop(-1 if newest_first else 0)
            state, drop = facebook_codel.on_dequeue(spec, state, now, now - joined, math.inf, 1.0, len(line))
            assert drop == (now - joined > may_wait)


# Deadlines

NOBODY = deadline_drop.Stateless()


@given(remaining_s=st.floats(-10, 10), service_s=st.floats(0, 5), reserve_s=st.floats(0, 5), known=st.booleans())
def test_a_job_is_dropped_exactly_when_starting_it_now_would_end_too_late(
    remaining_s: float, service_s: float, reserve_s: float, known: bool
) -> None:
    spec = deadline_drop.DeadlineSpec(reserve_s, known)
    facts: tuple[Any, ...] = (NOBODY, 0.0, 1.0, remaining_s, service_s, 5)
    _, drop = deadline_drop.deadline_on_dequeue(spec, *facts)
    would_end_s = reserve_s + service_s if known else reserve_s
    assert drop == (would_end_s > remaining_s or remaining_s <= 0)
    _, expired = deadline_drop.expired_on_dequeue(deadline_drop.ExpiredSpec(), *facts)
    assert expired == (remaining_s <= 0)
    assert drop or not expired


def test_a_job_without_a_deadline_is_never_dropped_for_it() -> None:
    facts: tuple[Any, ...] = (NOBODY, 0.0, 1e9, math.inf, 1e9, 5)
    assert not deadline_drop.deadline_on_dequeue(deadline_drop.DeadlineSpec(1e9, True), *facts)[1]
    assert not deadline_drop.expired_on_dequeue(deadline_drop.ExpiredSpec(), *facts)[1]
