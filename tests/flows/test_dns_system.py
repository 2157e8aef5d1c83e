"""Every order of steps, exhaustively, on a small automation: what each fix stops and what it does not."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import pytest

from harness.flows import dns_system
from harness.flows.dns_control import ControlSpec
from harness.flows.dns_plans import RaceFix, Store, active_plans_exist, never_backwards, never_empty
from harness.flows.dns_system import PLANNER, System

Bad = Callable[[Store, Store], bool]


def emptied(before: Store, after: Store) -> bool:
    return not never_empty(after)


def went_back(before: Store, after: Store) -> bool:
    return not never_backwards(before, after)


def search(spec: ControlSpec, bad: Bad, plans: int, targets: tuple[str, ...] = ("a", "b")) -> list[str] | None:
    """The shortest schedule that makes a bad transition, or None when no schedule of up to `plans` generations does."""
    first = dns_system.start(spec, (("kv", targets),))
    came: dict[System, tuple[System, str] | None] = {first: None}
    queue = deque([first])
    while queue:
        system = queue.popleft()
        for actor in dns_system.enabled(spec, system):
            if actor == PLANNER and system.store.newest >= plans:
                continue
            after = dns_system.move(spec, system, actor).system
            if after in came:
                continue
            came[after] = (system, actor)
            if bad(system.store, after.store):
                path = []
                step = came[after]
                while step is not None:
                    path.append(step[1])
                    step = came[step[0]]
                return path[::-1]
            queue.append(after)
    return None


def small(fix: RaceFix, enactors: int = 2) -> ControlSpec:
    return ControlSpec(enactors=enactors, keep_generations=0, race_fix=fix)


def test_the_shortest_story_that_empties_the_record() -> None:
    story = search(small(RaceFix.NONE), emptied, plans=3)
    assert story == ["planner", "az1", "planner", "az1", "az2", "az2", "az2", "az2", "az1", "az1", "az2", "az2"]


@pytest.mark.parametrize(
    ("fix", "can_empty", "can_go_back"),
    [
        (RaceFix.NONE, True, True),
        (RaceFix.RECHECK, True, True),  # the window behind the look
        (RaceFix.COMPARE_AND_SET, False, False),
        (RaceFix.LEASE_NO_FENCING, True, True),  # a paused holder
        (RaceFix.LEASE_FENCING, False, False),
        (RaceFix.REACHABILITY, False, True),
        (RaceFix.REFUSE_EMPTY, False, True),
        (RaceFix.SELF_HEAL, True, True),
    ],
)
def test_each_fix_against_each_invariant(fix: RaceFix, can_empty: bool, can_go_back: bool) -> None:
    assert (search(small(fix), emptied, plans=3) is not None) == can_empty
    assert (search(small(fix), went_back, plans=3) is not None) == can_go_back


def test_a_velocity_limit_does_not_stop_a_slow_drain() -> None:
    spec = small(RaceFix.VELOCITY_LIMIT, enactors=3)
    assert search(small(RaceFix.VELOCITY_LIMIT), emptied, plans=4) is None  # one address a period: two must pass
    assert search(small(RaceFix.VELOCITY_LIMIT), emptied, plans=3, targets=("a",)) is not None
    stale = ["planner", "az1", "planner", "az1", "az2", "az2", "az2", "az3", "az3", "az2", "az1", "az2", "az3", "az1"]
    drain = ["az2", "planner", "az3", "az3"]  # az2 takes one address, a plan appears, az3 takes the other
    system = dns_system.start(spec, (("kv", ("a", "b")),))
    for actor in [*stale, *drain]:
        assert never_empty(system.store)
        system = dns_system.move(spec, system, actor).system
    assert not never_empty(system.store)


def test_compare_and_set_holds_with_three_enactors() -> None:
    assert search(small(RaceFix.COMPARE_AND_SET, enactors=3), emptied, plans=3) is None


def test_an_empty_record_is_always_a_deleted_plan_here() -> None:
    def parted(before: Store, after: Store) -> bool:
        return never_empty(after) != active_plans_exist(after)

    assert search(small(RaceFix.NONE), parted, plans=3) is None


def test_a_system_in_which_nobody_can_move_has_nothing_enabled_but_the_planner() -> None:
    spec = small(RaceFix.NONE)
    system = dns_system.start(spec, (("kv", ("a",)),))
    assert dns_system.enabled(spec, system) == (PLANNER,)
    planned = dns_system.move(spec, system, PLANNER).system
    assert dns_system.enabled(spec, planned) == (PLANNER, "az1", "az2")


def test_actors_are_named_and_the_reaper_comes_with_a_lease() -> None:
    assert dns_system.actors(ControlSpec()) == (PLANNER, "az1", "az2", "az3")
    assert dns_system.actors(ControlSpec(race_fix=RaceFix.LEASE_FENCING))[-1] == "reaper"
