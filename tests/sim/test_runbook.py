"""The runbook: when a condition is met, when its deed is due, and that both engines do the same."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import runbook
from harness.plan import Plan, make_plan
from harness.runbook import Book, Fired, State
from harness.sim.heap import Heap
from harness.sim.operators import Operators
from harness.spec import parse_experiment
from harness.timeline import edges

QUEUE = ("kv", "waiting_queue")
TEXT = """
title: t
region: {mobile_banking: null}
load: {kv_reads: {arrivals: {rate: 10/s}}}
phases: {warm_up: 1s, baseline: 9s, outage: 10s, recovery: 20s, drain: 5s}
timeline:
  - {at: outage.start, do: kv.latency, with: {factor: 8, for: 9s}}
  - {at: outage.end, do: kv.open_intake, fix: true}
"""


def plan(*entries: str) -> Plan:
    text = TEXT + "".join(f"  - {entry}\n" for entry in entries)
    return make_plan(parse_experiment(text), "base", 1, engine="world")


def opened(*entries: str) -> tuple[Book, State]:
    book = runbook.book_of(plan(*entries))
    return book, runbook.start(book)


def due_at(book: Book, readings: list[tuple[float, float | None]]) -> list[float]:
    """The moments at which deeds become due, when each is taken as soon as it may be."""
    state, found = runbook.start(book), []
    for now_s, value in readings:
        state = runbook.read(book, state, now_s, {} if value is None else {QUEUE: value})
        while runbook.next_s(book, state) < math.inf:
            next_s = runbook.next_s(book, state)
            state, fired = runbook.take(book, state, next_s)
            assert fired is not None
            found.append(fired.due.at_s)
            state = runbook.done(book, state, fired.due, next_s)
    return found


def test_a_deed_follows_when_the_gauge_has_been_beyond_its_line_long_enough_and_after_the_delay() -> None:
    book, state = opened("{when: {gauge: kv.waiting_queue, above: 500, for: 2s, delay: 15s}, do: kv.drop_queue}")
    for now_s, value in [(10.0, 501.0), (10.25, 500.0), (10.5, 900.0), (12.25, 700.0)]:
        state = runbook.read(book, state, now_s, {QUEUE: value})
        assert runbook.next_s(book, state) == math.inf
    state = runbook.read(book, state, 12.5, {QUEUE: 600.0})
    assert runbook.next_s(book, state) == 27.5
    state = runbook.read(book, state, 12.75, {QUEUE: 0.0})  # the decision was taken
    assert runbook.take(book, state, 27.0)[1] is None
    state, fired = runbook.take(book, state, 27.5)
    assert fired is not None
    assert (fired.due.at_s, fired.due.deed, fired.due.what) == (27.5, "action", "kv.drop_queue")
    assert fired.why == {
        "because": "kv.waiting_queue above 500 for 2 s", "reading": 600.0, "since_s": 10.5, "decided_s": 12.5,
    }  # fmt: skip
    assert runbook.left(book, state) == []


def test_readings_before_the_first_fault_or_before_after_do_not_count() -> None:
    from_the_fault, _ = opened("{when: {gauge: kv.waiting_queue, above: 5, for: 1s}, do: kv.drop_queue}")
    later, _ = opened("{when: {gauge: kv.waiting_queue, above: 5, for: 1s, after: 15s}, do: kv.drop_queue}")
    busy: list[tuple[float, float | None]] = [(k / 4, 9.0) for k in range(120)]
    assert due_at(from_the_fault, busy) == [11.0]
    assert due_at(later, busy) == [16.0]


def test_once_is_once_and_again_is_whenever_the_gauge_has_been_back() -> None:
    readings: list[tuple[float, float | None]] = [(10.0, 9.0), (11.0, 9.0), (12.0, 1.0), (13.0, 9.0), (14.0, None)]
    readings += [(15.0, 9.0), (16.0, 9.0)]
    once, _ = opened("{when: {gauge: kv.waiting_queue, above: 5, for: 1s}, do: kv.drop_queue}")
    again, _ = opened("{when: {gauge: kv.waiting_queue, above: 5, for: 1s, once: false}, do: kv.drop_queue}")
    assert due_at(once, readings) == [11.0]
    assert due_at(again, readings) == [11.0, 15.0]


def test_below_is_the_other_side() -> None:
    book, _ = opened("{when: {gauge: kv.waiting_queue, below: 10}, do: kv.drop_queue}")
    assert due_at(book, [(10.0, 10.0), (10.25, 9.0)]) == [10.25]


@given(
    st.lists(st.tuples(st.integers(1, 4), st.sampled_from([3.0, 5.0, 7.0, None])), max_size=50),
    st.booleans(),
    st.integers(0, 8),
)
def test_it_agrees_with_looking_back_over_everything(
    steps: list[tuple[int, float | None]], once: bool, quarters: int
) -> None:
    """The slow twin: at t every reading back to one at least `for` before t was beyond, and none since was decided."""
    when = f"{{gauge: kv.waiting_queue, above: 5, for: {quarters * 250}ms, once: {str(once).lower()}}}"
    book, _ = opened(f"{{when: {when}, do: kv.drop_queue}}")
    readings: list[tuple[float, float | None]] = []
    for gap, value in steps:
        readings.append(((readings[-1][0] if readings else 9.75) + gap / 4, value))
    expected: list[float] = []
    for i, (now_s, value) in enumerate(readings):
        if value is None or value <= 5.0:
            continue
        spell: list[float] = []
        for at_s, earlier in reversed(readings[: i + 1]):
            if earlier is not None and earlier <= 5.0:
                break
            if earlier is not None:
                spell.append(at_s)
        long_enough = now_s - spell[-1] >= quarters / 4
        if long_enough and not (expected and (once or expected[-1] >= spell[-1])):
            expected.append(now_s)
    assert due_at(book, readings) == expected


def deeds(fired: Fired | None) -> tuple[float, str, str]:
    assert fired is not None
    return fired.due.at_s, fired.due.deed, fired.due.id


def test_a_step_follows_another_after_its_delay_whoever_began_that() -> None:
    the_plan = plan(
        "{when: {after_event: 1-kv-latency, delay: 3s}, do: kv.drop_queue, id: drop}",
        "{when: {after_event: drop, delay: 2s}, do: kv.add_capacity, with: {slots: 1}, id: more}",
    )
    book = runbook.book_of(the_plan)
    state = runbook.done(book, runbook.start(book), edges(the_plan)[0], 10.0)
    assert runbook.next_s(book, state) == 13.0
    state, fired = runbook.take(book, state, 13.5)  # half a second late
    assert deeds(fired) == (13.0, "action", "drop")
    assert fired is not None
    state = runbook.done(book, state, fired.due, 13.5)
    assert runbook.next_s(book, state) == 15.5
    assert runbook.left(book, state) == [
        ("more", "kv.add_capacity (more) never happened: it was decided on, and the load was over before its time came")
    ]


def test_a_gauge_after_an_entry_counts_once_that_was_done() -> None:
    book, state = opened(
        "{when: {gauge: kv.waiting_queue, above: 5}, do: kv.throttle_intake, with: {rate: 9/s}, id: shut}",
        "{when: {gauge: kv.waiting_queue, below: 5, for: 1s, after_event: shut}, do: kv.drop_queue, id: drop}",
    )
    for k in range(8):
        state = runbook.read(book, state, 10.0 + k / 4, {QUEUE: 0.0})
    assert state.agenda == ()
    state = runbook.read(book, state, 12.0, {QUEUE: 9.0})
    state, fired = runbook.take(book, state, 12.0)
    assert fired is not None
    state = runbook.done(book, state, fired.due, 12.0)
    for k in range(1, 5):
        state = runbook.read(book, state, 12.0 + k / 4, {QUEUE: 0.0})
        assert runbook.next_s(book, state) == math.inf
    state = runbook.read(book, state, 13.25, {QUEUE: 0.0})
    assert deeds(runbook.take(book, state, 13.25)[1]) == (13.25, "action", "drop")


def test_a_pause_puts_off_what_operators_do_after_it_in_the_file_and_nothing_else() -> None:
    now = "{gauge: kv.waiting_queue, above: 5}"
    book, state = opened(
        f"{{when: {now}, do: kv.drop_queue, id: before}}",
        f"{{when: {now}, do: pause, with: {{for: 5s}}, id: wait}}",
        f"{{when: {now}, do: kv.add_capacity, with: {{slots: 1}}, id: first}}",
        f"{{when: {now}, do: kv.errors, with: {{share: 5%, for: 1s}}, id: fault}}",
        "{when: {gauge: kv.waiting_queue, above: 5, delay: 6s}, do: kv.drop_queue, id: second}",
    )
    state, found = runbook.read(book, state, 12.0, {QUEUE: 9.0}), []
    while (next_s := runbook.next_s(book, state)) < math.inf:
        state, fired = runbook.take(book, state, next_s)
        if fired is not None:
            found.append((fired.due.at_s, fired.due.deed, fired.due.id, fired.why.get("held_s")))
            state = runbook.done(book, state, fired.due, next_s)
    assert found == [
        (12.0, "action", "before", None),
        (12.0, "action", "wait", None),
        (12.0, "inject", "fault", None),
        (13.0, "heal", "fault", None),
        (17.0, "action", "first", 5.0),
        (18.0, "action", "second", None),
    ]


def test_nothing_is_begun_when_the_load_is_over_but_what_was_begun_is_ended() -> None:
    now = "{gauge: kv.waiting_queue, above: 5, delay: 1s}"
    book, state = opened(
        f"{{when: {now}, do: kv.errors, with: {{share: 5%, for: 5s}}, id: fault}}",
        "{when: {gauge: kv.waiting_queue, above: 5, delay: 2s}, do: kv.drop_queue, id: late}",
    )
    state = runbook.read(book, state, 38.0, {QUEUE: 9.0})  # the load ends at 40 s
    state, fired = runbook.take(book, state, 39.0)
    assert deeds(fired) == (39.0, "inject", "fault")
    assert fired is not None
    state = runbook.done(book, state, fired.due, 39.0)
    state, fired = runbook.take(book, state, 60.0)
    assert deeds(fired) == (44.0, "heal", "fault")
    assert [name for name, _ in runbook.left(book, state)] == ["late"]


def test_a_fault_belongs_to_the_entry_that_injected_it_last() -> None:
    the_plan = plan(
        "{at: 30s, do: kv.errors, with: {share: 5%, for: 9s}, square: {on: 1s, off: 1s}, id: square}",
        "{when: {gauge: kv.waiting_queue, above: 5}, do: kv.heal, with: {fault: errors}, id: healed}",
    )
    book = runbook.book_of(the_plan)
    square = [due for due in edges(the_plan) if due.id == "square"]
    assert [(due.at_s, due.deed, due.step) for due in square[:3]] == [
        (30.0, "inject", 0), (31.0, "heal", 1), (32.0, "inject", 2),
    ]  # fmt: skip
    state = runbook.done(book, runbook.start(book), square[0], 30.0)
    assert runbook.stands(state, square[1])
    state, fired = runbook.take(book, runbook.read(book, state, 30.5, {QUEUE: 9.0}), 30.5)
    assert fired is not None
    state = runbook.done(book, state, fired.due, 30.5)
    assert not any(runbook.stands(state, due) for due in square[1:])


@pytest.mark.parametrize(
    ("when", "readings", "said"),
    [
        ("{gauge: kv.waiting_queue, above: 50}", [12.0, 30.0, 4.0],
         "kv.waiting_queue above 50 was not found from 10 s on (its highest reading was 30)"),
        ("{gauge: kv.waiting_queue, below: 2, for: 1s}", [12.0, 30.0, 4.0],
         "kv.waiting_queue below 2 for 1 s was not found from 10 s on (its lowest reading was 4)"),
        ("{gauge: kv.waiting_queue, above: 50}", [], "kv.waiting_queue was not read from 10 s on"),
        ("{after_event: 2-kv-open_intake}", [], "it comes after 2-kv-open_intake, which did not happen"),
    ],
)  # fmt: skip
def test_what_never_happened_says_why(when: str, readings: list[float], said: str) -> None:
    book, state = opened(f"{{when: {when}, do: kv.drop_queue, id: drop}}")
    for k, value in enumerate(readings):
        state = runbook.read(book, state, 10.0 + k / 4, {QUEUE: value})
    assert runbook.left(book, state) == [("drop", f"kv.drop_queue (drop) never happened: {said}")]


def test_in_the_world_deeds_come_at_their_moments_and_surges_and_pauses_are_only_written_down() -> None:
    the_plan = plan(
        "{at: 12s, do: load.surge, with: {factor: 2, for: 2s}}",
        "{when: {gauge: kv.waiting_queue, above: 5, for: 500ms, delay: 300ms}, do: kv.drop_queue, id: drop}",
        "{when: {after_event: drop}, do: pause, with: {for: 1s}, id: wait}",
        "{when: {after_event: drop}, do: kv.throttle_intake, with: {rate: 9/s}, id: shut}",
        "{when: {gauge: kv.waiting_queue, above: 99}, do: kv.add_capacity, with: {slots: 2}, id: never}",
    )
    heap, told, performed = Heap(), list[tuple[float, str, Any]](), list[tuple[float, str]]()
    operators = Operators(
        the_plan,
        heap,
        lambda due: performed.append((heap.now_s, due.id)),
        lambda kind, **fields: told.append((heap.now_s, kind, fields.get("id"))),
    )
    operators.begin()
    for k in range(80):
        heap.at(10.0 + k / 4, lambda: operators.read({"kv": {"waiting_queue": 9.0}}))
    heap.run(45.0)
    operators.end()
    assert performed == [
        (10.0, "1-kv-latency"), (10.8, "drop"), (11.8, "shut"), (19.0, "1-kv-latency"), (20.0, "2-kv-open_intake"),
    ]  # fmt: skip
    assert told == [
        (10.0, "inject", "1-kv-latency"), (10.8, "action", "drop"), (10.8, "action", "wait"), (11.8, "action", "shut"),
        (12.0, "inject", "3-load-surge"), (14.0, "heal", "3-load-surge"), (19.0, "heal", "1-kv-latency"),
        (20.0, "action", "2-kv-open_intake"), (20.0, "fix", "2-kv-open_intake"), (45.0, "note", "never"),
    ]  # fmt: skip


def test_a_plan_without_conditions_has_an_empty_book() -> None:
    book, state = opened()
    assert (book.rules, book.watched, runbook.next_s(book, state), runbook.left(book, state)) == ((), (), math.inf, [])


def test_a_fault_that_waits_lives_as_long_as_it_says() -> None:
    book, _ = opened("{when: {after_event: 1-kv-latency}, do: kv.errors, with: {share: 5%, for: 5s}}")
    found = [(due.at_s, due.deed, due.ttl_s, due.params) for due in book.rules[0].steps]
    assert found == [(0.0, "inject", 5.0, {"share": "5%"}), (5.0, "heal", 0.0, {})]
