"""Any number of pages may listen, and none of them can cost memory by reading slowly or not at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from gevent.queue import Full

from harness.load.web.feed import BEHIND_S_MAX, LISTENERS_MOST, QUEUE_MOST, Feed, Merged


def tick(first: int, values: list[float], **rest: Any) -> dict[str, Any]:
    return {
        "t_s": float(first),
        "windows": {"from": first, "begin_s": first * 0.25, "width_s": 0.25, "goodput_per_s": values},
        "backlog": {"from": first, "t_s": values, "by_component": {"kv": values}},
        "events": [{"t_s": float(first)}],
        **rest,
    }


def taken(listener: Any, count: int) -> list[Any]:
    messages = listener.messages()
    return [next(messages) for _ in range(count)]


def test_what_came_later_takes_the_place_of_what_was_said_before() -> None:
    merged = Merged()
    merged.add(tick(0, [1.0, 2.0, 3.0]))
    merged.add(tick(1, [20.0, 30.0, 40.0]))
    found = merged.all()
    assert found is not None
    assert found["windows"]["goodput_per_s"] == [1.0, 20.0, 30.0, 40.0]
    assert found["backlog"] == {
        "from": 0, "t_s": [1.0, 20.0, 30.0, 40.0], "by_component": {"kv": [1.0, 20.0, 30.0, 40.0]},
    }  # fmt: skip
    assert len(found["events"]) == 2


def test_who_comes_late_gets_everything_first() -> None:
    feed = Feed()
    feed.state({"status": "running"}, 0.0)
    feed.tick(tick(0, [1.0]), 0.0)
    feed.tick(tick(1, [2.0]), 0.5)
    state, run = taken(feed.listen(), 2)
    assert (state.event, run.event) == ("state", "tick")
    assert json.loads(run.data)["windows"]["goodput_per_s"] == [1.0, 2.0]


def test_who_reads_in_time_gets_every_message_in_order() -> None:
    feed = Feed()
    feed.state({"status": "running"}, 0.0)
    listener = feed.listen()
    messages = listener.messages()
    assert next(messages).event == "state"
    for number in range(3):
        feed.tick(tick(number, [1.0]), number)
    found = [next(messages) for _ in range(3)]
    assert [message.number for message in found] == [2, 3, 4]
    assert [json.loads(message.data)["windows"]["from"] for message in found] == [0, 1, 2]


def test_a_slow_page_keeps_no_more_than_a_few_messages_and_then_gets_everything_at_once() -> None:
    feed = Feed()
    feed.state({"status": "running"}, 0.0)
    listener = feed.listen()
    messages = listener.messages()
    next(messages)
    for number in range(1000):
        feed.tick(tick(number, [float(number)]), 0.0)
        assert listener.waiting() <= QUEUE_MOST
    assert next(messages).event == "state"
    run = next(messages)
    assert json.loads(run.data)["windows"]["goodput_per_s"] == [float(number) for number in range(1000)]
    feed.tick(tick(1000, [5.0]), 0.0)
    assert json.loads(next(messages).data)["windows"]["from"] == 1000  # and from there on what is new


def test_a_page_that_takes_nothing_for_a_minute_is_let_go() -> None:
    feed = Feed()
    listener = feed.listen()
    killed: list[bool] = []

    class Greenlet:
        def kill(self, *, block: bool) -> None:
            killed.append(block)

    listener.greenlet = Greenlet()
    now_s = 0.0
    while feed.listeners and now_s < 10 * BEHIND_S_MAX:
        feed.tick(tick(0, [1.0]), now_s)
        now_s += 0.5
    assert killed == [False]
    assert BEHIND_S_MAX < now_s < BEHIND_S_MAX + 2 * QUEUE_MOST


def test_there_are_only_so_many_pages() -> None:
    feed = Feed()
    listeners = [feed.listen() for _ in range(LISTENERS_MOST)]
    with pytest.raises(Full):
        feed.listen()
    feed.leave(listeners[0])
    feed.listen()


def test_a_new_run_forgets_the_one_before() -> None:
    feed = Feed()
    feed.tick(tick(0, [1.0]), 0.0)
    feed.ended({"exit_code": 0}, 0.0)
    feed.begin()
    assert feed.everything() == []


def test_nothing_is_said_twice_about_how_things_stand() -> None:
    feed = Feed()
    listener = feed.listen()
    messages = listener.messages()
    feed.state({"status": "idle"}, 0.0)
    assert next(messages).event == "state"
    feed.state({"status": "idle"}, 0.0)
    assert listener.waiting() == 0
