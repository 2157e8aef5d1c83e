"""The race in time: always with the stall, never without it, and never with compare-and-set."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.flows.dns_control import ControlSpec, stall_needed_s
from harness.flows.dns_plans import RaceFix, active_plans_exist, answers, never_empty
from harness.models.dns_automation import DnsAutomation, Event

KV = (("kv.region.test", ("127.10.3.1", "127.10.3.2")),)
STALL_S = 2.2
MOMENTS_S = st.floats(1.0, 4.0)
LATE_S = st.floats(0.0, 0.05)


def run(
    spec: ControlSpec, steps: Iterable[tuple[float, str]], end_s: float, addresses=KV
) -> tuple[DnsAutomation, list[Event]]:
    """The automation through `steps` ((moment, "stall az1" | "unstall az1" | "restore"), ...) to `end_s`."""
    automation = DnsAutomation(spec, addresses)
    events: list[Event] = []
    for at_s, step in steps:
        verb, _, enactor = step.partition(" ")
        events += getattr(automation, verb)(*([enactor] if enactor else []), at_s)
    return automation, events + automation.advance(end_s)


def kinds(events: Iterable[Event], *of: str) -> list[tuple[float, str]]:
    return [(round(event.t_s, 6), event.note.kind) for event in events if event.note.kind in of]


def after_stall(spec: ControlSpec, at_s: float, late_s: float = 0.0) -> tuple[DnsAutomation, list[Event]]:
    end_s = at_s + STALL_S + late_s
    horizon_s = end_s + 1.5 * spec.plan_every_s + spec.retry_phase_s
    return run(spec, [(at_s, "stall az1"), (end_s, "unstall az1")], horizon_s)


def test_an_hour_without_a_stall_shows_no_fault() -> None:
    automation, events = run(ControlSpec(), [], 3600.0)
    assert not kinds(events, "stale_apply", "active_plan_deleted", "enactor_error")
    assert len(kinds(events, "plan")) == 7200
    assert len(kinds(events, "apply")) == 7199  # the last plan appears at the last moment
    assert automation.gauges() == {"active_gen": 7200.0, "newest_gen": 7201.0, "plans": 5.0, "enactors_failing": 0.0}


@settings(max_examples=60, deadline=None)
@given(moments_s=st.lists(st.floats(0.0, 30.0), min_size=1, max_size=60).map(sorted))
def test_at_no_moment_of_a_healthy_run_is_a_record_empty(moments_s: list[float]) -> None:
    automation = DnsAutomation(ControlSpec(), (*KV, ("queue.region.test", ("127.10.4.1",))))
    for now_s in moments_s:
        automation.advance(now_s)
        assert never_empty(automation.store)
        assert active_plans_exist(automation.store)


@settings(max_examples=300, deadline=None)
@given(at_s=MOMENTS_S, late_s=LATE_S)
def test_a_stall_injected_at_any_moment_empties_the_record(at_s: float, late_s: float) -> None:
    automation, events = after_stall(ControlSpec(), at_s, late_s)
    assert answers(automation.store, "kv.region.test") == ()
    story = [kind for _, kind in kinds(events, "stale_apply", "active_plan_deleted", "enactor_error")]
    assert story == ["stale_apply", "active_plan_deleted"] + 3 * ["enactor_error"]


@settings(max_examples=80, deadline=None)
@given(
    at_s=MOMENTS_S,
    late_s=LATE_S,
    more_s=st.floats(0.001, 8.0),
    enactors=st.integers(2, 5),
    stalled=st.integers(1, 5),
    endpoints=st.integers(1, 6),
    keep=st.integers(0, 5),
)
def test_whoever_is_stalled_for_long_enough_meets_the_losing_interleaving(
    at_s: float, late_s: float, more_s: float, enactors: int, stalled: int, endpoints: int, keep: int
) -> None:
    spec = ControlSpec(enactors=enactors, keep_generations=keep)
    addresses = tuple((f"c{i}.region.test", ("127.10.3.1", "127.10.3.2")) for i in range(endpoints))
    enactor = f"az{min(stalled, enactors)}"
    end_s = at_s + stall_needed_s(spec) + more_s + late_s
    automation, _ = run(spec, [(at_s, f"stall {enactor}"), (end_s, f"unstall {enactor}")], end_s + 1.5, addresses)
    assert [answers(automation.store, name) for name, _ in addresses] == [()] * endpoints
    assert automation.gauges()["enactors_failing"] == enactors


def test_the_story_of_one_stall_is_this_one() -> None:
    _, events = after_stall(ControlSpec(), 1.2)
    assert kinds(events, "stale_apply", "active_plan_deleted", "enactor_error") == [
        (3.656, "stale_apply"),  # the plan of 1.5 s, over that of 3.5 s
        (3.807, "active_plan_deleted"),
        (4.006, "enactor_error"),
        (4.007, "enactor_error"),
        (4.008, "enactor_error"),
    ]


@settings(max_examples=60, deadline=None)
@given(at_s=MOMENTS_S, lates_s=st.lists(LATE_S, min_size=400, max_size=400))
def test_timers_that_fire_late_change_nothing(at_s: float, lates_s: list[float]) -> None:
    end_s = at_s + STALL_S
    exact, expected = run(ControlSpec(), [(at_s, "stall az1"), (end_s, "unstall az1")], end_s + 2.0)
    automation = DnsAutomation(ControlSpec(), KV)
    seen: list[Event] = []
    edges = [(at_s, automation.stall), (end_s, automation.unstall)]
    late = iter(lates_s)
    while automation.next_due_s() <= end_s + 2.0:
        fires_s = automation.next_due_s() + next(late)
        while edges and edges[0][0] <= fires_s:
            moment_s, edge = edges.pop(0)
            seen += edge("az1", moment_s)
        seen += automation.advance(min(fires_s, end_s + 2.0))
    assert seen == expected
    assert automation.system == exact.system


def test_enactors_fail_until_the_operator_restores() -> None:
    automation, _ = after_stall(ControlSpec(), 1.2)
    quiet = automation.advance(60.0)
    assert not kinds(quiet, "apply", "stale_apply", "clean", "enactor_error")  # each error is told once an episode
    assert automation.gauges()["enactors_failing"] == 3.0
    restored = automation.restore(60.25)
    assert [event.note.kind for event in restored] == ["restored"]
    assert dict(restored[0].note.fields)["were_empty"] == ["kv.region.test"]
    assert len(answers(automation.store, "kv.region.test")) == 2
    healthy = automation.advance(90.0)
    assert len(kinds(healthy, "apply")) == 59
    assert not kinds(healthy, "stale_apply", "enactor_error")
    assert automation.gauges()["enactors_failing"] == 0.0
    assert automation.gauges()["plans"] == 5.0  # what piled up while nobody cleaned is gone


@settings(max_examples=60, deadline=None)
@given(at_s=MOMENTS_S, rest_s=st.floats(0.0, 3.0), again_s=st.floats(0.5, 3.0))
def test_a_second_stall_after_the_restore_empties_it_again(at_s: float, rest_s: float, again_s: float) -> None:
    restore_s = at_s + STALL_S + 2.0 + rest_s
    second_s = restore_s + again_s
    steps = [
        (at_s, "stall az1"),
        (at_s + STALL_S, "unstall az1"),
        (restore_s, "restore"),
        (second_s, "stall az1"),
        (second_s + STALL_S, "unstall az1"),
    ]
    automation, events = run(ControlSpec(), steps, second_s + STALL_S + 1.5)
    assert len(kinds(events, "active_plan_deleted")) == 2
    assert answers(automation.store, "kv.region.test") == ()
    fixed, events = run(ControlSpec(race_fix=RaceFix.COMPARE_AND_SET), steps, second_s + STALL_S + 1.5)
    assert not kinds(events, "stale_apply", "active_plan_deleted", "enactor_error")
    assert answers(fixed.store, "kv.region.test") != ()


@pytest.mark.parametrize(
    ("fix", "stale", "emptied"),
    [
        (RaceFix.NONE, True, True),
        (RaceFix.RECHECK, False, False),  # the stall is before the look; the explorer finds the window behind it
        (RaceFix.COMPARE_AND_SET, False, False),
        (RaceFix.LEASE_NO_FENCING, True, True),
        (RaceFix.LEASE_FENCING, False, False),
        (RaceFix.REACHABILITY, True, False),
        (RaceFix.REFUSE_EMPTY, True, False),
        (RaceFix.SELF_HEAL, True, True),
        (RaceFix.VELOCITY_LIMIT, True, False),
    ],
)
def test_each_fix_stops_what_it_says(fix: RaceFix, stale: bool, emptied: bool) -> None:
    for twentieth in range(20):
        _, events = after_stall(ControlSpec(race_fix=fix), 2.0 + twentieth * 0.025)
        assert bool(kinds(events, "stale_apply")) == stale
        assert bool(kinds(events, "active_plan_deleted")) == emptied


def test_self_healing_ends_the_outage_at_the_next_plan() -> None:
    automation, events = after_stall(ControlSpec(race_fix=RaceFix.SELF_HEAL), 1.2)
    assert kinds(events, "active_plan_deleted") == [(3.807, "active_plan_deleted")]
    assert next(t_s for t_s, _ in kinds(events, "apply") if t_s > 3.8) == 4.006
    assert never_empty(automation.store)


def test_a_stall_that_is_too_short_does_no_harm() -> None:
    spec = ControlSpec()
    automation, events = run(spec, [(2.2, "stall az1"), (3.2, "unstall az1")], 4.0)
    assert kinds(events, "stale_apply", "active_plan_deleted") == [(3.656, "stale_apply")]  # 2 periods old
    assert automation.gauges()["active_gen"] == 6.0
    automation.advance(4.1)
    assert automation.gauges()["active_gen"] == 9.0  # the next plan has overtaken it


def test_an_unknown_enactor_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'az9' does not exist; it is one of az1, az2, az3"):
        DnsAutomation(ControlSpec(), KV).stall("az9", 0.0)


def test_without_endpoints_there_is_nothing_to_run() -> None:
    with pytest.raises(ValueError, match="name at least one component"):
        DnsAutomation(ControlSpec(), ())
