"""The event heap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import RunError
from harness.sim.heap import Heap, cancel


@given(st.lists(st.floats(0.0, 100.0), max_size=50))
def test_steps_happen_in_order_of_time_and_equal_times_in_order_of_birth(times_s):
    heap = Heap()
    happened = []
    for birth, at_s in enumerate(times_s):
        heap.at(at_s, lambda at_s=at_s, birth=birth: happened.append((heap.now_s, at_s, birth)))
    heap.run(100.0)
    assert [(at_s, birth) for _, at_s, birth in happened] == sorted((t, b) for b, t in enumerate(times_s))
    assert all(now_s == at_s for now_s, at_s, _ in happened)


@given(st.lists(st.tuples(st.floats(0.0, 9.0), st.sampled_from([0.0, 0.5, 2.0]), st.booleans(), st.floats(0.0, 9.0))))
def test_lanes_change_no_order(plans):
    """Steps in lanes happen exactly when they would from the heap alone, also among those that are called off."""

    def play(in_lanes):
        heap = Heap()
        happened = []

        def begin(number, wait_s, off, off_s):
            step = lambda: happened.append((heap.now_s, number))  # noqa: E731
            ticket = heap.in_lane(wait_s, step) if in_lanes else heap.after(wait_s, step)
            if off:
                heap.at(off_s, lambda: cancel(ticket))

        for number, (at_s, *rest) in enumerate(plans):
            heap.at(at_s, lambda number=number, rest=rest: begin(number, *rest))
        heap.run(20.0)
        return happened

    assert play(in_lanes=True) == play(in_lanes=False)


def test_a_storm_in_a_lane_is_an_error_too():
    heap = Heap(pending_max=10)
    for _ in range(11):
        heap.in_lane(1.0, lambda: None)
    with pytest.raises(RunError, match=r"11 steps are pending at 0\.000 s; the most allowed are 10"):
        heap.run(1.0)


def test_a_step_in_the_past_happens_now_and_time_never_runs_back():
    heap = Heap()
    seen = []
    heap.at(2.0, lambda: heap.at(1.0, lambda: seen.append(heap.now_s)))
    heap.run(3.0)
    assert seen == [2.0]
    assert heap.now_s == 3.0


def test_a_cancelled_step_does_not_happen():
    heap = Heap()
    seen = []
    cancel(heap.at(1.0, lambda: seen.append("cancelled")))
    heap.at(1.0, lambda: seen.append("kept"))
    heap.run(1.0)
    assert seen == ["kept"]


def test_a_step_at_the_end_of_the_run_still_happens():
    heap = Heap()
    seen = []
    heap.at(1.0, lambda: seen.append(heap.now_s))
    heap.run(1.0)
    assert seen == [1.0]


def test_a_storm_without_end_is_an_error_that_names_the_moment():
    heap = Heap(pending_max=100)

    def breed() -> None:
        heap.after(0.5, breed)
        heap.after(0.5, breed)

    heap.at(0.0, breed)
    with pytest.raises(RunError, match=r"257 steps are pending at 4\.000 s; the most allowed are 100"):
        heap.run(60.0)


def test_a_storm_at_one_moment_is_an_error_too():
    heap = Heap(pending_max=100)

    def breed() -> None:
        heap.at(heap.now_s, breed)
        heap.at(heap.now_s, breed)

    heap.at(2.0, breed)
    with pytest.raises(RunError, match=r"steps are pending at 2\.000 s"):
        heap.run(60.0)


@given(st.lists(st.tuples(st.floats(0.0, 9.0), st.lists(st.sampled_from([-1.0, 0.0, 1e-300, 1e-9, 0.5]), max_size=4))))
def test_what_is_due_at_once_happens_in_the_order_of_one_sorted_list(plans):
    """The heap, its lanes and its line against the slow obvious way: sort by (time, birth), take the first."""

    class Sorted:
        def __init__(self):
            self.now_s, self.births, self.steps = 0.0, 0, []

        def at(self, at_s, step):
            self.births += 1
            self.steps.append((max(at_s, self.now_s), self.births, step))

        def in_lane(self, wait_s, step):
            self.at(self.now_s + wait_s, step)

        def run(self, until_s):
            while self.steps and min(self.steps)[0] <= until_s:
                self.steps.remove(first := min(self.steps))
                self.now_s = first[0]
                first[2]()

    def play(heap):
        happened = []

        def begin(number, waits):
            happened.append((heap.now_s, number, len(waits)))
            for wait_s in waits:
                follow = lambda rest=waits[1:]: begin(number, rest)  # noqa: E731
                heap.in_lane(wait_s, follow) if number % 2 else heap.at(heap.now_s + wait_s, follow)

        for number, (at_s, waits) in enumerate(plans):
            heap.at(at_s, lambda number=number, waits=waits: begin(number, waits))
        heap.run(9.5)
        return happened

    assert play(Heap()) == play(Sorted())


def test_a_run_goes_on_where_the_last_one_ended():
    heap = Heap()
    seen = []
    for at_s in (1.0, 2.0, 2.0, 3.0):
        heap.at(at_s, lambda: seen.append(heap.now_s))
    heap.run(2.0)
    assert (seen, heap.now_s) == ([1.0, 2.0, 2.0], 2.0)
    heap.run(1.0)
    assert heap.now_s == 2.0
    heap.run(3.0)
    assert (seen, heap.steps_done) == ([1.0, 2.0, 2.0, 3.0], 4)
