"""The outbox: who may go, when, and what is never sent twice or forgotten."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from harness import seeds
from harness.models.outbox import Outbox, OutboxSpec
from harness.policies.pacing import PaceSpec

PLAIN = OutboxSpec(senders=2, pace=None, retry_wait_s=20.0, capacity=10)


def ops_taken(box: Outbox, now_s: float) -> list[int]:
    taken = []
    while (item := box.take(now_s)) is not None:
        taken.append(item.op)
    return taken


def test_items_go_oldest_first_and_only_as_many_as_there_are_senders() -> None:
    box = Outbox(PLAIN, 1, 0.0)
    for op in (5, 3, 9):
        assert box.add(op, None, 0.0)
    assert ops_taken(box, 0.0) == [5, 3]
    assert (box.waiting, box.sending, len(box), box.next_s()) == (1, 2, 3, math.inf)
    box.sent(5)
    assert box.next_s() == 0.0
    assert ops_taken(box, 0.0) == [9]


def test_nothing_goes_while_the_last_call_failed_and_everything_waiting_is_due_at_the_first_success() -> None:
    box = Outbox(PLAIN._replace(senders=100, capacity=100), 1, 0.0)
    box.heard(False)
    for op in range(1, 51):
        box.add(op, None, op * 0.1)
    assert box.next_s() == math.inf
    assert box.take(100.0) is None
    box.heard(True)
    assert len(ops_taken(box, 100.0)) == 50


def test_one_operation_is_owed_once_however_often_it_failed() -> None:
    box = Outbox(PLAIN, 1, 0.0)
    assert box.add(7, "first", 0.0)
    assert box.add(7, "again", 1.0)
    assert (len(box), box.added_total) == (1, 1)
    item = box.take(1.0)
    assert item is not None
    assert (item.payload, item.tries) == ("first", 1)


def test_a_failed_replay_waits_its_own_jittered_time() -> None:
    box = Outbox(PLAIN, 3, 0.0)
    box.add(7, None, 0.0)
    box.take(0.0)
    box.failed(7, 1.0)
    due_s = 1.0 + 20.0 * (1.0 + seeds.draw(3, seeds.stream_id("outbox/retry"), 7, 1))
    assert box.next_s() == due_s
    assert 21.0 < due_s < 41.0
    assert box.take(math.nextafter(due_s, 0.0)) is None
    again = box.take(due_s)
    assert again is not None
    assert again.tries == 2


def test_a_release_does_not_cut_a_retry_wait_short() -> None:
    box = Outbox(PLAIN, 3, 0.0)
    box.add(7, None, 0.0)
    box.take(0.0)
    box.failed(7, 1.0)
    box.heard(False)
    box.heard(True)
    assert box.next_s() > 21.0


def test_a_pace_spreads_replays_evenly() -> None:
    box = Outbox(PLAIN._replace(senders=100, pace=PaceSpec(0.05, 1)), 1, 0.0)
    for op in range(1, 5):
        box.add(op, None, 0.0)
    times = []
    while (at_s := box.next_s()) < math.inf:
        times.append(at_s)
        assert box.take(at_s) is not None
    assert times == [0.0, 0.05, 0.1, 0.1 + 0.05]


def test_an_operation_settled_on_its_way_is_not_sent_again() -> None:
    box = Outbox(PLAIN, 1, 0.0)
    box.add(7, None, 0.0)
    box.take(0.0)
    box.settle(7)
    box.failed(7, 1.0)
    assert (len(box), box.waiting, box.sending, box.settled_total) == (0, 0, 0, 1)
    assert box.next_s() == math.inf


def test_an_item_owed_anew_does_not_inherit_an_old_place_in_the_line() -> None:
    box = Outbox(PLAIN, 1, 0.0)
    box.add(7, None, 0.0)
    box.settle(7)
    box.add(7, None, 5.0)
    assert box.next_s() == 5.0
    assert box.take(4.0) is None
    assert box.take(5.0) is not None
    assert box.take(5.0) is None


def test_a_full_box_loses_the_new_item_and_says_so() -> None:
    box = Outbox(PLAIN._replace(capacity=2), 1, 0.0)
    assert [box.add(op, None, 0.0) for op in (1, 2, 3)] == [True, True, False]
    assert (box.dropped_total, box.ops()) == (1, [1, 2])


class OutboxMachine(RuleBasedStateMachine):
    """Random life of an outbox beside an obvious account of it."""

    def __init__(self) -> None:
        super().__init__()
        self.box = Outbox(OutboxSpec(2, PaceSpec(0.5, 2), 3.0, 5), 1, 0.0)
        self.now_s = 0.0
        self.owed: set[int] = set()
        self.going: set[int] = set()
        self.lost = 0

    @rule(op=st.integers(1, 8))
    def add(self, op: int) -> None:
        if op not in self.owed and len(self.owed) == 5:
            self.lost += 1
        else:
            self.owed.add(op)
        self.box.add(op, None, self.now_s)

    @rule(ok=st.booleans())
    def hear(self, ok: bool) -> None:
        self.box.heard(ok)

    @rule(by_s=st.floats(0.0, 4.0))
    def pass_time(self, by_s: float) -> None:
        self.now_s += by_s

    @rule()
    def take(self) -> None:
        promised = self.box.next_s() <= self.now_s
        item = self.box.take(self.now_s)
        assert (item is not None) == promised  # a wait promised is a wait honoured
        if item is not None:
            assert item.op in self.owed - self.going
            self.going.add(item.op)

    @precondition(lambda self: self.going)
    @rule(data=st.data(), how=st.sampled_from(["sent", "failed", "settle"]))
    def end(self, data: st.DataObject, how: str) -> None:
        op = data.draw(st.sampled_from(sorted(self.going)))
        self.going.discard(op)
        if how == "failed":
            self.box.failed(op, self.now_s)
        else:
            self.owed.discard(op)
            self.box.sent(op) if how == "sent" else self.box.settle(op)

    @rule(op=st.integers(1, 8))
    def settle_any(self, op: int) -> None:
        self.owed.discard(op)
        self.going.discard(op)
        self.box.settle(op)

    @invariant()
    def accounts_agree(self) -> None:
        assert set(self.box.ops()) == self.owed
        assert self.box.sending == len(self.going) <= 2
        assert self.box.waiting == len(self.owed) - len(self.going)
        assert self.box.dropped_total == self.lost


TestOutboxMachine = OutboxMachine.TestCase


@given(st.lists(st.floats(0.0, 10.0), min_size=1, max_size=20))
def test_with_the_gate_open_and_senders_free_everything_owed_is_sent_in_the_end(adds_s: list[float]) -> None:
    box = Outbox(OutboxSpec(3, PaceSpec(0.1, 1), 1.0, 100), 5, 0.0)
    for op, at_s in enumerate(sorted(adds_s), 1):
        box.add(op, None, at_s)
    failed = set()
    steps = 0
    while (at_s := box.next_s()) < math.inf:
        item = box.take(at_s)
        assert item is not None
        if item.op % 2 and item.op not in failed:  # every other one fails once
            failed.add(item.op)
            box.failed(item.op, at_s)
        else:
            box.sent(item.op)
        steps += 1
        assert steps < 100
    assert len(box) == 0
    assert box.sent_total == len(adds_s)
