"""The open loop, in virtual time: nothing is waited for, nothing is early, nothing is left out."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from harness.load.pacer import BURST, LATE_S, Arrival, Lateness, pace, repeated


class Virtual:
    """A clock that only sleeping moves, and that can oversleep."""

    def __init__(self, oversleep_s: float = 0.0) -> None:
        self.t_s = 0.0
        self.oversleep_s = oversleep_s
        self.sleeps: list[float] = []

    def now_s(self) -> float:
        return self.t_s

    def sleep(self, wait_s: float) -> None:
        self.sleeps.append(wait_s)
        self.t_s += wait_s + (self.oversleep_s if wait_s > 0 else 0.0)


def arrivals(*times_s: float) -> list[Arrival]:
    return [Arrival(op, 0, at_s) for op, at_s in enumerate(times_s, 1)]


def test_every_operation_starts_exactly_when_it_is_due() -> None:
    clock, started = Virtual(), []
    due = pace(arrivals(0.5, 0.75, 3.0), clock.now_s, clock.sleep, lambda a: started.append((a.op, clock.t_s)))
    assert started == [(1, 0.5), (2, 0.75), (3, 3.0)]
    assert due == 3


def test_a_sleep_that_ends_early_is_slept_again() -> None:
    clock, started = Virtual(), []

    def short(wait_s: float) -> None:
        clock.sleep(wait_s / 2 if wait_s > 0.01 else wait_s)

    pace(arrivals(1.0), clock.now_s, short, lambda a: started.append(clock.t_s))
    assert started == [1.0]
    assert len(clock.sleeps) == 8


def test_what_is_overdue_starts_at_once_and_none_is_skipped() -> None:
    clock, started = Virtual(oversleep_s=10.0), []
    pace(arrivals(1.0, 2.0, 3.0, 20.0), clock.now_s, clock.sleep, lambda a: started.append((a.op, clock.t_s)))
    assert started == [(1, 11.0), (2, 11.0), (3, 11.0), (4, 30.0)]


def test_a_loop_that_is_behind_lets_the_others_run() -> None:
    clock = Virtual()
    clock.t_s = 100.0
    pace(arrivals(*[1.0] * (3 * BURST)), clock.now_s, clock.sleep, lambda a: None)
    assert clock.sleeps == [0.0, 0.0, 0.0]


@given(st.lists(st.floats(0.0, 100.0), max_size=50).map(sorted), st.floats(0.0, 3.0))
def test_all_start_in_order_and_never_early(times_s: list[float], oversleep_s: float) -> None:
    clock, started = Virtual(oversleep_s), []
    pace(arrivals(*times_s), clock.now_s, clock.sleep, lambda a: started.append((a, clock.t_s)))
    assert [a for a, _ in started] == arrivals(*times_s)
    assert all(at_s >= a.intended_s for a, at_s in started)


def test_lateness_counts_what_is_late_and_keeps_the_largest_exactly() -> None:
    lateness = Lateness()
    for lag_s in (0.0, 0.001, LATE_S, 0.0123456, 7.5):
        lateness.add(lag_s)
    assert (lateness.count, lateness.late, lateness.max_s) == (5, 2, 7.5)
    assert lateness.quantile_s(1.0) == 7.5
    assert lateness.quantile_s(0.2) == 1e-5


def test_no_start_has_no_quantile() -> None:
    assert Lateness().quantile_s(0.99) is None


@given(st.lists(st.floats(0.0, 0.0999) | st.floats(0.1, 90.0), min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_a_quantile_is_within_one_bin_above_the_exact_one(lags_s: list[float], q: float) -> None:
    lateness = Lateness()
    for lag_s in lags_s:
        lateness.add(lag_s)
    exact_s = next(lag for rank, lag in enumerate(sorted(lags_s), 1) if rank >= q * len(lags_s))
    found_s = lateness.quantile_s(q)
    assert found_s is not None
    assert exact_s - 1e-12 <= found_s
    if exact_s < 60.0:
        assert found_s <= exact_s + (1.0001e-5 if exact_s < 0.1 else 1.0001e-2)
    else:
        assert found_s == lateness.max_s


def test_rounds_go_on_in_time_and_in_ids() -> None:
    rounds = list(itertools.islice(repeated(arrivals(0.0, 0.5), 2, 1.0, 10.0, 100), 5))
    assert rounds == [
        Arrival(101, 0, 10.0),
        Arrival(102, 0, 10.5),
        Arrival(103, 0, 11.0),
        Arrival(104, 0, 11.5),
        Arrival(105, 0, 12.0),
    ]


def test_rounds_of_two_workers_never_share_an_id() -> None:
    whole = arrivals(0.0, 0.1, 0.2)
    ops = [a.op for k in (0, 1) for a in itertools.islice(repeated(whole[k::2], 3, 1.0, 0.0, 0), 30)]
    assert len(set(ops)) == len(ops)


def test_a_schedule_without_operations_ends() -> None:
    assert list(repeated([], 0, 1.0, 0.0, 0)) == []
