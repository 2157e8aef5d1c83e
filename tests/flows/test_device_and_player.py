"""What a device keeps while it cannot send, and what a player hides while it cannot load."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.flows.device import BATCH_MAX, Device, Manners
from harness.flows.player import Player
from harness.policies.reconnect import ReconnectSpec


def device(keep=50, collapse=False, kind="none"):
    made = Device(3)
    made.manners = Manners(ReconnectSpec(kind, 0.25, 8.0, 4.0, 40), keep, collapse, 3)
    return made


def test_the_oldest_reading_goes_first_and_the_service_is_told_which():
    subject = device(keep=2)
    for op in (1, 2, 3):
        subject.read(op, float(op))
    assert subject.dropped == {1: 1.0}
    batch = subject.batch()
    assert batch == (2, 3)
    subject.confirmed(batch, dict(subject.dropped), 9.0)
    assert subject.dropped == {}
    assert [subject.delivered_s(op) for op in (1, 2, 3)] == [None, 9.0, 9.0]


def test_where_only_the_newest_matters_only_the_newest_is_kept():
    subject = device(collapse=True)
    for op in (1, 2, 3):
        subject.read(op, float(op))
    assert subject.batch() == (3,)
    assert subject.dropped == {1: 1.0, 2: 2.0}


def test_what_was_sent_once_is_sent_again_as_it_was_and_never_thrown_away():
    subject = device(keep=2)
    subject.read(1, 1.0)
    subject.read(2, 2.0)
    sent = subject.batch()
    for op in (3, 4, 5):
        subject.read(op, float(op))
    subject.failed(sent)
    assert subject.batch() == sent == (1, 2)
    assert subject.batch() == (4, 5)
    assert subject.batch() == ()
    assert set(subject.dropped) == {3}


def test_readings_whose_caller_has_gone_stay_with_the_device():
    subject = device()
    subject.read(7, 1.0)
    subject.forget(7)
    assert subject.batch() == (7,)


@given(st.lists(st.sampled_from(["read", "sent", "lost"]), max_size=120), st.integers(1, 30))
def test_each_reading_is_confirmed_dropped_or_still_there_and_only_one_of_these(steps, keep):
    subject, op, confirmed, under_way = device(keep=keep), 0, [], None
    for step in steps:
        if step == "read":
            op += 1
            subject.read(op, float(op))
        elif under_way is None:
            under_way = subject.batch() or None
            assert under_way is None or len(under_way) <= BATCH_MAX
        elif step == "sent":
            subject.confirmed(under_way, {}, float(op))
            confirmed += under_way
            under_way = None
        else:
            subject.failed(under_way)
            under_way = None
    left = list(under_way or ())
    while batch := subject.batch():
        left += batch
    assert sorted([*confirmed, *left, *subject.dropped]) == list(range(1, op + 1))


def test_a_device_without_a_session_comes_when_its_pacing_says():
    subject = device(kind="slots")
    subject.lost(1.0, 0.5)
    assert (subject.session, subject.next_try_s) == (None, 10.75)  # slot 3 of 40: 0.75 s in a cycle of 10 s
    subject.lost(10.75, 0.5, again=True)
    assert subject.next_try_s == 20.75


def test_a_failure_is_hidden_while_the_buffer_lasts_and_the_rest_is_counted():
    player = Player(4.0)
    assert [player.failed(at_s) for at_s in (10.0, 12.0, 13.75, 14.0, 15.0)] == [True, True, True, False, False]
    player.served(16.5)
    assert (player.masked_total, player.stalled_s_total) == (3, 2.5)
    assert player.failed(20.0)
    player.served(21.0)
    assert (player.masked_total, player.stalled_s_total) == (4, 2.5)


def test_a_player_that_holds_nothing_hides_nothing():
    player = Player(0.0)
    assert not player.failed(1.0)
    player.served(3.0)
    assert (player.masked_total, player.stalled_s_total) == (0, 2.0)
