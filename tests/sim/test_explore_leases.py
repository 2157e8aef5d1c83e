"""The search around the lease manager: the threshold found by itself, the cap proved, and schedules that are real."""

from __future__ import annotations

import pytest

from harness.flows import lease_manager
from harness.sim.explore import Limits, Verdict
from harness.sim.explore_leases import Bounds, Finding, Invariant, LeaseFix, explore, spec_of
from harness.sim.explore_leases_scene import Scene, calm_tick, key_of, steps
from harness.sim.explore_leases_story import told

SMALL = Bounds(droplets=8, attempts_per_tick=2, timeout_ticks=2)
HARSH = {"outages": 2, "restarts": 1}
PROVED, REFUTED = Verdict.PROVED, Verdict.REFUTED


def verdicts(fix: LeaseFix, bounds: Bounds) -> dict[Invariant, Verdict]:
    return {finding.invariant: finding.verdict for finding in explore(fix, bounds)}


def leased_in_the_end(finding: Finding, bounds: Bounds, ticks: int = 200) -> int:
    """Walk on from the end of a schedule with nothing going wrong any more."""
    scene = finding.schedule[-1].after
    for _ in range(ticks):
        scene, _ = calm_tick(spec_of(finding.fix, bounds), scene)
    return lease_manager.leased(scene.leases)


@pytest.mark.parametrize(("droplets", "stuck", "waste"), [(4, False, False), (7, False, True), (8, True, True)])
def test_after_one_outage_the_threshold_is_the_published_one(droplets: int, stuck: bool, waste: bool) -> None:
    found = verdicts(LeaseFix.NONE, SMALL._replace(droplets=droplets))
    assert found[Invariant.NEVER_STUCK] is (REFUTED if stuck else PROVED)
    assert found[Invariant.NO_WASTE] is (REFUTED if waste else PROVED)


def test_the_shortest_way_into_the_stuck_state_is_one_outage_and_ends_at_what_fits_the_line() -> None:
    bounds = Bounds()
    finding = explore(LeaseFix.NONE, bounds)[1]
    assert (finding.invariant, finding.verdict) == (Invariant.NEVER_STUCK, REFUTED)
    names = [step.name.split()[0] for step in finding.schedule]
    assert names == ["gone", "tick", *["check"] * 24, "tick", "probe", "tick"]
    assert finding.steps == len(names)
    assert leased_in_the_end(finding, bounds) == 12
    story = told(finding, bounds)
    assert len(story) == 7
    assert story[-1].endswith("12 leased, 12 in line; 4 of 4 attempts are wasted in every tick")


@pytest.mark.parametrize("fix", [LeaseFix.LINE_CAP, LeaseFix.DROP_EXPIRED])
@pytest.mark.parametrize(
    "bounds", [Bounds(), Bounds(6, 2, 2, outages=2, restarts=1), Bounds(4, 2, 2, outages=1, restarts=1, late=1)]
)
def test_with_a_fix_no_reachable_state_is_stuck(fix: LeaseFix, bounds: Bounds) -> None:
    found = verdicts(fix, bounds)
    assert found[Invariant.NEVER_STUCK] is PROVED
    assert found[Invariant.RECOVERS_IN_TIME] is PROVED


def test_two_outages_and_a_restart_make_even_a_short_line_stuck() -> None:
    """What the published threshold leaves out: work that comes back at different times is not one cohort."""
    bounds = Bounds(droplets=4, attempts_per_tick=2, timeout_ticks=2, **HARSH)
    finding = explore(LeaseFix.NONE, bounds)[1]
    assert finding.verdict is REFUTED
    assert leased_in_the_end(finding, bounds) < 4


def test_a_schedule_is_a_walk_of_steps_that_can_be_taken() -> None:
    bounds = SMALL._replace(late=1, restarts=1)
    for finding in explore(LeaseFix.NONE, bounds):
        spec = spec_of(finding.fix, bounds)
        scene = Scene(lease_manager.start(spec), True, bounds.outages, bounds.restarts)
        for step in finding.schedule:
            assert step in list(steps(spec, scene, bounds.late))
            scene = step.after
        assert finding.verdict is REFUTED
        assert (finding.schedule[-1].wasted > 0) is (finding.invariant is Invariant.NO_WASTE)


def test_names_and_dates_make_no_difference_to_a_scene_and_places_do() -> None:
    spec = spec_of(LeaseFix.NONE, SMALL)
    line = tuple(lease_manager.Work(droplet, 3) for droplet in range(4))
    leases = lease_manager.Leases(5, (0, 0, 0, 0, 7, 7, 7, 7), line=line)
    scene = Scene(leases, True, 0, 0)
    later = leases._replace(
        tick=15,
        until=(17, 17, 17, 17, 0, 0, 0, 0),
        line=tuple(lease_manager.Work(droplet, 13) for droplet in (7, 4, 5, 6)),
    )
    assert key_of(spec, Scene(later, True, 0, 0)) == key_of(spec, scene)
    for other in (
        leases._replace(line=line[:3], outside=(3,)),
        leases._replace(line=(*line[:3], lease_manager.Work(3, 4))),
        leases._replace(until=(0, 0, 0, 0, 7, 7, 7, 6)),
        leases._replace(checking=(4,)),
        leases._replace(failures=1),
    ):
        assert key_of(spec, Scene(other, True, 0, 0)) != key_of(spec, scene)


def test_a_limit_leaves_the_rest_unsettled_and_says_which() -> None:
    found = explore(LeaseFix.LINE_CAP, Bounds(), Limits(states=50))
    assert {finding.verdict for finding in found} == {Verdict.UNSETTLED}
    assert {finding.bound for finding in found} == {"more than 50 states"}


@pytest.mark.parametrize(("bounds", "said"), [(Bounds(0), "droplets: 0"), (Bounds(late=2), "late: 2 is not from 0")])
def test_bounds_that_mean_nothing_are_refused(bounds: Bounds, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        explore(LeaseFix.NONE, bounds)
