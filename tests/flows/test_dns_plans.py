"""The plan store: resolution, transactions and the two invariants that failed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.flows import dns_plans
from harness.flows.dns_control import ControlSpec, Pause, control_spec, pause_s, stall_needed_s, until_phase_s
from harness.flows.dns_plans import DnsPlan, Pointer, RaceFix

ADDRESSES = (("kv", ("a", "b")), ("queue", ("c",)))


def test_a_record_answers_from_the_plan_its_pointer_names() -> None:
    store = dns_plans.start(ADDRESSES)
    assert dns_plans.answers(store, "kv") == ("a", "b")
    newer = dns_plans.append(store, (("b", "a"), ("c",)))
    assert dns_plans.answers(newer, "kv") == ("a", "b")
    installed = dns_plans.install(newer, dns_plans.newest_plan(newer), 0)
    assert dns_plans.answers(installed, "kv") == ("b", "a")
    assert installed.pointers == (Pointer(2, 1), Pointer(1, 0))
    assert installed.epoch == newer.epoch + 1


def test_a_record_whose_plan_is_deleted_answers_nothing_and_breaks_both_invariants() -> None:
    store = dns_plans.delete(dns_plans.append(dns_plans.start(ADDRESSES), (("a",), ("c",))), (1,))
    assert dns_plans.answers(store, "kv") == ()
    assert not dns_plans.never_empty(store)
    assert not dns_plans.active_plans_exist(store)


def test_installing_a_deleted_plan_writes_its_tree_again() -> None:
    old = DnsPlan(1, (("a", "b"), ("c",)))
    store = dns_plans.append(dns_plans.start(ADDRESSES), (("b", "a"), ("c",)))
    store = dns_plans.delete(dns_plans.install(store, dns_plans.newest_plan(store), 0), (1,))
    stale = dns_plans.install(store, old, 0)
    assert dns_plans.answers(stale, "kv") == ("a", "b")
    assert [plan.generation for plan in stale.plans] == [1, 2]
    assert not dns_plans.never_backwards(store, stale)


def test_restore_points_everything_at_the_newest_plan_and_says_what_was_empty() -> None:
    store = dns_plans.delete(dns_plans.append(dns_plans.start(ADDRESSES), (("b", "a"), ("c",))), (1,))
    restored, (note,) = dns_plans.restore(store)
    assert dns_plans.never_empty(restored)
    assert restored.pointers == (Pointer(2, 2), Pointer(2, 2))
    assert restored.epoch != store.epoch  # a transaction under way must fail
    assert note == ("restored", (("generation", 2), ("were_empty", ["kv", "queue"])))


def test_an_unknown_endpoint_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        dns_plans.answers(dns_plans.start(ADDRESSES), "compute")


def test_equal_stores_are_one_state() -> None:
    store = dns_plans.start(ADDRESSES)
    other = dns_plans.delete(dns_plans.append(store, (("x",), ("y",))), (2,))._replace(newest=1)
    assert len({store, other}) == 1


def test_knobs_are_read_from_text_and_default_to_the_preset() -> None:
    assert control_spec({}) == ControlSpec()
    given_ = {"enactors": 2, "plan_every": "1s", "clean_after": "0.2s", "race_fix": "compare_and_set", "ttl": "1s"}
    assert control_spec(given_) == ControlSpec(2, 1.0, 3, 0.2, 0.005, RaceFix.COMPARE_AND_SET, 0.1, 2.0)


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"race_fix": "magic"}, "race_fix: 'magic' is not known; it is one of none, recheck, compare_and_set"),
        ({"enactors": 0}, "enactors: 0 is not a whole number of at least 1"),
        ({"keep_generations": -1}, "keep_generations: -1 is not a whole number of at least 0"),
        ({"plan_every": "0s"}, "plan_every: 0 s is not a duration above zero"),
        ({"clean_after": "-1s"}, "clean_after: -1 s is not a duration of at least zero"),
        ({"clean_after": 300}, "clean_after: 300 is not a duration"),
    ],
)
def test_a_bad_knob_is_refused_by_name(given_: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match="^" + message):
        control_spec(given_)


def test_the_stall_that_surely_loses_is_computed_from_the_knobs() -> None:
    assert stall_needed_s(ControlSpec()) == 2.15
    assert stall_needed_s(ControlSpec(keep_generations=9)) == 5.15


def test_refused_transactions_are_tried_quickly_and_then_once_a_period() -> None:
    spec = ControlSpec()
    assert [pause_s(spec, Pause.RETRY, 1, n, 0.006) for n in (1, 2, 3)] == [0.010, 0.020, 0.040]
    assert 0.006 + pause_s(spec, Pause.RETRY, 1, 4, 0.006) == pytest.approx(0.151, abs=1e-12)
    assert 0.151 + pause_s(spec, Pause.RETRY, 1, 4, 0.151) == pytest.approx(0.651, abs=1e-12)


@given(every_s=st.floats(0.01, 10.0), phase_s=st.floats(0.0, 20.0), now_s=st.floats(0.0, 1e4), steps=st.integers(1, 50))
def test_the_grid_is_never_missed_and_never_visited_twice(
    every_s: float, phase_s: float, now_s: float, steps: int
) -> None:
    visited = []
    for _ in range(steps):
        wait_s = until_phase_s(every_s, phase_s, now_s)
        assert 0.0 < wait_s <= every_s + 2e-9
        now_s += wait_s
        visited.append(round((now_s - phase_s) / every_s))
    assert visited == list(range(visited[0], visited[0] + steps))
