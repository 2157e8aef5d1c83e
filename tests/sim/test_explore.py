"""The search itself: against a plain search on the real values, and against what is published about each fix."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from harness.flows import dns_system
from harness.flows.dns_plans import RaceFix, active_plans_exist, never_backwards, never_empty
from harness.flows.dns_system import PLANNER
from harness.sim.explore import Bounds, Invariant, Limits, Verdict, addresses_of, control_of, explore
from harness.sim.explore_codes import Codes
from harness.sim.explore_story import CLAIMS, differences, told

BROKEN = {
    Invariant.ACTIVE_PLAN_EXISTS: lambda before, after: not active_plans_exist(after),
    Invariant.NEVER_EMPTY: lambda before, after: not never_empty(after),
    Invariant.NEVER_BACKWARDS: lambda before, after: not never_backwards(before, after),
}
TINY = Bounds(enactors=2, endpoints=1, generations=3)
SMALL = Bounds(enactors=3, endpoints=2, generations=4)


def numbering(fix, bounds):
    return Codes(control_of(fix, bounds), addresses_of(bounds))


def plainly(fix, bounds):
    """A plain search on the real values: the steps to each invariant's first break, and every system met.

    Lock epochs, lease numbers and retries only grow, so the values themselves never end; the search goes on from one
    system of each number.
    """
    spec = control_of(fix, bounds)
    codes = numbering(fix, bounds)
    first = dns_system.start(spec, addresses_of(bounds))
    systems = {int(codes.encode(first)[0]): first}
    front, steps, depth = [first], {}, 0
    while front:
        after, depth = [], depth + 1
        for system in front:
            for actor in dns_system.actors(spec):
                if actor == PLANNER and system.store.newest >= bounds.generations:
                    continue
                moved = dns_system.move(spec, system, actor).system
                for invariant, broken in BROKEN.items():
                    if broken(system.store, moved.store):
                        steps.setdefault(invariant, depth)
                number = int(codes.encode(moved)[0])
                if number not in systems:
                    systems[number] = moved
                    after.append(moved)
        front = after
    return steps, systems


def unfolded(fix, bounds, deepest):
    """As `plainly`, on the values as they are: nothing folded together, so it must end at a depth."""
    spec = control_of(fix, bounds)
    front = {dns_system.start(spec, addresses_of(bounds))}
    met, steps = set(front), {}
    for depth in range(1, deepest + 1):
        after = set()
        for system in front:
            for actor in dns_system.actors(spec):
                if actor != PLANNER or system.store.newest < bounds.generations:
                    moved = dns_system.move(spec, system, actor).system
                    after.add(moved)
                    for invariant, broken in BROKEN.items():
                        if broken(system.store, moved.store):
                            steps.setdefault(invariant, depth)
        front = after - met
        met |= after
    return steps


@pytest.mark.parametrize("fix", list(RaceFix))
def test_a_plain_search_on_the_real_values_finds_the_same(fix):
    steps, systems = plainly(fix, TINY)
    for found in explore(fix, TINY):
        if found.invariant in BROKEN:
            assert found.steps == steps.get(found.invariant)
        if found.verdict is Verdict.PROVED:
            assert found.states == len(systems)


@pytest.mark.parametrize("fix", [RaceFix.NONE, RaceFix.RECHECK, RaceFix.COMPARE_AND_SET, RaceFix.REACHABILITY])
def test_folding_states_together_hides_no_failure_and_shortens_no_schedule(fix):
    steps = unfolded(fix, TINY, deepest=15)
    for found in explore(fix, TINY):
        if found.invariant in BROKEN:
            assert found.steps == steps.get(found.invariant)


@pytest.mark.parametrize("fix", list(RaceFix))
def test_systems_with_one_number_have_the_same_next_numbers(fix):
    """Random walks on the real values: what a system can do next is what its number says it can do next."""
    spec, codes = control_of(fix, SMALL), numbering(fix, SMALL)
    draws = random.Random(fix.value)
    for _ in range(8):
        system = dns_system.start(spec, addresses_of(SMALL))
        for _ in range(60):
            actors = [actor for actor in dns_system.actors(spec) if actor != PLANNER or system.store.newest < 4]
            moved = [dns_system.move(spec, system, actor).system for actor in actors]
            said = {int(n) for step in codes.steps(codes.encode(system), 4) for n in step.after}
            assert said == {int(codes.encode(after)[0]) for after in moved}
            back = {int(n) for step in codes.steps(codes.encode(system), 4) for n in step.after[step.backwards]}
            assert back == {
                int(codes.encode(after)[0]) for after in moved if not never_backwards(system.store, after.store)
            }
            system = draws.choice(moved)


def test_enactors_are_interchangeable():
    spec, codes = control_of(RaceFix.LEASE_FENCING, TINY), numbering(RaceFix.LEASE_FENCING, TINY)

    def after(*actors):
        system = dns_system.start(spec, addresses_of(TINY))
        for actor in actors:
            system = dns_system.move(spec, system, actor).system
        return system

    one, other = after("planner", "az1", "az1", "reaper"), after("planner", "az2", "az2", "reaper")
    assert one != other
    assert codes.encode(one) == codes.encode(other)
    assert codes.encode(one) != codes.encode(after("planner", "az1", "az1"))


@pytest.mark.parametrize("fix", list(RaceFix))
def test_progress_is_judged_as_a_search_of_all_continuations_judges_it(fix):
    bounds = Bounds(enactors=2, endpoints=1, generations=3, addresses=1)
    codes = numbering(fix, bounds)
    depths, edges, front = {int(codes.first[0]): 0}, [], codes.first
    for depth in itertools.count(1):
        reached = []
        for step in codes.steps(front, bounds.generations + 1):
            edges += zip(front[step.before].tolist(), step.after.tolist(), strict=True)
            reached += step.after.tolist()
        new = [number for number in dict.fromkeys(reached) if number not in depths]
        depths.update(dict.fromkeys(new, depth))
        if not new:
            break
        front = np.array(new, dtype=np.uint64)

    def store(number):
        return codes.stores.values[int(codes.store_numbers(np.array([number], dtype=np.uint64))[0])]

    stores = {number: store(number) for number in depths}
    last = bounds.generations + 1
    good = {n for n, s in stores.items() if s.newest == last == s.pointers[0].active}
    grown = True
    while grown:
        before = {a for a, b in edges if b in good} - good
        good |= before
        grown = bool(before)
    stuck = [depths[number] for number, s in stores.items() if s.newest < last and number not in good]
    found = explore(fix, bounds)[-1]
    assert found.invariant is Invariant.CAN_MAKE_PROGRESS
    assert found.steps == (min(stuck) if stuck else None)


@pytest.mark.parametrize("fix", list(RaceFix))
def test_each_fix_stops_what_it_is_said_to_stop_and_no_more(fix):
    findings = explore(fix, SMALL)
    assert [found.invariant for found in findings] == list(Invariant)
    assert all(found.verdict in (Verdict.PROVED, Verdict.REFUTED) for found in findings)
    assert differences(findings) == []
    said = {found.invariant: found.verdict for found in findings}
    assert {invariant: said[invariant] for invariant in CLAIMS[fix]} == CLAIMS[fix]


def test_the_unfixed_race_takes_twelve_steps_and_is_told_step_by_step():
    (found,) = (found for found in explore(RaceFix.NONE, Bounds()) if found.invariant is Invariant.NEVER_EMPTY)
    assert found.steps == 12
    system = found.schedule.start
    for actor in found.schedule.actors:
        assert never_empty(system.store)
        system = dns_system.move(found.schedule.spec, system, actor).system
    assert not never_empty(system.store)
    assert told(found.schedule) == [
        "   1  planner  plans generation 2",
        "   2  az1      picks generation 2",
        "   3  az1      checks, once: generation 2 is newer than 1, the newest that is live",
        "   4  planner  plans generation 3",
        "   5  az2      picks generation 3",
        "   6  az2      checks, once: generation 3 is newer than 1, the newest that is live",
        "   7  az2      reads the lock, to write public",
        "   8  az2      writes generation 3 to public, in place of 1",
        "   9  az2      lists what is older than its own 3: generations 1, 2",
        "  10  az1      reads the lock, to write public",
        "  11  az1      writes generation 2 to public over 3, which is newer",
        "  12  az2      deletes generations 1, 2; public now resolves to nothing",
    ]


def test_keeping_more_generations_only_lengthens_the_schedule():
    steps = [explore(RaceFix.NONE, Bounds(keep_generations=keep))[1].steps for keep in (0, 1, 2, 3)]
    assert steps == [12, 13, 14, 15]


def test_a_plan_that_cannot_grow_old_enough_is_never_deleted():
    found = explore(RaceFix.NONE, Bounds(generations=4, keep_generations=3))
    assert [finding.verdict for finding in found] == [
        Verdict.PROVED, Verdict.PROVED, Verdict.REFUTED, Verdict.PROVED,
    ]  # fmt: skip


def test_one_enactor_cannot_race():
    assert all(found.verdict is Verdict.PROVED for found in explore(RaceFix.NONE, Bounds(enactors=1)))


def test_the_same_search_finds_the_same():
    assert explore(RaceFix.VELOCITY_LIMIT, SMALL) == explore(RaceFix.VELOCITY_LIMIT, SMALL)


def test_a_limit_that_is_met_leaves_the_verdict_open_and_is_named():
    few = explore(RaceFix.COMPARE_AND_SET, SMALL, Limits(states=1000))
    assert {found.verdict for found in few} == {Verdict.UNSETTLED}
    assert {found.bound for found in few} == {"more than 1000 states"}
    late = explore(RaceFix.NONE, Bounds(), Limits(seconds=3.0, spent_s=itertools.count().__next__))
    assert {found.verdict for found in late} == {Verdict.UNSETTLED}
    assert {found.bound for found in late} == {"more than 3 s"}
    assert {found.steps for found in late} == {None}


def test_more_enactors_than_a_number_has_room_for_are_a_limit_too():
    (bound,) = {found.bound for found in explore(RaceFix.COMPARE_AND_SET, Bounds(enactors=7, endpoints=2))}
    assert bound == "more than 64 enactor states"


def test_what_was_refuted_before_a_limit_stays_refuted():
    found = explore(RaceFix.SELF_HEAL, SMALL, Limits(states=3000))
    assert [finding.verdict.value for finding in found] == ["refuted", "refuted", "refuted", "unsettled"]


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        (Bounds(enactors=0), "enactors: 0 is not from 1 to 7"),
        (Bounds(generations=61), "generations: 61 is not from 1 to 60"),
        (Bounds(keep_generations=-1), "keep-generations: -1 is not from 0 to 60"),
    ],
)
def test_a_bound_that_means_nothing_is_refused(bounds, said):
    with pytest.raises(ValueError, match=said):
        explore(RaceFix.NONE, bounds)


@pytest.mark.long
def test_every_fix_is_settled_for_three_enactors_three_endpoints_and_six_generations():
    findings = [found for fix in RaceFix for found in explore(fix, Bounds())]
    assert not [found for found in findings if found.verdict is Verdict.UNSETTLED]
    assert differences(findings) == []
