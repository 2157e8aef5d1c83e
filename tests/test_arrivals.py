"""Surges: more arrivals of the same process, at the right moments, and every other operation as it was."""

from __future__ import annotations

import numpy as np
import pytest

from harness.arrivals import arrivals_s, surge_s
from harness.plan import Plan, make_plan
from harness.schedule import Schedule
from harness.spec import parse_experiment
from harness.spec.experiment import Arrivals
from harness.spec.surges import Surge
from harness.timetable import timetable

TEXT = """
title: t
seed: 7
load:
  mobile_banking: {arrivals: {rate: 100/s}}
  kv_reads: {arrivals: {rate: 20/s, process: even}}
phases: {warm_up: 2s, baseline: 8s, outage: 12s, recovery: 23s, drain: 3s}
timeline:
  - {at: outage.start, do: dns.empty_record, with: {for: 2s}}
  - {at: outage.end, do: dns.restore, fix: true}
"""


def plan(*entries: str) -> Plan:
    return make_plan(parse_experiment(TEXT + "".join(f"  - {entry}\n" for entry in entries), "t"), "base")


def without(schedule: Schedule, op: int) -> Schedule:
    """The operations numbered up to `op`."""
    kept = schedule.op <= op
    return Schedule(schedule.op[kept], schedule.story[kept], schedule.intended_s[kept])


def same(a: Schedule, b: Schedule) -> bool:
    pairs = ((a.op, b.op), (a.story, b.story), (a.intended_s, b.intended_s))
    return all(np.array_equal(x, y) for x, y in pairs)


def test_with_a_surge_every_other_operation_keeps_its_number_its_story_and_its_moment() -> None:
    calm, surged = plan().schedule(), plan("{at: 12s, do: load.surge, with: {factor: 3, for: 5s}}").schedule()
    assert surged.op.size > calm.op.size
    assert same(without(surged, calm.op.size), calm)
    assert np.array_equal(np.sort(surged.op), np.arange(1, surged.op.size + 1))
    assert bool(np.all(np.diff(surged.intended_s) >= 0.0))
    added = surged.op > calm.op.size
    assert bool(np.all((surged.intended_s[added] >= 12.0) & (surged.intended_s[added] < 17.0)))
    assert bool(np.all(np.diff(surged.op[added]) > 0))  # those too in order of time


def test_a_surge_is_the_same_for_the_same_seed_and_spec() -> None:
    entry = "{at: 12s, do: load.surge, with: {rate: +200/s, for: 5s}}"
    assert same(plan(entry).schedule(), plan(entry).schedule())


def test_a_surge_of_one_story_leaves_the_arrivals_of_the_others() -> None:
    calm = plan().schedule()
    surged = plan("{at: 12s, do: load.surge, with: {factor: 2, story: kv_reads, for: 5s}}").schedule()
    added = surged.op > calm.op.size
    assert set(surged.story[added].tolist()) == {1}
    assert int(added.sum()) == 100  # even arrivals: 20/s more for 5 s, exactly


def test_a_rate_of_all_stories_is_shared_out_by_their_own_rates() -> None:
    """240/s more over 100 s: 200/s and 40/s, each within four standard errors (the even one exactly)."""
    text = "{at: 10s, do: load.surge, with: {rate: +240/s, for: 30s}}"
    calm, surged = plan().schedule(), plan(text).schedule()
    added = surged.story[surged.op > calm.op.size]
    assert int((added == 1).sum()) == 1200
    assert abs(int((added == 0).sum()) - 6000) < 4 * 6000**0.5


def test_a_surge_that_comes_and_goes_thins_one_that_stays() -> None:
    calm = plan().schedule()
    whole = plan("{at: 12s, do: load.surge, with: {factor: 2, for: 10s}}").schedule()
    square = plan("{at: 12s, do: load.surge, with: {factor: 2, for: 10s}, square: {on: 1s, off: 3s}}").schedule()
    all_s, some_s = (s.intended_s[s.op > calm.op.size] for s in (whole, square))
    on = [(12.0, 13.0), (16.0, 17.0), (20.0, 21.0)]
    assert some_s.tolist() == [t for t in all_s.tolist() if any(start <= t < end for start, end in on)]
    assert some_s.size > 0


def test_a_surge_may_end_by_a_line_of_its_own_that_is_the_fix() -> None:
    text = TEXT.replace("do: dns.restore, fix: true", "do: dns.restore")
    text += "  - {at: 12s, do: load.surge, with: {factor: 3}}\n"
    text += "  - {at: 15s, do: load.heal, with: {fault: surge}, fix: true}\n"
    surged = make_plan(parse_experiment(text, "t"), "base")
    calm = plan().schedule()
    added = surged.schedule().intended_s[surged.schedule().op > calm.op.size]
    assert surged.fix_s == 15.0
    assert 12.0 <= added.min() < added.max() < 15.0


def test_further_arrivals_of_an_even_story_fall_between_its_own() -> None:
    own = Arrivals.model_validate({"rate": "20/s", "process": "even"})
    surge = Surge("1", "kv_reads", 20.0, 2.0, ((2.0, 3.0),))
    assert surge_s(surge, own, 1).tolist() == [2.0 + k / 20 + 0.025 for k in range(20)]


def test_the_further_arrivals_of_a_poisson_story_are_those_of_a_stream_of_their_own() -> None:
    own = Arrivals.model_validate({"rate": "100/s"})
    surge = Surge("3-load-surge", "mobile_banking", 200.0, 5.0, ((5.0, 9.0),))
    twin = arrivals_s(Arrivals.model_validate({"rate": "200/s"}), 7, "mobile_banking/3-load-surge", 4.0)
    assert surge_s(surge, own, 7).tolist() == (5.0 + twin).tolist()
    assert not np.array_equal(twin, arrivals_s(Arrivals.model_validate({"rate": "200/s"}), 7, "mobile_banking", 4.0))


@pytest.mark.parametrize("seed", range(3))
def test_a_surged_load_has_the_rate_it_says(seed: int) -> None:
    """Counts within the surge: 300/s for 8 s, within four standard errors."""
    experiment = parse_experiment(TEXT + "  - {at: 12s, do: load.surge, with: {factor: 3, for: 8s}}\n", "t")
    schedule = make_plan(experiment, "base", seed=seed).schedule()
    inside = (schedule.intended_s >= 12.0) & (schedule.intended_s < 20.0) & (schedule.story == 0)
    assert abs(int(inside.sum()) - 2400) < 4 * 2400**0.5


def test_the_timetable_says_when_a_surge_begins_and_ends_and_what_waits_for_what() -> None:
    made = plan(
        "{at: 12s, do: load.surge, with: {factor: 3, for: 5s}}",
        "{when: {gauge: kv.waiting_queue, above: 500, for: 2s, delay: 15s}, do: kv.drop_queue, id: dropped}",
        "{when: {after_event: dropped, delay: 1s}, do: pause, with: {for: 3s}}",
        "{when: {gauge: kv.waiting_queue, below: 9, after_event: dropped}, do: kv.open_intake}",
    )
    table = timetable(made)
    assert "   12.000  fault   load.surge (factor 3, for 5s)" in table
    assert "   17.000  heal    load.surge ends" in table
    assert table[-4:] == [
        "   48.000  end",
        "     when  action  kv.drop_queue: kv.waiting_queue above 500 for 2 s, from 10 s on, 15 s later",
        "     when  action  pause (for 3s): 1 s after dropped",
        "     when  action  kv.open_intake: kv.waiting_queue below 9, once dropped is done",
    ]


def test_a_plan_with_conditions_survives_the_way_through_json() -> None:
    made = plan(
        "{at: 12s, do: kv.errors, with: {share: 5%, for: 5s}, square: {on: 1s, off: 500ms}}",
        "{when: {gauge: kv.oldest_wait_s, above: 500ms, for: 2s}, do: kv.drop_queue}",
    )
    value = made.to_json()
    assert Plan.from_json(value) == made
    waits = value["timeline"][-1]
    assert (waits["at_s"], waits["when"]["gauge"], waits["when"]["above"]) == (None, "kv.oldest_wait_s", "500ms")
    assert "when" not in value["timeline"][0]
