"""Fallbacks: what each serves, when it stops serving, and that it can be switched off."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.flows.fallbacks import Kept, Known, LastPlan, ManualChannel, Replica, Verdict, omit
from harness.models.outbox import Outbox, OutboxSpec


def test_a_kept_value_is_fresh_then_stale_then_gone() -> None:
    kept: Kept[str] = Kept(fresh_s=2.0, stale_s=3.0)
    kept.put("menu", [1, 2], 10.0)
    assert kept.fresh("menu", 11.5) == Known([1, 2], 1.5, True)
    assert kept.fresh("menu", 12.0) is None
    found = kept.stale("menu", 14.9)
    assert found is not None
    assert (found.value, found.fresh, kept.stale_served_total) == ([1, 2], False, 1)
    assert kept.stale("menu", 15.0) is None
    assert kept.stale("other", 10.0) is None


def test_with_no_stale_time_the_fallback_is_off() -> None:
    kept: Kept[int] = Kept(1.0, 0.0)
    kept.put(1, "x", 0.0)
    assert kept.stale(1, 0.5) is not None
    assert kept.stale(1, 1.0) is None
    assert kept.stale_served_total == 0


def test_a_replica_serves_however_old_and_forgets_with_its_process() -> None:
    copy: Replica[str] = Replica()
    copy.put("patient 7", {"blood": "A"}, 0.0)
    assert copy.fresh("patient 7", 0.0) is None, "the store is asked first"
    found = copy.stale("patient 7", 1e6)
    assert found is not None
    assert found.age_s == 1e6
    copy.clear()
    assert copy.stale("patient 7", 0.0) is None


def test_people_work_at_their_own_rate_and_the_line_ends_at_the_door() -> None:
    counter = ManualChannel(rate_per_s=0.5, room=2, now_s=0.0)
    assert [counter.take(0.0) for _ in range(4)] == [2.0, 4.0, None, None]
    assert (counter.done_total, counter.turned_away_total, counter.waiting(1.0)) == (2, 2, 2)
    assert counter.take(2.0) == 6.0
    assert counter.take(100.0) == 102.0
    assert ManualChannel(None, 10, 0.0).take(0.0) is None


@given(
    rate_per_s=st.floats(0.1, 50.0), room=st.integers(1, 30),
    gaps=st.lists(st.floats(0.0, 2.0), min_size=1, max_size=80),
)  # fmt: skip
def test_people_never_do_more_than_their_rate(rate_per_s: float, room: int, gaps: list[float]) -> None:
    counter = ManualChannel(rate_per_s, room, 0.0)
    now_s, done = 0.0, []
    for gap_s in gaps:
        now_s += gap_s
        at_s = counter.take(now_s)
        if at_s is not None:
            done.append(at_s)
            assert at_s - now_s <= (room + 1) / rate_per_s + 1e-9
    assert all(b - a >= 1.0 / rate_per_s - 1e-9 for a, b in pairwise(done))


def test_a_check_that_cannot_ask_fails_as_it_was_told_to() -> None:
    assert Verdict.of("open", None) == (True, True)
    assert Verdict.of("closed", None) == (False, True)
    assert Verdict.of("closed", True) == (True, False)
    with pytest.raises(ValueError, match="it is open or closed"):
        Verdict.of("ajar", None)


def test_only_what_is_optional_may_be_left_out() -> None:
    parts = {"film": "x", "row of likes": None, "rating": 4}
    assert omit(parts, ["row of likes", "rating"]) == ({"film": "x", "rating": 4}, ("row of likes",))
    assert omit({"film": None, "rating": 4}, ["rating"]) is None


def test_static_stability_keeps_the_last_plan_through_silence() -> None:
    steady, eager = LastPlan[str](holds=True), LastPlan[str](holds=False)
    assert [steady.hear(told) for told in (("a", "b"), None, None, ("b",))] == [("a", "b")] * 3 + [("b",)]
    assert [eager.hear(told) for told in (("a", "b"), None)] == [("a", "b"), ()]
    assert steady.kept_total == 2


def test_an_outbox_throws_away_what_is_too_old_when_its_turn_comes() -> None:
    box = Outbox(OutboxSpec(10, None, 5.0, 100, expiry_s=10.0), 7, 0.0)
    box.heard(False)
    for op in (1, 2, 3):
        box.add(op, f"hook {op}", float(op))
    box.heard(True)
    item = box.take(12.5)
    assert item is not None
    assert item.op == 3
    assert box.expired == [(1, 1.0), (2, 2.0)]
    assert box.ops() == [3]


def test_an_outbox_that_collapses_keeps_the_newest_of_a_thing() -> None:
    box = Outbox(OutboxSpec(10, None, 5.0, 100), 7, 0.0)
    box.heard(False)
    box.add(1, "20 C", 1.0, about="bed 7")
    box.add(2, "21 C", 2.0, about="bed 8")
    box.add(3, "24 C", 3.0, about="bed 7")
    box.heard(True)
    taken = [box.take(4.0), box.take(4.0), box.take(4.0)]
    assert [item.op for item in taken if item is not None] == [2, 3]
    assert (box.collapsed_total, math.isinf(box.next_s())) == (1, True)
