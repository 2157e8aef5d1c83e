"""The station: conservation, logical time, the conventions, and slow obvious twins with exactly equal times."""

from __future__ import annotations

import heapq
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.flows.wants import Cause
from harness.models.service_time import service_time_s
from harness.models.station import Done, Station, StationSpec
from harness.policies.admission import TokenBucketSpec
from harness.policies.ramp import RampSpec
from harness.policies.server import compose

SEED = 7


def station(slots: int = 1, mean_s: float = 1.0, distribution: str = "fixed", **more: Any) -> Station:
    server = compose(more.pop("server", {}))
    return Station(StationSpec(slots, mean_s, distribution, server, **more), SEED, 0.0)


def times(done: list[Done]) -> list[tuple[int, float, float]]:
    return [(d.attempt, d.began_s, d.ended_s) for d in done]


# Logical time


def test_a_late_timer_loses_no_capacity() -> None:
    """Four jobs of 1 s on one slot, nobody looks for an hour: they ended one after the other all the same."""
    one = station()
    for attempt in range(4):
        assert one.offer(attempt, 0.0) is Cause.NONE
    assert times(one.advance(3600.0)) == [(0, 0.0, 1.0), (1, 1.0, 2.0), (2, 2.0, 3.0), (3, 3.0, 4.0)]


GAPS = st.lists(st.integers(0, 12), min_size=1, max_size=60)


@given(
    gaps=GAPS,
    looks=st.lists(st.integers(0, 60), max_size=30),
    discipline=st.sampled_from(["fifo", "lifo", "adaptive_lifo", "fair"]),
    slots=st.integers(1, 4),
)
def test_how_often_one_looks_changes_nothing(gaps: list[int], looks: list[int], discipline: str, slots: int) -> None:
    stories = []
    for eager in (False, True):
        one = station(slots, 0.5, "exponential", server={"discipline": (discipline, {}), "drop": ("expired", {})})
        now, out = 0.0, []
        for attempt, gap in enumerate(gaps):
            if eager:
                for look in sorted(looks):
                    if now < now + look / 60 * gap / 8:
                        out += one.advance(now + look / 60 * gap / 8)
            now += gap / 8
            one.offer(attempt, now, deadline_s=now + 1.0, tenant=attempt % 3)
        stories.append(out + one.advance(math.inf))
    assert sorted(map(str, stories[0])) == sorted(map(str, stories[1]))


def test_the_one_timer_is_at_the_earliest_end() -> None:
    two = station(slots=2)
    assert two.next_event_s() == math.inf
    two.offer(1, 0.0)
    two.offer(2, 0.25)
    two.offer(3, 0.5)
    assert two.next_event_s() == 1.0
    assert times(two.advance(1.0)) == [(1, 0.0, 1.0)]
    assert two.next_event_s() == 1.25
    two.gauges(1.5)  # looking settles, but what ended still waits to be handed out
    assert two.next_event_s() == 1.25
    assert times(two.advance(1.5)) == [(2, 0.25, 1.25)]
    assert two.next_event_s() == 2.0


def test_departures_come_before_arrivals_at_the_same_moment() -> None:
    one = station(server={"admission": ("concurrency", {"limit": 1})})
    assert one.offer(1, 0.0) is Cause.NONE
    assert one.offer(2, 0.5) is Cause.QUEUE_FULL
    assert one.offer(3, 1.0) is Cause.NONE


def test_time_never_runs_backwards() -> None:
    one = station()
    one.offer(1, 5.0)
    one.offer(2, 4.0)
    assert [d.arrived_s for d in one.advance(10.0)] == [5.0, 5.0]


def test_a_service_time_of_zero_is_served_at_once() -> None:
    one = station(mean_s=0.0, distribution="exponential")
    one.offer(1, 3.0)
    assert one.next_event_s() == 3.0
    assert times(one.advance(3.0)) == [(1, 3.0, 3.0)]


# Twins


@given(
    gaps=GAPS, slots=st.integers(1, 5), distribution=st.sampled_from(["exponential", "fixed", "weibull"])
)
def test_first_come_first_served_is_the_kiefer_wolfowitz_recursion(
    gaps: list[int], slots: int, distribution: str
) -> None:
    one = station(slots, 0.7, distribution)
    free, now, expected = [0.0] * slots, 0.0, []
    for attempt, gap in enumerate(gaps):
        now += gap / 8
        one.offer(attempt, now)
        begin = max(now, heapq.heappop(free))
        end = begin + service_time_s(distribution, 0.7, SEED, attempt)
        heapq.heappush(free, end)
        expected.append((attempt, begin, end))
    assert sorted(times(one.advance(1e9))) == expected


@given(gaps=GAPS)
def test_last_come_first_served_is_what_scanning_a_list_says(gaps: list[int]) -> None:
    one = station(1, 0.7, "exponential", server={"discipline": ("lifo", {})})
    now, waiting, expected, free = 0.0, [], [], 0.0
    for attempt, gap in enumerate([*gaps, 10**9]):
        now += gap / 8
        while waiting and free <= now:
            latest = waiting.pop()
            begin, free = free, free + service_time_s("exponential", 0.7, SEED, latest)
            expected.append((latest, begin, free))
        if attempt == len(gaps):
            break
        one.offer(attempt, now)
        if free <= now:
            free = now + service_time_s("exponential", 0.7, SEED, attempt)
            expected.append((attempt, now, free))
        else:
            waiting.append(attempt)
    assert times(one.advance(now)) == expected


# Conservation under anything


@settings(max_examples=150)
@given(
    acts=st.lists(
        st.tuples(st.sampled_from(["offer", "offer", "offer", "offer", "cancel", "slots", "slow", "drop", "look"]),
                  st.integers(0, 30), st.integers(0, 8)),
        max_size=120,
    ),
    discipline=st.sampled_from(["fifo", "lifo", "adaptive_lifo", "fair"]),
    drop=st.sampled_from([None, ("expired", {}), ("facebook_codel", {})]),
    draw=st.sampled_from(["acceptance", "start"]),
    cancellation=st.booleans(),
)  # fmt: skip
def test_every_accepted_attempt_comes_out_exactly_once(
    acts: list[tuple[str, int, int]], discipline: str, drop: Any, draw: str, cancellation: bool
) -> None:
    one = station(2, 0.4, "exponential", service_draw=draw, cancellation=cancellation,
                  server={"discipline": (discipline, {}), "drop": drop, "admission": ("concurrency", {"limit": 9}),
                          "priority": ("first_tries", {})})  # fmt: skip
    accepted: set[int] = set()
    out: list[Done] = []
    now, slots_max = 0.0, 2
    for number, (what, value, gap) in enumerate(acts):
        now += gap / 8
        if what == "offer":
            if one.offer(number, now, deadline_s=now + 1.0, tenant=value % 3, first_try=value % 2 == 0) is Cause.NONE:
                accepted.add(number)
        elif what == "cancel":
            taken = one.cancel(value, now)
            out += [taken] if taken else []
        elif what == "slots":
            one.set_slots(value % 5, now)
            slots_max = max(slots_max, value % 5)
        elif what == "slow":
            one.set_slowdown(value / 4, now)
        elif what == "drop":
            out += one.drop_queue(now)
        else:
            out += one.advance(now)
        seen = one.gauges(now)
        assert seen["in_service"] <= slots_max
        assert seen["waiting_queue"] == 0 or seen["in_service"] >= seen["slots"]  # no idle slot while anybody waits
        assert seen["waiting_queue"] + seen["in_service"] <= 9
        assert seen["busy_s_total"] <= slots_max * now + 1e-9
        gone = seen["served_total"] + seen["dropped_total"] + seen["cancelled_total"]
        assert len(accepted) == gone + seen["waiting_queue"] + seen["in_service"]
    one.set_slots(2, now)
    out += one.advance(now + 1e6)
    assert sorted(d.attempt for d in out) == sorted(accepted)
    for d in out:
        assert d.arrived_s <= d.ended_s
        assert math.isnan(d.began_s) == (d.service_s == 0.0 and d.cause is not Cause.NONE) or d.cause is Cause.TIMEOUT
        if d.cause is Cause.NONE:
            assert d.ended_s == d.began_s + d.service_s


# The conventions


def slowed(draw: str, distribution: str = "fixed") -> list[tuple[int, float, float]]:
    """Three jobs at 0 on one slot of 1 s; four times slower from 0.5 s to 5.5 s; a fourth job comes at 5 s."""
    one = station(1, 1.0, distribution, service_draw=draw)
    for attempt in range(3):
        one.offer(attempt, 0.0)
    one.set_slowdown(4.0, 0.5)
    one.offer(3, 5.0)
    one.set_slowdown(1.0, 5.5)
    return times(one.advance(100.0))


def test_a_time_fixed_at_acceptance_outlives_the_slowdown() -> None:
    assert slowed("acceptance") == [(0, 0.0, 1.0), (1, 1.0, 2.0), (2, 2.0, 3.0), (3, 5.0, 9.0)]


def test_a_time_drawn_at_the_start_feels_the_slowdown_of_that_moment() -> None:
    assert slowed("start") == [(0, 0.0, 1.0), (1, 1.0, 5.0), (2, 5.0, 9.0), (3, 9.0, 10.0)]


def test_the_luck_of_an_attempt_is_its_own_whatever_the_convention_or_the_order() -> None:
    lucks = []
    for draw, discipline in (("acceptance", "fifo"), ("start", "fifo"), ("acceptance", "lifo"), ("start", "fair")):
        one = station(1, 0.3, "exponential", service_draw=draw, server={"discipline": (discipline, {})})
        for attempt in range(50):
            one.offer(attempt, 0.0)
        lucks.append({d.attempt: d.service_s for d in one.advance(1e6)})
    assert lucks[0] == lucks[1] == lucks[2] == lucks[3]


def test_without_cancellation_giving_up_changes_nothing() -> None:
    one = station()
    one.offer(1, 0.0)
    one.offer(2, 0.0)
    assert one.cancel(1, 0.25) is None
    assert one.cancel(2, 0.25) is None
    assert times(one.advance(9.0)) == [(1, 0.0, 1.0), (2, 1.0, 2.0)]


def test_with_cancellation_a_slot_is_free_at_once() -> None:
    one = station(cancellation=True)
    for attempt in (1, 2, 3):
        one.offer(attempt, 0.0)
    assert one.cancel(1, 0.25) == Done(1, Cause.TIMEOUT, 0.0, 0.0, 0.25, 0.25)
    waiting = one.cancel(3, 0.5)
    assert waiting is not None
    assert (waiting.cause, waiting.service_s, waiting.ended_s) == (Cause.TIMEOUT, 0.0, 0.5)
    assert math.isnan(waiting.began_s)
    assert one.cancel(3, 0.5) is None
    assert times(one.advance(9.0)) == [(2, 0.25, 1.25)]
    assert one.next_event_s() == math.inf


# Operators and faults


def test_fewer_slots_let_running_jobs_end_and_start_nobody_meanwhile() -> None:
    two = station(slots=2)
    for attempt in range(4):
        two.offer(attempt, 0.0)
    two.set_slots(0, 0.5)
    assert times(two.advance(10.0)) == [(0, 0.0, 1.0), (1, 0.0, 1.0)]
    two.set_slots(1, 10.0)
    assert times(two.advance(20.0)) == [(2, 10.0, 11.0), (3, 11.0, 12.0)]


def test_dropping_the_queue_hands_back_the_waiting_and_spares_the_running() -> None:
    one = station()
    for attempt in range(3):
        one.offer(attempt, 0.0)
    assert [(d.attempt, d.cause) for d in one.drop_queue(0.5)] == [(1, Cause.DROPPED), (2, Cause.DROPPED)]
    assert times(one.advance(9.0)) == [(0, 0.0, 1.0)]
    assert one.gauges(9.0)["dropped_total"] == 2


def test_dropping_the_queue_is_no_news_to_an_adaptive_limit() -> None:
    one = station(server={"admission": ("aimd", {"initial": 100})})
    for attempt in range(60):
        one.offer(attempt, 0.0)
    assert one.gauges(0.0)["admission_limit"] == 100
    one.drop_queue(0.0)
    assert one.gauges(0.0)["admission_limit"] == 100


def test_an_operators_intake_stands_before_the_servers_own_admission() -> None:
    one = station(mean_s=0.0, server={"admission": ("concurrency", {"limit": 5})})
    one.set_intake(TokenBucketSpec(1.0, 1), 0.0)
    assert [one.offer(n, 0.0) for n in range(2)] == [Cause.NONE, Cause.THROTTLED]
    one.set_intake(RampSpec(0.25, 0.25, 5.0, 0.1), 1.0)
    assert 150 < sum(one.offer(n, 2.0) is Cause.NONE for n in range(1000)) < 350
    one.set_intake(None, 3.0)
    assert all(one.offer(n, 4.0) is Cause.NONE for n in range(100))


def test_ranks_are_served_in_order_and_oldest_first_within() -> None:
    one = station(server={"priority": ("criticality", {})})
    for attempt, criticality in enumerate([0, 3, 1, 3, 0, 2]):
        one.offer(attempt, 0.0, criticality=criticality)
    assert [d.attempt for d in one.advance(99.0)] == [0, 4, 2, 5, 1, 3]


def test_first_tries_never_wait_for_retries() -> None:
    one = station(server={"priority": ("first_tries", {})})
    for attempt in range(10):
        one.offer(attempt, 0.0, first_try=attempt >= 8)
    assert [d.attempt for d in one.advance(99.0)][:3] == [0, 8, 9]


def test_gauges_show_the_line_and_its_oldest() -> None:
    one = station()
    for attempt in range(3):
        one.offer(attempt, attempt / 4)
    seen = one.gauges(0.75)
    assert (seen["waiting_queue"], seen["in_service"], seen["oldest_wait_s"]) == (2, 1, 0.5)
    assert seen["busy_s_total"] == 0.75
    assert one.gauges(9.0)["busy_s_total"] == 3.0


@given(st.lists(st.integers(0, 12), min_size=20, max_size=120), st.sampled_from(["exponential", "weibull", "fixed"]))
def test_a_deadline_drop_that_knows_service_times_never_serves_anyone_late(gaps: list[int], kind: str) -> None:
    one = station(1, 0.5, kind, server={"drop": ("deadline", {})})
    now, deadlines = 0.0, {}
    for attempt, gap in enumerate(gaps):
        now += gap / 32
        deadlines[attempt] = now + 1.0
        one.offer(attempt, now, deadline_s=now + 1.0)
    for d in one.advance(1e9):
        if d.cause is Cause.NONE:
            assert d.ended_s <= deadlines[d.attempt] + 1e-9
        else:
            assert d.ended_s + service_time_s(kind, 0.5, SEED, d.attempt) > deadlines[d.attempt] - 1e-9


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (StationSpec(-1, 1.0), "slots is -1"),
        (StationSpec(1, math.nan), "mean service time is nan s"),
        (StationSpec(1, 1.0, "pareto"), "unknown service distribution 'pareto'; known are exponential, fixed, weibull"),
        (StationSpec(1, 1.0, service_draw="end"), "unknown service_draw 'end'; it is one of acceptance, start"),
    ],
)
def test_a_station_that_cannot_be_is_refused(spec: StationSpec, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Station(spec, SEED, 0.0)
    with pytest.raises(ValueError, match="must be"):
        station().set_slots(-1, 0.0)
    with pytest.raises(ValueError, match="slowdown is -1"):
        station().set_slowdown(-1.0, 0.0)


@pytest.mark.parametrize("discipline", ["fifo", "lifo", "fair"])
def test_fifty_thousand_waiting_jobs_cost_no_more_each_than_a_few(discipline: str) -> None:
    """Work, not time, is counted: line operations that scan would make these 50,000 cancellations run for minutes."""
    one = station(1, 1e6, cancellation=True, server={"discipline": (discipline, {})})
    for attempt in range(50_000):
        one.offer(attempt, 0.0, tenant=attempt % 100)
    for attempt in range(49_999, 0, -2):
        assert one.cancel(attempt, 1.0) is not None
    assert one.gauges(1.0)["waiting_queue"] == 24_999
    one.set_mean_s(0.0, 1.0)
    assert len(one.drop_queue(2.0)) == 24_999
