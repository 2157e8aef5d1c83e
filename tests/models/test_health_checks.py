"""Health checks and routing: hands, lateness, verdicts, zones, the velocity limit, and failing open."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.models.balancer_routing import Routing, RoutingSpec
from harness.models.health_checks import CheckSpec, HealthChecks, Seen, Target


class Yes:
    """A judge that accepts everything and writes down what it is asked."""

    acts = True

    def __init__(self) -> None:
        self.verdicts: list[tuple[float, int, bool]] = []
        self.ended: list[tuple[float, int]] = []

    def accept(self, target: Target, healthy: bool, at_s: float) -> bool:
        self.verdicts.append((at_s, target.number, healthy))
        return True

    def checked(self, target: Target, at_s: float) -> None:
        self.ended.append((at_s, target.number))


def target(number: int, zone: int = 0, seen: Seen = Seen.FULLY) -> Target:
    return Target(number, zone, None, seen, in_service=True)


def fleet(
    checks: CheckSpec, routing: RoutingSpec, per_zone: int, notes: list[tuple[float, str]] | None = None
) -> tuple[Routing, HealthChecks, list[Target]]:
    routed = Routing(routing, lambda kind, **fields: notes.append((0.0, kind)) if notes is not None else None)
    health = HealthChecks(checks, routed)
    targets = []
    for zone in range(routing.zones):
        for _ in range(per_zone):
            one = target(len(targets), zone)
            targets.append(one)
            routed.add(one)
            health.add(one, 0.0)
    return routed, health, targets


# The checker


def test_each_target_is_checked_once_a_period_and_checks_are_spread_over_it() -> None:
    judge = Yes()
    health = HealthChecks(CheckSpec(every_s=1.0, check_s=0.01), judge)
    for number in range(4):
        health.add(target(number), 0.0)
    health.advance(10.0)
    by_target = {n: [at_s for at_s, number in judge.ended if number == n] for n in range(4)}
    assert {len(times) for times in by_target.values()} <= {9, 10}
    for times in by_target.values():
        assert times == pytest.approx([times[0] + k for k in range(len(times))])
    firsts = sorted(times[0] for times in by_target.values())
    assert min(b - a for a, b in itertools.pairwise(firsts)) > 0.1


def test_a_worker_takes_the_next_check_the_moment_it_is_free() -> None:
    judge = Yes()
    health = HealthChecks(CheckSpec(every_s=10.0, check_s=1.0, late_s=99.0, workers=1), judge)
    for _ in range(3):
        health.add(target(0), 0.0)  # all due at once
    assert health.next_s() == 1.0
    health.advance(9.0)
    assert [at_s for at_s, _ in judge.ended] == [1.0, 2.0, 3.0]


def test_looking_seldom_or_often_makes_no_difference() -> None:
    spec = CheckSpec(every_s=0.5, check_s=0.02, change_s=0.1, late_s=0.15, workers=2)
    ends = []
    for step_s in (0.01, 7.0):
        routed, health, targets = fleet(spec, RoutingSpec(), 8)
        for one in targets[::2]:
            one.flaps = True
        now_s = 0.0
        while now_s < 35.0:
            now_s = min(35.0, now_s + step_s)
            health.advance(now_s)
        ends.append((health.gauges(35.0), [one.healthy for one in targets], routed.zone_removals_total))
    assert ends[0] == ends[1]


def test_a_check_begun_late_has_failed_and_one_in_time_has_not() -> None:
    judge = Yes()
    health = HealthChecks(CheckSpec(every_s=10.0, check_s=1.0, change_s=0.0, late_s=1.0, workers=1), judge)
    for _ in range(3):
        health.add(target(0), 0.0)  # begun 0 s, 1 s and 2 s after they are due
    health.advance(5.0)
    assert judge.verdicts == [(3.0, 0, False)]
    assert (health.late_total, health.failed_total) == (1, 1)


def test_while_a_check_of_a_target_is_unfinished_its_next_one_is_skipped() -> None:
    judge = Yes()
    health = HealthChecks(CheckSpec(every_s=1.0, check_s=2.5, late_s=99.0, workers=1), judge)
    health.add(target(0), 0.0)
    health.advance(8.0)
    assert [at_s for at_s, _ in judge.ended] == [2.5, 5.5]  # due at 0, 3, 6
    assert health.skipped_total == 6  # 1, 2, 4, 5, 7, 8
    assert health.gauges(8.0)["waiting_checks"] == 0.0


def test_a_flapping_target_passes_and_fails_in_turn() -> None:
    judge = Yes()
    health = HealthChecks(CheckSpec(every_s=1.0, check_s=0.1, change_s=0.0), judge)
    one = target(0)
    one.flaps = True
    health.add(one, 0.0)
    health.advance(4.5)
    assert [healthy for _, _, healthy in judge.verdicts] == [False, True, False, True, False]


def test_counts_of_two_are_not_moved_by_an_alternation() -> None:
    judge = Yes()
    health = HealthChecks(CheckSpec(every_s=1.0, check_s=0.1, unhealthy_after=2, healthy_after=2), judge)
    one = target(0)
    one.flaps = True
    health.add(one, 0.0)
    health.advance(20.0)
    assert judge.verdicts == []
    assert health.failed_total == 10


@pytest.mark.parametrize(("seen", "results"), [(Seen.UNKNOWN, [False] * 4), (Seen.PARTLY, [False, True, False, True])])
def test_a_target_the_network_does_not_fully_know_fails_or_alternates(seen: Seen, results: list[bool]) -> None:
    one = Target(0, 0, 5, seen, in_service=False)
    assert [one.passes() for _ in range(4)] == results
    one.seen = Seen.FULLY
    assert one.passes()


def test_each_accepted_verdict_costs_a_re_evaluation_and_a_held_one_none() -> None:
    spec = CheckSpec(every_s=1.0, check_s=0.1, change_s=0.5, workers=1)
    for velocity, busy_s in ((None, 0.1 + 0.5), (0.0, 0.1)):
        _, health, targets = fleet(spec, RoutingSpec(1, 0.0, 0.0, velocity), 1)
        targets[0].seen = Seen.UNKNOWN
        health.advance(0.9)
        assert health.busy_s_total == pytest.approx(busy_s)
        assert targets[0].healthy == (velocity == 0.0)


def test_a_check_under_way_of_a_target_that_was_removed_leads_to_nothing() -> None:
    judge = Yes()
    health = HealthChecks(CheckSpec(every_s=1.0, check_s=0.5), judge)
    one = target(0)
    health.add(one, 0.0)
    health.advance(0.1)
    health.remove(one)
    health.advance(9.0)
    assert judge.ended == []
    assert health.next_s() == float("inf")


def test_flapping_that_has_ended_goes_on_by_the_checkers_own_delay() -> None:
    """The sustaining effect: the same checker that is half idle in good health never gets back to it by itself."""
    spec = CheckSpec(every_s=0.5, check_s=0.02, change_s=0.1, late_s=0.15, workers=2)
    _, health, targets = fleet(spec, RoutingSpec(), 8)
    health.advance(10.0)
    assert (health.flaps_total, health.late_total) == (0, 0)
    for one in targets[::2]:
        one.flaps = True
    health.advance(16.0)
    for one in targets:
        one.flaps = False
    health.advance(60.0)
    before = health.flaps_total
    health.advance(70.0)
    assert health.flaps_total - before > 50


@pytest.mark.parametrize("fix", ["velocity", "failover_off", "no_cost", "counts"])
def test_and_it_ends_at_once_with_any_of_the_fixes(fix: str) -> None:
    spec = CheckSpec(every_s=0.5, check_s=0.02, change_s=0.0 if fix == "no_cost" else 0.1, late_s=0.15, workers=2)
    if fix == "counts":
        spec = spec._replace(unhealthy_after=2)
    routed, health, targets = fleet(spec, RoutingSpec(velocity=0.1 if fix == "velocity" else None), 8)
    health.advance(10.0)
    for one in targets[::2]:
        one.flaps = True
    health.advance(16.0)
    for one in targets:
        one.flaps = False
    if fix == "failover_off":
        routed.failover_off()
    health.advance(20.0)
    routed.failover_on()
    before = health.flaps_total
    health.advance(60.0)
    assert health.flaps_total == before
    assert routed.serving == len(targets)


# The rules of routing


def checked(routed: Routing, one: Target, healthy: bool, at_s: float) -> bool:
    """A check's verdict, as the checker reports it."""
    accepted = one.healthy == healthy or routed.accept(one, healthy, at_s)
    if accepted:
        one.healthy = healthy
    routed.checked(one, at_s)
    return accepted


def test_a_zone_below_its_threshold_goes_out_whole_and_comes_back_at_it() -> None:
    notes: list[tuple[float, str]] = []
    routed, _, targets = fleet(CheckSpec(), RoutingSpec(2, 0.5, 0.0), 4, notes)
    for one in targets[:2]:
        checked(routed, one, False, 1.0)
    assert (routed.zone_in, routed.serving) == ([True, True], 6)  # half is not below half
    checked(routed, targets[2], False, 2.0)
    assert (routed.zone_in, routed.serving) == ([False, True], 4)
    assert (targets[3].healthy, targets[3].routed) == (True, False)
    checked(routed, targets[0], True, 3.0)
    assert (routed.zone_in, routed.serving) == ([True, True], 6)
    assert [kind for _, kind in notes] == ["zone_removed", "zone_restored"]


def test_a_fleet_of_which_hardly_anything_is_healthy_is_routed_as_a_whole() -> None:
    notes: list[tuple[float, str]] = []
    routed, _, targets = fleet(CheckSpec(), RoutingSpec(2, 0.5, 0.25), 4, notes)
    for one in targets[:6]:
        checked(routed, one, False, 1.0)
    assert (routed.open, routed.serving) == (False, 2)  # a quarter is not below a quarter
    checked(routed, targets[6], False, 2.0)
    assert (routed.open, routed.serving, routed.zone_in) == (True, 8, [True, True])
    checked(routed, targets[6], True, 3.0)
    assert not routed.open
    assert routed.serving == 8, "nothing jumps when it ends"
    checked(routed, targets[0], False, 3.1)
    assert (routed.zone_in, routed.serving) == ([False, True], 4)
    checked(routed, targets[4], False, 3.2)
    assert routed.serving == 3
    assert [kind for _, kind in notes if "open" in kind] == ["failed_open", "fail_open_over"]


def test_with_failover_off_checks_are_for_information_only() -> None:
    routed, _, targets = fleet(CheckSpec(), RoutingSpec(2, 0.5, 0.0), 4)
    for one in targets[:4]:
        checked(routed, one, False, 1.0)
    assert routed.serving == 4
    routed.failover_off()
    assert routed.serving == 8
    checked(routed, targets[4], False, 2.0)
    assert (routed.serving, targets[4].healthy) == (8, False)
    routed.failover_on()
    assert routed.serving == 8, "nothing jumps"
    checked(routed, targets[4], False, 3.0)
    assert routed.serving == 7


def test_the_velocity_limit_holds_a_verdict_back_until_the_period_is_over() -> None:
    routed, _, targets = fleet(CheckSpec(), RoutingSpec(1, 0.0, 0.0, 0.25, 5.0), 8)
    assert [checked(routed, one, False, 1.0 + number) for number, one in enumerate(targets[:3])] == [True, True, False]
    assert (routed.serving, targets[2].healthy) == (6, True)
    assert not checked(routed, targets[2], False, 5.9)
    assert checked(routed, targets[2], False, 6.0)  # the removal at 1 s is no longer within the last 5 s
    assert routed.serving == 5


def test_a_zone_larger_than_the_velocity_limit_is_never_taken_out() -> None:
    routed, _, targets = fleet(CheckSpec(), RoutingSpec(2, 1.0, 0.0, 0.25, 5.0), 4)
    assert checked(routed, targets[0], False, 1.0)
    assert routed.zone_in == [True, True]
    assert routed.serving == 7


def test_targets_that_never_served_are_missed_by_nobody() -> None:
    routed, health, _ = fleet(CheckSpec(), RoutingSpec(1, 0.5, 0.5), 1)
    for number in range(5):
        routed.add(Target(9 + number, 0, number, Seen.UNKNOWN, in_service=False))
    one = routed.targets[1]
    routed.checked(one, 1.0)
    assert (routed.zone_in, routed.open, routed.serving) == ([True], False, 1)
    health.advance(1.0)


CHECKED = st.lists(st.tuples(st.integers(0, 11), st.booleans(), st.floats(0.0, 3.0)), max_size=120)


@settings(max_examples=200, deadline=None)
@given(CHECKED, st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]), st.floats(0.1, 8.0), st.sampled_from([0.0, 0.3]))
def test_capacity_is_never_taken_out_faster_than_the_velocity_limit(
    checks: list[tuple[int, bool, float]], share: float, period_s: float, fail_open: float
) -> None:
    routed, _, targets = fleet(CheckSpec(), RoutingSpec(3, 0.5, fail_open, share, period_s), 4)
    allowed = share * len(targets) + 1e-9
    history = [(0.0, len(targets))]
    now_s = 0.0
    for number, healthy, gap_s in checks:
        now_s += gap_s
        checked(routed, targets[number], healthy, now_s)
        history.append((now_s, routed.serving))
        for before_s, serving in history:
            if before_s > now_s - period_s:
                assert serving - routed.serving <= allowed


@settings(max_examples=200, deadline=None)
@given(CHECKED, st.sampled_from([0.0, 0.2, 0.5, 1.0]), st.sampled_from([0.0, 0.5, 1.0]))
def test_everything_is_routed_exactly_while_less_than_the_share_is_healthy(
    checks: list[tuple[int, bool, float]], fail_open: float, threshold: float
) -> None:
    routed, _, targets = fleet(CheckSpec(), RoutingSpec(3, threshold, fail_open), 4)
    for number, healthy, gap_s in checks:
        checked(routed, targets[number], healthy, gap_s)
        share = sum(one.healthy for one in targets) / len(targets)
        assert routed.open == (share < fail_open)
        if routed.open:
            assert routed.serving == len(targets)
        else:  # whoever was just judged is routed only if healthy, in a zone that is in or when none is
            one = targets[number]
            assert routed.in_full == (not any(routed.zone_in))
            assert one.routed == (one.healthy and (routed.zone_in[one.zone] or routed.in_full))
