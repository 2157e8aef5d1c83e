"""Ranks, partitions and DAGOR's cursor."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from harness.policies import priority
from harness.policies.dagor import LEVELS, USER_LEVELS, Dagor, DagorSpec, admit, level_of, move, target_of
from harness.policies.server import compose

SPEC = DagorSpec(0.02, 1.0, 2000, 0.05, 0.01)


@given(limit=st.integers(2, 100), arrivals=st.lists(st.integers(-1, 5), max_size=300))
def test_partitions_keep_room_for_the_more_critical(limit: int, arrivals: list[int]) -> None:
    """Filling up without anybody leaving, class c stops at its floor(limit x share), whatever the order of arrival."""
    spec = compose({"priority": ("partitioned", {"limit": limit, "critical": 0.9})}).priority
    ceilings = [limit, int(limit * 0.9), int(limit * 0.7), int(limit * 0.4)]
    inside = 0
    for criticality in arrivals:
        _, let_in = priority.partitioned_admit(
            spec, priority.Stateless(), 0.0, criticality, 0, True, min(inside, 5), max(inside - 5, 0)
        )
        assert let_in == (inside < ceilings[min(max(criticality, 0), 3)])
        inside += let_in
    assert inside <= limit


def test_ranks_are_the_classes_and_first_tries_come_first() -> None:
    ranks = [priority.rank_by_criticality(priority.CriticalitySpec(), c, True) for c in (-3, 0, 1, 2, 3, 9)]
    assert ranks == [0, 0, 1, 2, 3, 3]
    assert [priority.rank_by_try(priority.FirstTriesSpec(), 3, first) for first in (True, False)] == [0, 1]


# DAGOR


def slow_move(histogram: list[int], cursor: int, admitted: int, target: float) -> int:
    """Every cursor tried: the highest below that holds at most the target, or the lowest above that holds it."""
    held = {c: admitted + sum(histogram[cursor + 1 : c + 1]) - sum(histogram[c + 1 : cursor + 1])
            for c in range(len(histogram))}  # fmt: skip
    if target < admitted:
        return max((c for c in range(cursor + 1) if held[c] <= target), default=0)
    return min((c for c in range(cursor, len(histogram)) if held[c] >= target), default=len(histogram) - 1)


@given(
    histogram=st.lists(st.integers(0, 50), min_size=4, max_size=40),
    cursor=st.integers(0, 39),
    share=st.floats(0.0, 1.5),
)
def test_the_cursor_moves_to_where_trying_every_level_puts_it(
    histogram: list[int], cursor: int, share: float
) -> None:
    cursor = min(cursor, len(histogram) - 1)
    admitted = sum(histogram[: cursor + 1])
    target = share * admitted
    assert move(histogram, cursor, admitted, target) == slow_move(histogram, cursor, admitted, target)


def test_targets_are_five_percent_down_and_one_percent_up() -> None:
    assert target_of(SPEC, 1000, 400, True) == 380.0
    assert target_of(SPEC, 1000, 400, False) == 410.0


@given(st.integers(-1, 5), st.integers(0, 10**9), st.integers(0, 100))
def test_criticality_outranks_every_user_level(criticality: int, user: int, epoch: int) -> None:
    level = level_of(criticality, user, epoch)
    assert 0 <= level < LEVELS
    assert level // USER_LEVELS == min(max(criticality, 0), 3)


def test_levels_of_users_are_spread_evenly_and_change_with_the_epoch() -> None:
    counts = [0] * USER_LEVELS
    for user in range(128_000):
        counts[level_of(0, user, 1)] += 1
    chi2 = sum((n - 1000) ** 2 / 1000 for n in counts)
    assert 127 - 5 * 16 < chi2 < 127 + 5 * 16  # mean 127, sd 15.9
    assert sum(level_of(0, user, 1) == level_of(0, user, 2) for user in range(12_800)) < 200


def steady(capacity_per_s: int, offered_per_s: int, seconds: int) -> tuple[Dagor, list[int]]:
    """A gate before a server in which whoever exceeds its capacity of a second waits 10 s, and others not at all."""
    gate, rng, admitted_by_second = Dagor(SPEC, 0.0), random.Random(3), []
    for second in range(seconds):
        admitted = 0
        for k in range(offered_per_s):
            if gate.admit(second + k / offered_per_s, rng.randrange(4), rng.randrange(10**6)):
                admitted += 1
                gate.on_start(10.0 if admitted > capacity_per_s else 0.0)
        admitted_by_second.append(admitted)
    return gate, admitted_by_second


def test_the_cursor_finds_the_capacity_and_sheds_the_least_critical_first() -> None:
    gate, admitted = steady(600, 1000, 120)
    mean = sum(admitted[60:]) / 60
    assert 540 <= mean <= 660
    assert 2 * USER_LEVELS - 40 < gate.cursor < 3 * USER_LEVELS  # classes 0 and 1 whole, part of 2
    assert gate.admit(120.0, 0, 5)
    assert not gate.admit(120.0, 3, 5)


def test_who_is_let_in_once_is_let_in_again() -> None:
    """Four sequential calls: with aligned levels a share a of operations survives, not a^4 (subsequent overload)."""
    gate, _ = steady(500, 1000, 60)
    now = 60.999
    users = range(4000)
    calls = {user: [gate.admit(now, 2 if user % 2 else 1, user) for _ in range(4)] for user in users}
    assert all(len(set(answers)) == 1 for answers in calls.values())


def test_a_server_that_stands_still_with_work_waiting_does_not_open() -> None:
    gate, _ = steady(500, 1000, 60)
    gate.admit(60.0, 3, 1)  # closes the last window in which jobs started
    held = gate.cursor
    for tenth in range(1, 50):
        gate.admit(60.0 + tenth / 10, 3, tenth, queued=40)
    assert gate.cursor == held < LEVELS - 1
    for tenth in range(50, 100):
        gate.admit(60.0 + tenth / 10, 3, tenth, queued=0)  # idle, not stalled
    assert gate.cursor > held


def test_the_gates_step_tells_what_waits() -> None:
    stalled, idle = Dagor(SPEC, 0.0), Dagor(SPEC, 0.0)
    stalled.cursor = idle.cursor = 0
    for at_s in (0.5, 1.5):
        admit(SPEC, stalled, at_s, 3, 7, True, 5, 40)
        admit(SPEC, idle, at_s, 3, 7, True, 0, 0)
    assert stalled.cursor == 0 < idle.cursor


def test_a_calm_server_opens_fully() -> None:
    gate, _ = steady(10**9, 100, 5)
    assert gate.cursor == LEVELS - 1
