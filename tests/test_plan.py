"""The plan: every moment of a run, the same for the same seed and spec."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import seeds
from harness.arrivals import arrivals_s
from harness.errors import RecordError, SpecError
from harness.flows.call import Client
from harness.flows.stories.base import find_story, make_context
from harness.plan import Plan, fingerprint, make_plan
from harness.schedule import Schedule
from harness.spec import ExperimentFile, parse_experiment
from harness.spec.experiment import Arrivals
from harness.timetable import timetable

TEXT = """\
title: t
seed: 7
region: small
load:
  mobile_banking: {arrivals: {rate: 100/s}}
  kv_reads: {arrivals: {rate: 20/s, process: even}}
phases: {warm_up: 2s, baseline: 8s, outage: 12s, recovery: 23s, drain: 3s}
timeline:
  - {at: outage.end, do: dns.restore, fix: true}
  - {at: outage.start, do: dns.stall_enactor, with: {enactor: az1, for: 2.2s}}
variants: {naive: {}, short: {phases: {recovery: 10s}}, busy: {load: {mobile_banking: {arrivals: {rate: 200/s}}}}}
"""
RATES = st.floats(min_value=0.5, max_value=500.0)


@pytest.fixture(scope="module")
def file() -> ExperimentFile:
    return parse_experiment(TEXT, "dns_race")


def same(a: Schedule, b: Schedule) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_phases_follow_each_other_without_gaps(file: ExperimentFile) -> None:
    plan = make_plan(file, "naive")
    assert [(phase.name, phase.start_s, phase.end_s) for phase in plan.phases] == [
        ("warm_up", 0.0, 2.0),
        ("baseline", 2.0, 10.0),
        ("outage", 10.0, 22.0),
        ("recovery", 22.0, 45.0),
        ("drain", 45.0, 48.0),
    ]
    assert (plan.load_end_s, plan.end_s, plan.fix_s) == (45.0, 48.0, 22.0)
    assert plan.phase("outage").start_s == 10.0


def test_two_plans_of_one_seed_schedule_the_same_operations_at_the_same_times(file: ExperimentFile) -> None:
    again = parse_experiment(TEXT, "dns_race")
    assert same(make_plan(file, "naive").schedule(), make_plan(again, "naive").schedule())


def test_another_seed_schedules_others(file: ExperimentFile) -> None:
    assert not same(make_plan(file, "naive").schedule(), make_plan(file, "naive", seed=8).schedule())


def test_operations_are_numbered_from_one_in_order_of_time(file: ExperimentFile) -> None:
    schedule = make_plan(file, "naive").schedule()
    assert schedule.op.dtype == np.uint64
    assert schedule.story.dtype == np.uint16
    assert np.array_equal(schedule.op, np.arange(1, schedule.op.size + 1))
    assert bool(np.all(np.diff(schedule.intended_s) >= 0.0))
    assert schedule.intended_s[0] >= 0.0
    assert schedule.intended_s[-1] < 45.0


def test_stories_keep_their_own_arrivals_when_merged(file: ExperimentFile) -> None:
    plan = make_plan(file, "naive")
    schedule = plan.schedule()
    assert plan.stories == ("mobile_banking", "kv_reads")
    for index, (story, load) in enumerate(plan.experiment.load.items()):
        own = arrivals_s(load.arrivals, 7, story, 45.0)
        assert np.array_equal(schedule.intended_s[schedule.story == index], own)


def test_a_longer_run_begins_with_the_same_operations(file: ExperimentFile) -> None:
    long, short = make_plan(file, "naive").schedule(), make_plan(file, "short").schedule()
    assert 0 < short.op.size < long.op.size
    assert np.array_equal(long.intended_s[: short.op.size], short.intended_s)


def test_changing_one_story_leaves_the_arrivals_of_the_others(file: ExperimentFile) -> None:
    naive, busy = make_plan(file, "naive").schedule(), make_plan(file, "busy").schedule()
    assert np.array_equal(naive.intended_s[naive.story == 1], busy.intended_s[busy.story == 1])


@settings(deadline=None)
@given(RATES, st.floats(min_value=0.0, max_value=20.0))
def test_even_arrivals_are_multiples_of_the_period_up_to_the_end(rate: float, end_s: float) -> None:
    due_s = arrivals_s(Arrivals.model_validate({"rate": f"{rate!r}/s", "process": "even"}), 1, "x", end_s)
    assert due_s.tolist() == [k / rate for k in range(due_s.size)]
    assert due_s.size / rate >= end_s
    assert due_s.size == 0 or due_s[-1] < end_s


@settings(deadline=None)
@given(RATES, st.integers(min_value=0, max_value=2**63 - 1))
def test_poisson_gaps_are_the_exponential_draws_of_the_storys_own_stream(rate: float, seed: int) -> None:
    """An obvious twin: one gap at a time from the same generator, summed in order."""
    due_s = arrivals_s(Arrivals.model_validate({"rate": f"{rate!r}/s"}), seed, "x", 3.0)
    rng = np.random.Generator(np.random.PCG64(seeds.mix(seed, seeds.stream_id("arrivals/x"))))
    gaps = rng.exponential(1.0 / rate, 1024)
    twin = [float(t) for t in np.cumsum(gaps) if t < 3.0]
    assert due_s[: len(twin)].tolist() == twin
    assert due_s.size == len(twin) or len(twin) == 1024


def test_poisson_arrivals_have_the_mean_and_spread_of_their_law() -> None:
    """Counts in 4,000 windows of 1 s at 50/s: mean and variance both 50, each within four standard errors."""
    due_s = arrivals_s(Arrivals.model_validate({"rate": "50/s"}), 7, "x", 4000.0)
    counts = np.histogram(due_s, bins=4000, range=(0.0, 4000.0))[0]
    assert abs(counts.mean() - 50.0) < 4 * np.sqrt(50.0 / 4000)
    assert abs(counts.var(ddof=1) - 50.0) < 4 * 50.0 * np.sqrt(2.0 / 3999)


def test_the_timeline_is_in_order_of_time_with_the_files_own_words(file: ExperimentFile) -> None:
    stall, restore = make_plan(file, "naive").timeline
    assert (stall.at_s, stall.what, stall.kind, stall.params) == (
        10.0, "dns.stall_enactor", "fault", {"enactor": "az1", "for": "2.2s"},
    )  # fmt: skip
    assert (restore.at_s, restore.component, restore.verb, restore.fix) == (22.0, "dns", "restore", True)


@pytest.mark.parametrize("variant", ["naive", "short", "busy"])
def test_a_plan_survives_the_way_through_json(file: ExperimentFile, variant: str) -> None:
    plan = make_plan(file, variant, seed=2**62, engine="world").at_zero(123)
    again = Plan.from_json(json.loads(json.dumps(plan.to_json(), allow_nan=False)))
    assert again == plan
    assert again.to_json() == plan.to_json()
    assert same(again.schedule(), plan.schedule())


def test_plan_json_holds_what_the_processes_of_a_run_read(file: ExperimentFile) -> None:
    value = make_plan(file, "naive").to_json()
    assert value["zero_monotonic_ns"] is None
    assert value["components"] == {"dns": 1, "kv": 2, "mobile_banking": 1}
    assert value["stories"] == ["mobile_banking", "kv_reads"]
    assert set(value["timeline"][0]) == {"id", "at_s", "component", "verb", "kind", "with", "fix", "what"}
    assert value["phases"][1] == {"name": "baseline", "start_s": 2.0, "end_s": 10.0}
    assert value["spec"]["region"]["kv"]["service"] == {"mean": "0.02s", "distribution": "exponential"}
    assert (value["schema_version"], value["experiment"], value["variant"], value["seed"]) == (
        1,
        "dns_race",
        "naive",
        7,
    )


def test_the_timetable_lists_every_edge_in_order_of_time(file: ExperimentFile) -> None:
    assert timetable(make_plan(file, "naive")) == [
        "    0.000  phase   warm_up, 2 s, load",
        "    0.000  load    mobile_banking: 100/s, poisson, 400 users",
        "    0.000  load    kv_reads: 20/s, even, 400 users",
        "    2.000  phase   baseline, 8 s, load",
        "   10.000  phase   outage, 12 s, load",
        "   10.000  fault   dns.stall_enactor (enactor az1, for 2.2s)",
        "   22.000  phase   recovery, 23 s, load",
        "   22.000  action  dns.restore  <- fix: measures count from here",
        "   45.000  phase   drain, 3 s, no load",
        "   48.000  end",
    ]


def test_the_fingerprint_tells_variants_apart_but_not_seeds_titles_or_criteria(file: ExperimentFile) -> None:
    prints = {make_plan(file, variant).fingerprint for variant in file.variants}
    assert len(prints) == 3
    other = TEXT.replace("title: t", "title: another").replace("seed: 7", "seed: 8\nrepeat: 3")
    other += "expect: [{variant: naive, measure: recovered, is: true}]\n"
    renamed = parse_experiment(other.replace("naive", "plain"), "other")
    assert fingerprint(renamed.variant("plain")) == fingerprint(file.variant("naive"))
    assert make_plan(file, "naive", seed=9).fingerprint == make_plan(file, "naive").fingerprint


def test_the_fingerprint_does_not_depend_on_how_a_quantity_was_written(file: ExperimentFile) -> None:
    written = parse_experiment(TEXT.replace("warm_up: 2s", "warm_up: 2000ms"), "dns_race")
    assert fingerprint(written.variant("naive")) == fingerprint(file.variant("naive"))


def test_an_unknown_variant_engine_or_seed_is_refused(file: ExperimentFile) -> None:
    for arguments, said in (
        (("naiv",), "no variant 'naiv'"),
        (("naive", 7, "magic"), "unknown engine 'magic'; engines are live, world"),
        (("naive", -1), "seed -1 is out of bounds"),
        (("naive", 2**63), "is out of bounds"),
    ):
        with pytest.raises(SpecError, match=said):
            make_plan(file, *arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda value: value.update(schema_version=2), "schema_version is 2; this version of blackstart reads 1"),
        (lambda value: value.pop("schema_version"), "schema_version is None"),
        (lambda value: value.pop("spec"), "not a plan"),
        (lambda value: value.pop("timeline"), "not a plan"),
        (lambda value: value.update(seed="x"), "not a plan"),
        (lambda value: value["timeline"][0].pop("at_s"), "not a plan"),
        (lambda value: value["spec"]["phases"].update(outage="12"), "phases.outage: '12' is not a duration"),
        (lambda value: value["spec"]["region"].update(moon={}), "region.moon: unknown key"),
        (lambda value: value.update(spec=3), "not a plan"),
    ],
    ids=["newer", "no version", "no spec", "no timeline", "bad seed", "no moment", "bad unit", "unknown key", "spec 3"],
)
def test_a_damaged_plan_is_refused_as_a_record(file: ExperimentFile, spoil: Any, said: str) -> None:
    value = json.loads(json.dumps(make_plan(file, "naive").to_json()))
    spoil(value)
    with pytest.raises(RecordError, match=said) as caught:
        Plan.from_json(value, "runs/x/plan.json")
    assert str(caught.value).startswith("runs/x/plan.json: ")


def test_the_plan_knows_what_each_operation_is_as_the_story_does(file: ExperimentFile) -> None:
    plan = make_plan(file, "naive", 3)
    experiment = plan.experiment
    story = find_story("mobile_banking").STORY
    client = Client(experiment.load["mobile_banking"].client.policy(), 3, "load/mobile_banking", 0.0)
    context = make_context(story, client, 3, 400, experiment.mix("mobile_banking"), 1.5)
    kinds = [plan.kind("mobile_banking", op) for op in range(1, 1001)]
    assert kinds == [context.kind(op) for op in range(1, 1001)]
    assert set(kinds) == {"transfer", "balance"}
