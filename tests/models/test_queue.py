"""The queue: what happens to a message, exactly; and its door with long polls."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.models.queue import Queue, QueueSpec
from harness.models.queue_messages import Messages, MessagesSpec
from harness.models.station import Station, StationSpec
from harness.models.workplace import Workplace
from tests.models import stage


def _queue(messages: MessagesSpec | None = None, slots: int = 2, mean_s: float = 0.01) -> Queue:
    station = Station(StationSpec(slots, mean_s, "fixed"), 7, 0.0)
    return Queue(QueueSpec(messages or MessagesSpec()), Workplace(station, 7), stage.given())


def test_a_message_is_hidden_while_somebody_has_it_and_comes_back_to_the_front() -> None:
    box = Messages(MessagesSpec(visibility_s=5.0), 0.0)
    for body in "abc":
        box.send(body, 0.0)
    first = box.receive(2, 1.0)
    assert [message.body for message in first] == ["a", "b"]
    assert (box.waiting, box.in_flight) == (1, 2)
    assert box.delete(first[1].receipt, 2.0)
    assert [message.body for message in box.receive(10, 5.999)] == ["c"]
    again = box.receive(10, 6.0)
    assert [(message.body, message.attempts) for message in again] == [("a", 2)]
    assert box.redelivered_total == 1


def test_only_the_newest_receipt_deletes_also_when_it_has_run_out() -> None:
    box = Messages(MessagesSpec(visibility_s=1.0), 0.0)
    box.send("a", 0.0)
    old = box.receive(1, 0.0)[0].receipt
    new = box.receive(1, 1.0)[0].receipt
    assert not box.delete(old, 1.5)
    assert box.delete(new, 2.5)
    assert not box.delete(new, 2.5)
    assert box.receive(1, 9.0) == []
    with pytest.raises(ValueError, match="receipt is 'x'"):
        box.delete("x", 9.0)


def test_a_message_that_nobody_finishes_becomes_a_dead_letter_and_may_be_redriven() -> None:
    box = Messages(MessagesSpec(visibility_s=1.0, max_receives=2), 0.0)
    box.send("a", 0.0)
    box.send("b", 0.0)
    receipts = [box.receive(1, t)[0].receipt for t in (0.0, 1.0)]
    box.settle(2.0)
    assert list(box.dead) == [0]
    assert box.dead_total == 1
    assert not box.delete(receipts[1], 2.0)
    assert box.redrive(3.0) == 1
    again = box.receive(1, 3.0)[0]
    assert (again.body, again.attempts) == ("a", 3)
    assert again.receipt not in receipts
    box.settle(4.0)
    assert box.dead == {}, "its two receives count anew"


def test_a_backlog_older_than_its_time_to_live_is_lost_wherever_it_is() -> None:
    box = Messages(MessagesSpec(visibility_s=5.0, ttl_s=3.0), 0.0)
    box.send("a", 0.0)
    box.send("b", 1.0)
    receipt = box.receive(1, 2.0)[0].receipt
    assert box.next_s() == 3.0
    assert box.oldest_s(2.5) == 2.5
    box.settle(3.0)
    assert (box.expired_total, box.waiting, box.in_flight) == (1, 1, 0)
    assert not box.delete(receipt, 3.0)
    assert box.receive(1, 4.0) == []
    assert box.expired_total == 2


def test_a_full_queue_takes_nothing_and_too_many_in_flight_hand_out_nothing() -> None:
    box = Messages(MessagesSpec(capacity=2, in_flight_limit=1), 0.0)
    assert [box.send("x", 0.0) for _ in range(3)] == [0, 1, None]
    assert len(box.receive(10, 0.0)) == 1
    assert box.receive(10, 0.0) == []


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["send", "receive", "delete", "delete_old", "purge", "redrive"]),
        st.integers(1, 4),
        st.floats(0.0, 2.0),
    ),
    max_size=60,
)


@given(steps=_STEPS, ttl_s=st.sampled_from([math.inf, 4.0]), most=st.integers(0, 3))
@settings(deadline=None, max_examples=150)
def test_every_message_sent_is_somewhere_and_what_is_deleted_never_comes_again(
    steps: list[tuple[str, int, float]], ttl_s: float, most: int
) -> None:
    box = Messages(MessagesSpec(visibility_s=1.5, ttl_s=ttl_s, max_receives=most, capacity=12), 0.0)
    receipts: list[tuple[int, str]] = []
    deleted: set[int] = set()
    now_s = 0.0
    for what, count, gap_s in steps:
        now_s += gap_s
        if what == "send":
            for _ in range(count):
                box.send(None, now_s)
        elif what == "receive":
            found = box.receive(count, now_s)
            assert deleted.isdisjoint(message.id for message in found)
            assert [message.id for message in found] == sorted(message.id for message in found)
            receipts += [(message.id, message.receipt) for message in found]
        elif what == "purge" and count == 4:
            box.purge(now_s)
        elif what == "redrive":
            box.redrive(now_s)
        elif receipts:
            number, receipt = receipts[-1 if what == "delete" else 0]
            if box.delete(receipt, now_s):
                assert number not in deleted
                deleted.add(number)
        assert len(deleted) == box.deleted_total
        dead = box.dead_total - box.redriven_total
        assert len(box.dead) == dead
        ends = box.deleted_total + box.expired_total + box.purged_total
        assert box.sent_total == box.waiting + box.in_flight + dead + ends
        assert 0 <= box.in_flight <= box.waiting + box.in_flight <= 12


def test_the_door_serves_as_many_at_once_as_it_has_slots() -> None:
    queue = _queue(slots=2, mean_s=0.5)
    play = stage.Stage(queue=queue)
    answers = [play.ask("queue", "send", {"body": n}, op=n) for n in (1, 2, 3)]
    play.until(0.5)
    assert [len(answer) for answer in answers] == [1, 1, 0]
    play.until(1.0)
    last = answers[2][0]
    assert (last.status, last.body, last.began_s, last.service_s) == (200, {"id": 2}, 0.5, 0.5)
    assert queue.export()["sent"] == [[0, 1, 0], [1, 2, 0], [2, 3, 0]]


def test_a_receive_that_finds_nothing_waits_outside_the_slots_and_one_message_wakes_one() -> None:
    queue = _queue(slots=1, mean_s=0.1)
    play = stage.Stage(queue=queue)
    first = play.ask("queue", "receive", {"max": 5, "wait_s": 2.0})
    second = play.ask("queue", "receive", {"max": 5, "wait_s": 2.0})
    play.until(1.0)
    assert queue.gauges(1.0)["long_polls"] == 2.0
    play.ask("queue", "send", {"body": "late"})
    play.until(1.1)
    assert [message["body"] for message in first[0].body["messages"]] == ["late"]
    assert second == []
    play.until(2.2)
    assert second[0].body == {"messages": []}
    assert queue.gauges(2.2)["empty_receives_total"] == 1.0


def test_a_waiting_receive_gets_a_message_the_moment_it_is_visible_again() -> None:
    queue = _queue(MessagesSpec(visibility_s=1.0), mean_s=0.0)
    play = stage.Stage(queue=queue)
    play.ask("queue", "send", {"body": "a"})
    play.ask("queue", "receive", {})
    play.until(0.0)
    waiting = play.ask("queue", "receive", {"wait_s": 5.0})
    play.until(0.999)
    assert waiting == []
    play.until(1.0)
    assert waiting[0].body["messages"][0]["attempts"] == 2


def test_a_crash_loses_requests_and_no_message() -> None:
    queue = _queue(slots=1, mean_s=0.5)
    play = stage.Stage(queue=queue)
    play.ask("queue", "send", {"body": "a"})
    play.until(0.5)
    lost = play.ask("queue", "send", {"body": "b"})
    play.ask("queue", "receive", {"wait_s": 5.0})
    play.until(0.7)
    play.crash("queue")
    play.restart("queue")
    play.until(3.0)
    assert lost == []
    assert queue.gauges(3.0)["waiting_messages"] == 1.0
    assert queue.gauges(3.0)["long_polls"] == 0.0


@pytest.mark.parametrize(
    ("operation", "params", "status"),
    [
        ("peek", {}, 404),
        ("receive", {"max": 0}, 400),
        ("receive", {"max": True}, 400),
        ("receive", {"wait_s": -1}, 400),
        ("delete", {}, 400),
        ("delete", {"receipts": []}, 400),
        ("delete", {"receipt": "1-2"}, 200),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(operation: str, params: dict[str, object], status: int) -> None:
    play = stage.Stage(queue=_queue())
    answer = play.ask("queue", operation, dict(params))
    play.until(1.0)
    assert answer[0].status == status
    assert status == 200 or answer[0].body["message"]


def test_operators_purge_messages_and_drop_only_requests() -> None:
    queue = _queue(slots=1, mean_s=1.0)
    play = stage.Stage(queue=queue)
    play.ask("queue", "send", {"body": "a"})
    waits = play.ask("queue", "send", {"body": "b"})
    assert queue.actions["drop_queue"]({}, 0.5) == {"dropped": 1}
    play.until(1.0)
    assert (waits[0].status, waits[0].code) == (503, "dropped")
    assert queue.actions["purge"]({}, 1.0) == {"purged": 1}
    assert queue.gauges(1.0)["waiting_messages"] == 0.0
