"""Environments and events: who may run when, and how every event ends."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.models.functions_environments import (
    ASYNC,
    CONCURRENCY,
    GRANTED,
    KINDS,
    POLLER,
    RAMP,
    SHARE,
    SYNC,
    Environments,
    EnvironmentsSpec,
)
from harness.models.functions_events import Event, Events, EventsSpec
from harness.policies.backoff import JITTER_NONE, BackoffSpec
from harness.policies.pacing import PaceSpec


def test_a_warm_environment_starts_at_once_and_the_latest_used_goes_first() -> None:
    places = Environments(EnvironmentsSpec(keep_warm_s=10.0), 3, 0.0)
    assert [places.take(SYNC, 0.0) for _ in range(4)] == [(GRANTED, True)] * 3 + [(CONCURRENCY, False)]
    for at_s in (1.0, 2.0, 3.0):
        places.give_back(SYNC, at_s)
    for at_s in (5.0, 9.0):  # one call at a time keeps one environment warm; the others go cold
        assert places.take(SYNC, at_s) == (GRANTED, False)
        places.give_back(SYNC, at_s + 1.0)
    assert [places.warm(at_s) for at_s in (10.9, 11.0, 12.0, 19.9, 20.0)] == [3, 2, 1, 1, 0]


def test_new_environments_start_no_faster_than_the_ramp_however_much_room_there_is() -> None:
    places = Environments(EnvironmentsSpec(ramp=PaceSpec(0.5, 2)), 100, 0.0)
    assert [places.take(SYNC, at_s)[0] for at_s in (0.0, 0.0, 0.0, 0.5, 0.5, 1.0)] == [
        GRANTED, GRANTED, RAMP, GRANTED, RAMP, GRANTED,
    ]  # fmt: skip
    places.give_back(SYNC, 1.0)
    assert places.take(SYNC, 1.0) == (GRANTED, False), "a warm one is no matter of the ramp"


def test_background_work_holds_no_more_than_its_share_and_calls_may_have_all() -> None:
    places = Environments(EnvironmentsSpec(), 10, 0.0)
    places.share = 0.3
    assert [places.take(kind, 0.0)[0] for kind in (ASYNC, POLLER, ASYNC, POLLER)] == [GRANTED] * 3 + [SHARE]
    assert [places.take(SYNC, 0.0)[0] for _ in range(8)] == [GRANTED] * 7 + [CONCURRENCY]
    places.share = 0.0
    places.give_back(ASYNC, 1.0)
    assert places.take(ASYNC, 1.0) == (SHARE, False)
    assert places.refused_total[POLLER] == {CONCURRENCY: 0, RAMP: 0, SHARE: 1}


def test_fewer_hosts_take_idle_environments_at_once_and_busy_ones_when_they_end() -> None:
    places = Environments(EnvironmentsSpec(prewarmed=6), 6, 0.0)
    for _ in range(4):
        places.take(SYNC, 0.0)
    places.set_limit(3)
    assert (places.busy, places.warm(0.0)) == (4, 0)
    places.give_back(SYNC, 1.0)
    assert places.take(SYNC, 1.0) == (CONCURRENCY, False)
    places.give_back(SYNC, 2.0)
    assert (places.busy, places.warm(2.0)) == (2, 1), "the one given back first went with its host"
    assert places.take(SYNC, 2.0) == (GRANTED, False)


@given(st.lists(st.tuples(st.sampled_from([*KINDS, "back", "limit"]), st.integers(0, 8), st.floats(0.0, 3.0))))
@settings(deadline=None, max_examples=150)
def test_no_environment_is_granted_beyond_the_hosts_or_the_share(steps: list[tuple[str, int, float]]) -> None:
    places = Environments(EnvironmentsSpec(keep_warm_s=2.0, ramp=PaceSpec(0.3, 3), prewarmed=2), 5, 0.0)
    places.share = 0.5
    held: list[str] = []
    now_s = 0.0
    for what, number, gap_s in steps:
        now_s += gap_s
        if what == "limit":
            places.set_limit(number)
        elif what == "back" and held:
            places.give_back(held.pop(number % len(held)), now_s)
        elif what != "back":
            refusal, cold = places.take(what, now_s)
            if refusal == GRANTED:
                held.append(what)
                assert len(held) <= places.limit
                assert what == SYNC or sum(kind != SYNC for kind in held) <= places.limit / 2
            assert cold <= (refusal == GRANTED)
        assert places.busy == len(held)
        assert places.busy + places.warm(now_s) <= max(places.limit, len(held))


def _events(max_age_s: float = math.inf) -> Events:
    return Events(EventsSpec((1.0, 2.0), BackoffSpec(0.1, 0.4, 2.0, JITTER_NONE), max_age_s, capacity=3), 7)


def _take(events: Events, now_s: float) -> Event:
    event = events.take(now_s)
    assert event is not None
    return event


def test_an_event_that_fails_runs_again_after_each_delay_and_is_then_given_up() -> None:
    events = _events()
    assert events.accept(1, None, 0.0) == 0
    starts = []
    now_s = 0.0
    while events.waiting:
        now_s = events.next_s()
        starts.append(now_s)
        events.ran(_take(events, now_s), False, True, now_s + 0.25)
    assert starts == [0.0, 1.25, 3.5]
    assert (events.failed_total, events.retried_total, events.duplicates_total) == (1, 2, 2)


def test_a_throttled_event_waits_longer_each_time_until_it_is_too_old() -> None:
    events = _events(max_age_s=1.5)
    events.accept(1, None, 0.0)
    tries = []
    while events.waiting:
        tries.append(round(events.next_s(), 9))
        events.throttled(_take(events, events.next_s()), events.next_s() if events.waiting else tries[-1])
    assert tries == [0.0, 0.1, 0.3, 0.7, 1.1]
    assert (events.expired_total, events.throttled_total) == (1, 5)


def test_what_ran_at_a_crash_runs_again_and_a_full_queue_refuses() -> None:
    events = _events()
    assert [events.accept(op, None, 0.0) for op in (1, 2, 3, 4)] == [0, 1, 2, None]
    _take(events, 0.0)
    assert (events.waiting, len(events.running)) == (2, 1)
    events.crashed(1.0)
    assert (events.waiting, len(events.running)) == (3, 0)
    assert events.take(0.5) is not None, "those that waited are due already"


@given(st.lists(st.tuples(st.sampled_from(["accept", "ok", "fail", "throttle", "crash", "purge"]), st.floats(0, 2))))
@settings(deadline=None, max_examples=150)
def test_every_event_accepted_is_somewhere(steps: list[tuple[str, float]]) -> None:
    events = _events(max_age_s=6.0)
    now_s = 0.0
    for what, gap_s in steps:
        now_s += gap_s
        if what == "accept":
            events.accept(1, None, now_s)
        elif what == "crash":
            events.take(now_s)
            events.crashed(now_s)
        elif what == "purge":
            events.purge()
        else:
            event = events.take(now_s)
            if event is not None and what == "throttle":
                events.throttled(event, now_s)
            elif event is not None:
                events.ran(event, what == "ok", True, now_s)
        ends = events.done_total + events.failed_total + events.expired_total + events.purged_total
        assert events.accepted_total == ends + events.waiting + len(events.running)
        assert events.oldest_s(now_s) <= now_s
