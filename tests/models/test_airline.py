"""Check-in that closes, agents with paper, and a planner whose backlog makes it slow."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.models.apps.airline import SolverSpec
from harness.models.apps.windows import Windows, WindowSpec
from tests.models.small_store import on_stage

APP = "airline"
SPEC = WindowSpec(groups=4, every_s=8.0, lead_s=2.0)


def check_in(scene, op, user=0):
    return scene.ask(APP, "check_in", {"user": user}, op)


def crew(scene, op):
    return scene.ask(APP, "crew_change", {"crew": 1}, op)


def said(answer):
    assert len(answer) == 1
    return answer[0].status, (answer[0].body or {}).get("degraded")


# Windows


@given(st.integers(0, 100), st.floats(0.0, 1e4))
def test_nobody_comes_later_than_the_lead_or_earlier_than_a_round_before_it(group, now_s):
    closes_s = Windows(SPEC).closes_s(group, now_s)
    assert closes_s >= now_s + SPEC.lead_s
    assert closes_s < now_s + SPEC.lead_s + SPEC.every_s or math.isclose(closes_s, group % 4 * 2.0)
    assert closes_s % 8.0 == group % 4 * 2.0


def test_a_window_is_met_on_the_dot_and_missed_after_it():
    windows = Windows(SPEC)
    for op in (1, 2, 3, 4):
        windows.expect(op, 0, 1.0)  # closes at 8
    windows.done(1, 8.0)
    windows.done(2, 8.5)  # promised for later, known now
    windows.until(8.0)
    assert (windows.met, windows.missed, windows.open) == (1, 1, 2)
    windows.until(8.25)
    windows.done(3, 8.25)
    windows.expect(3, 0, 8.5)
    assert (windows.met, windows.missed, windows.open) == (1, 3, 0)


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(0, 9), st.floats(0.0, 5.0), st.booleans()), max_size=60))
def test_everybody_who_came_has_met_missed_or_still_time(events):
    windows, now_s, came = Windows(SPEC), 0.0, set()
    for op, group, later_s, does in events:
        now_s += later_s
        windows.until(now_s)
        windows.expect(op, group, now_s)
        came.add(op)
        if does:
            windows.done(op, now_s)
    assert windows.met + windows.missed + windows.open == len(came)
    windows.until(math.inf)
    assert (windows.open, windows.met + windows.missed) == (0, len(came))


# Check-in and passes

KNOBS = {"windows": {"groups": 1, "every": "10s", "lead": "2s"}, "paper": {"senders": 1, "pace": "2/s"}}


def scene_of(takes_s=0.25, **knobs):
    return on_stage(APP, {**KNOBS, **knobs}, takes_s)


def test_a_check_in_is_one_write_and_leaves_a_pass():
    scene, store, app = scene_of()
    answer = check_in(scene, 1, user=7)
    scene.until(1.0)
    store.away = True
    shown = scene.ask(APP, "boarding_pass", {"user": 7})
    nobody = scene.ask(APP, "boarding_pass", {"user": 8})
    scene.until(2.0)
    assert (said(answer), said(shown), said(nobody)) == ((200, None), (200, "stale"), (503, None))
    assert store.records("check_ins") == {1: 1}
    assert (app.export()["missed_windows"], app.gauges(2.0)["windows_met_total"]) == (0, 1.0)


def test_agents_work_at_their_rate_and_who_is_served_after_the_window_has_missed_it():
    scene, store, app = scene_of(fallbacks={"manual": "0.25/s", "manual_room": 3})
    store.away = True
    scene.until(1.0)
    answers = [check_in(scene, op) for op in (1, 2, 3, 4)]  # closing at 10
    scene.until(2.0)
    assert [answer[0].status for answer in answers] == [200, 200, 200, 503]
    assert [answer[0].body["served_s"] for answer in answers[:3]] == [5.0, 9.0, 13.0]
    assert app.windows.missed == 1  # served at 13; the fourth has until 10
    assert app.gauges(10.0)["windows_missed_total"] == 1.0
    assert app.gauges(10.25)["windows_missed_total"] == 2.0
    assert app.export()["missed_windows"] == 2
    store.away = False
    scene.until(20.0)
    assert store.records("check_ins") == {1: 1, 2: 1, 3: 1}
    assert {record["at"] for record in store.table("check_ins").values()} == {"paper"}
    entered_s = [effect[0] for effect in store.tables.effects]
    assert [later - sooner for sooner, later in pairwise(entered_s)] == [0.5, 0.5]  # 2/s
    assert app.export()["owed"] == []


@pytest.mark.parametrize(("keys", "records"), [(True, 1), (False, 4)])
def test_paper_for_a_check_in_that_had_landed_is_entered_twice_only_without_keys(keys, records):
    scene, store, _ = scene_of(idempotency_keys=keys)
    store.loses = "reply"
    check_in(scene, 1)
    scene.until(2.0)
    store.loses = ""
    scene.until(9.0)
    assert store.records("check_ins") == {1: records}


def test_without_agents_check_in_fails_with_the_store_and_the_window_is_missed():
    scene, store, app = scene_of(fallbacks={"manual": "none", "stale_pass": 0})
    scene.ask(APP, "boarding_pass", {"user": 1})
    scene.until(1.0)
    store.away = True
    answers = [check_in(scene, 1), scene.ask(APP, "boarding_pass", {"user": 1})]
    scene.until(2.0)
    assert [said(answer) for answer in answers] == [(503, None)] * 2
    assert app.gauges(11.0)["windows_missed_total"] == 1.0
    assert app.export()["owed"] == []


def test_a_passenger_who_tries_again_in_time_has_not_missed_it():
    scene, store, app = scene_of(fallbacks={"manual": "none"})
    store.away = True
    check_in(scene, 1)
    scene.until(9.0)
    store.away = False
    again = check_in(scene, 1)
    scene.until(12.0)
    assert said(again) == (200, None)
    assert (app.windows.met, app.gauges(12.0)["windows_missed_total"]) == (1, 0.0)


# Crews


def test_a_plan_costs_more_the_more_changes_are_open():
    scene, store, app = scene_of(0.0, solver={"base": "500ms", "k": 2})
    answers = [crew(scene, op) for op in (1, 2, 3)]
    scene.until(10.0)
    assert [said(answer) for answer in answers] == [(200, None)] * 3
    # 0.5 x (1 + 3/2), then 0.5 x (1 + 2/2), then 0.5 x (1 + 1/2)
    assert [effect[0] for effect in store.tables.effects] == [1.25, 2.25, 3.0]
    assert store.records("crew_plans") == {1: 1, 2: 1, 3: 1}
    assert app.solver_busy_s == 3.0
    assert app.export()["owed"] == []


def test_a_horizon_bounds_the_cost():
    assert SolverSpec(0.5, 2.0, 0).takes_s(10) == 3.0
    assert SolverSpec(0.5, 2.0, 4).takes_s(10) == 1.5
    assert SolverSpec(0.5, 2.0, 4).takes_s(3) == 1.25


def backlog_after(outage_s, horizon=0):
    """Changes open 60 s after an outage of so long, at one a second: the line is at 4 x (1 / 0.25 - 1) = 12."""
    scene, store, app = scene_of(0.0, solver={"base": "250ms", "k": 4, "horizon": horizon})
    op = 0
    store.away = True
    while scene.now_s < outage_s + 60.0:
        if scene.now_s >= outage_s:
            store.away = False
        op += 1
        crew(scene, op)
        scene.until(scene.now_s + 1.0)
    return len(app.boxes["crew_changes"])


def test_a_backlog_below_the_line_is_worked_off_and_one_above_it_grows_for_ever():
    assert backlog_after(6.0) <= 1
    assert backlog_after(24.0) > 24 + 10
    assert backlog_after(24.0, horizon=6) <= 1


def test_open_changes_are_owed_and_survive_a_crash_in_the_middle_of_a_plan():
    scene, store, app = scene_of(0.0, solver={"base": "500ms", "k": 2, "retry_wait": "1s"})
    for op in (1, 2):
        crew(scene, op)
    scene.until(0.5)
    assert app.export()["owed"] == [(1, 0.0), (2, 0.0)]
    scene.crash(APP)
    scene.until(1.0)
    scene.restart(APP)
    scene.until(10.0)
    assert store.records("crew_plans") == {1: 1, 2: 1}
    assert app.export()["owed"] == []


def test_what_makes_no_sense_is_said_to_make_none():
    scene, _, _ = scene_of()
    for operation, params, status in (("fly", {}, 404), ("check_in", {"user": -1}, 400), ("crew_change", {}, 400)):
        answer = scene.ask(APP, operation, params)
        scene.until(scene.now_s + 1.0)
        assert answer[0].status == status
        assert answer[0].body["message"]


def test_an_app_without_a_store_says_what_it_needs():
    with pytest.raises(ValueError, match=r"airline depends on nothing; it needs a store first in depends_on"):
        scene_of(depends_on=[])
