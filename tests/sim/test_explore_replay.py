"""The shortest failing schedule as an experiment: correct as a file, and the record does go empty."""

from __future__ import annotations

import pytest

from harness.errors import SpecError
from harness.flows.dns_control import ControlSpec
from harness.flows.dns_plans import RaceFix
from harness.record.journal import read_journal
from harness.sim.explore import Bounds, explore
from harness.sim.explore_replay import LATE_S, deletes, experiment, stall_of
from harness.spec import load_experiment

BOUNDS = Bounds(endpoints=1, generations=4)


def schedule(fix, bounds=BOUNDS):
    return explore(fix, bounds)[0].schedule


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("replay") / "replay.yaml"
    path.write_text(experiment(schedule(RaceFix.NONE)))
    return path


def test_the_file_is_a_correct_experiment_with_the_schedules_stall(written):
    file = load_experiment(written)
    assert file.variants == ("schedule", "fixed")
    region = file.variant("schedule").region.dns
    assert (region.enactors, region.keep_generations, region.race_fix) == (3, 1, "none")
    # The slow enactor's plan is one generation old in the schedule and two live, where one more is kept: two periods of
    # 500 ms, and the 150 ms after which it tries again.
    assert stall_of(schedule(RaceFix.NONE)) == ("az1", 2, 3, 1.15)


def test_simulated_the_record_goes_empty_and_only_the_operator_ends_it(written, tmp_path, play):
    told = list(read_journal(play(tmp_path, written, "schedule").journal))
    kinds = [entry["kind"] for entry in told]
    order = ["stale_apply", "active_plan_deleted", "enactor_error", "first_empty_answer", "restored"]
    places = [kinds.index(kind) for kind in order]
    assert places == sorted(places)
    (inject,) = (entry["t_s"] for entry in told if entry["kind"] == "inject")
    deleted = next(entry["t_s"] for entry in told if entry["kind"] == "active_plan_deleted")
    assert inject == 9.75
    assert 11.15 < deleted < 11.5  # in the period in which the schedule says so: two after the plan of 10.0


def test_simulated_with_the_fix_the_same_stall_does_nothing(written, tmp_path, play):
    kinds = {entry["kind"] for entry in read_journal(play(tmp_path, written, "fixed").journal)}
    assert "inject" in kinds
    assert not kinds & {"stale_apply", "active_plan_deleted", "first_empty_answer"}


@pytest.mark.parametrize("begin_late_s", [-0.2, -LATE_S, 0.0, LATE_S, 0.2])
@pytest.mark.parametrize("end_late_s", [-0.2, -LATE_S, 0.0, LATE_S, 0.2])
def test_the_stall_does_its_harm_however_late_or_early_its_ends_come(begin_late_s, end_late_s):
    control = ControlSpec(keep_generations=1)
    assert deletes(control, "az1", 1.15, begin_late_s, end_late_s)


def test_a_stall_that_begins_when_the_enactor_has_written_does_none():
    control = ControlSpec(keep_generations=1)
    plan_after_s = control.plan_every_s / 2
    assert deletes(control, "az1", 1.15, plan_after_s - 0.001)
    assert not deletes(control, "az1", 1.15, plan_after_s + 0.016)


def test_more_kept_generations_make_a_longer_stall():
    kept = [stall_of(schedule(RaceFix.NONE, Bounds(endpoints=1, keep_generations=keep))).for_s for keep in (1, 2, 3)]
    assert kept == [1.15, 1.65, 2.15]


def test_a_lease_has_to_expire_first():
    assert stall_of(schedule(RaceFix.LEASE_NO_FENCING)).for_s > stall_of(schedule(RaceFix.NONE)).for_s


def test_a_schedule_that_stretches_another_gap_is_not_written():
    with pytest.raises(SpecError, match="fix recheck: no stall of az1 between its check and its first write"):
        experiment(schedule(RaceFix.RECHECK))
