"""When users of a closed loop come: exact moments, numbers that say who and which, the same turns everywhere."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.flows.crowd import Crowd, Turn, groups_of, seat
from harness.policies.crowd import MARK, CrowdSpec, awake_s, first_s, next_s, nth_of, number, think_s, user_of

FIXED = CrowdSpec(users=10, think_s=2.0, fixed=True)


@given(st.integers(1, 10_000_000), st.integers(0, 1000), st.data())
def test_a_number_says_whose_turn_and_which(users: int, nth: int, data: st.DataObject) -> None:
    user = data.draw(st.integers(0, users - 1))
    op = number(nth, user, users)
    assert (user_of(op, users), nth_of(op, users)) == (user, nth)
    assert MARK <= op < 2 * MARK
    assert user_of(op + 5 * 2 * MARK, users) == user  # whatever load process of a served region


def test_the_last_number_has_none_after_it() -> None:
    assert number(MARK - 1, 0, 1) == 2 * MARK - 1
    with pytest.raises(OverflowError, match=r"of 1 users has no number"):
        number(MARK, 0, 1)


def test_think_times_are_exponential_with_their_mean_or_all_the_same() -> None:
    assert think_s(FIXED, 0.9) == 2.0
    draws = [(k + 0.5) / 10_000 for k in range(10_000)]
    times_s = sorted(think_s(FIXED._replace(fixed=False), u) for u in draws)
    assert sum(times_s) / len(times_s) == pytest.approx(2.0, rel=1e-3)
    assert times_s[5_000] == pytest.approx(2.0 * math.log(2.0), rel=1e-3)


def test_users_enter_one_after_the_other_over_the_ramp() -> None:
    ramp = FIXED._replace(ramp_s=5.0)
    assert [first_s(ramp, user, 0.25) for user in range(10)] == [0.5 * user + 0.5 for user in range(10)]


def test_a_user_comes_a_think_time_after_the_answer_whenever_that_was() -> None:
    for now_s in (1.0, 61.0):
        assert next_s(FIXED, 3, now_s, 0, 0.5, 0.5) == (now_s + 2.0, 0)


def test_a_user_who_is_failed_too_often_goes_away_and_comes_back_patient() -> None:
    tired = FIXED._replace(give_up_after=3, come_back_s=20.0)
    assert next_s(tired, 0, 7.0, 2, 0.75, 0.0) == (9.0, 2)
    assert next_s(tired, 0, 7.0, 3, 0.75, 0.0) == (7.0 + 25.0, 0)
    assert next_s(FIXED, 0, 7.0, 300, 0.75, 0.0) == (9.0, 300)  # without the knob, never


def test_a_herd_takes_along_who_thinks_and_who_is_away_but_nobody_who_comes_sooner() -> None:
    herd = FIXED._replace(herd_s=10.0, herd_within_s=0.5, give_up_after=1, come_back_s=60.0)
    assert next_s(herd, 0, 8.5, 0, 0.5, 0.2) == (10.1, 0)  # would have come at 10.5
    assert next_s(herd, 0, 8.05, 0, 0.5, 0.9) == (10.05, 0)  # comes before their place in the herd
    assert next_s(herd, 0, 4.0, 1, 0.5, 0.2) == (10.1, 0)  # was away until 64
    assert next_s(herd, 0, 7.0, 0, 0.5, 0.2) == (9.0, 0)
    assert next_s(herd, 0, 10.0, 0, 0.5, 0.2) == (12.0, 0)  # the moment is over


@given(st.integers(0, 99), st.floats(0.0, 500.0))
def test_at_any_time_of_day_the_share_awake_is_the_cosine(user: int, at_s: float) -> None:
    day = CrowdSpec(users=100, think_s=1.0, day_s=100.0, night=0.2)
    level = 0.2 + 0.8 * (1.0 - math.cos(2.0 * math.pi * at_s / 100.0)) / 2.0
    rank = (user + 0.5) / 100.0
    if abs(rank - level) < 1e-6:
        return  # falling asleep, or waking, just now
    due_s = awake_s(day, user, at_s)
    assert (due_s == at_s) == (rank < level)
    assert at_s <= due_s <= at_s + 100.0
    morning = 0.2 + 0.8 * (1.0 - math.cos(2.0 * math.pi * due_s / 100.0)) / 2.0
    assert due_s == at_s or morning == pytest.approx(rank, abs=1e-6)


def played(crowd: Crowd, answer_s: float, until_s: float) -> dict[int, Turn]:
    """Every turn of users whose answers take this long, by number."""
    turns = {turn.op: turn for turn in crowd.first()}
    waiting = sorted(turns.values(), key=lambda turn: turn.due_s)
    while waiting:
        turn = waiting.pop(0)
        after = crowd.after(turn.op, True, turn.due_s + answer_s)
        if after is not None:
            assert turn.due_s + answer_s <= after.due_s < until_s
            turns[after.op] = after
            waiting.append(after)
    return turns


GROUPS = groups_of([(0, "a", CrowdSpec(7, 0.5)), (2, "b", CrowdSpec(4, 0.25, fixed=True))])


@pytest.mark.parametrize("workers", [2, 3])
def test_workers_together_have_the_turns_of_one(workers: int) -> None:
    whole = played(Crowd(GROUPS, 7, 20.0), 0.1, 20.0)
    parts = [played(Crowd(GROUPS, 7, 20.0, worker=k, workers=workers), 0.1, 20.0) for k in range(workers)]
    assert {op: turn for part in parts for op, turn in part.items()} == whole
    assert sum(map(len, parts)) == len(whole)


def test_a_story_knows_its_users_and_arrivals_have_no_seat() -> None:
    assert [seat(GROUPS, name) for name in ("a", "b", "c")] == [(11, 0), (11, 7), (0, 0)]
    turns = Crowd(GROUPS, 7, 20.0).first()
    assert {user_of(turn.op, 11) - 7 for turn in turns if turn.story == 2} == {0, 1, 2, 3}


def test_a_served_region_has_the_same_turns_later_under_other_numbers() -> None:
    plain = played(Crowd(GROUPS, 7, 20.0), 0.125, 20.0)
    shifted = played(Crowd(GROUPS, 7, 52.0, start_s=32.0, base=4 * MARK), 0.125, 52.0)
    assert {op + 4 * MARK for op in plain} == set(shifted)
    assert all(shifted[op + 4 * MARK].due_s == pytest.approx(turn.due_s + 32.0) for op, turn in plain.items())


def test_the_nth_turn_of_a_user_is_the_same_draw_however_slow_the_answers() -> None:
    quick, slow = (played(Crowd(GROUPS, 7, 20.0), answer_s, 20.0) for answer_s in (0.01, 1.0))
    assert len(slow) < len(quick)  # fewer turns fit, and those that do are the same ones
    assert set(slow) <= set(quick)
