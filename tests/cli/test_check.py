"""What `blackstart check` says of demand that no schedule holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import run_words
from harness.cli.check import asked
from harness.flows.crowd import groups_of
from harness.plan import Plan, make_plan
from harness.spec import parse_experiment

CLOSED = """
title: Users who wait
seed: 7
region: {mobile_banking: null}
load: {kv_reads: {users: 50, think: 1s}}
phases: {warm_up: 1s, baseline: 4s, outage: 2s, recovery: 6s, drain: 2s}
timeline:
  - {at: outage.start, do: kv.latency, with: {mean: 300ms}}
  - {at: outage.end, do: kv.heal, with: {fault: latency}, fix: true}
"""


def plan_of(text: str) -> Plan:
    return make_plan(parse_experiment(text, "t"), "base", None)


def test_users_of_a_closed_loop_are_told_with_the_answer_time_that_their_operations_take(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(CLOSED)
    assert run_words(["check", str(path)]) == 0
    said = capsys.readouterr().out
    assert "closed: 50 users of kv_reads, about 552 operations if each is answered in 100 ms" in said
    assert " 0 operations" not in said
    assert run_words(["check", str(path), "--json"]) == 0
    (variant,) = json.loads(capsys.readouterr().out)["variants"]
    assert variant["operations"] == 0
    assert variant["closed"] == [{"story": "kv_reads", "users": 50, "operations": 552, "answer_s": 0.1}]


def test_think_times_that_are_all_alike_give_the_number_that_can_be_counted_by_hand() -> None:
    """Every user turns once in 1.1 s, from a moment of the first second on: 13 s hold 11 or 12 turns of each."""
    plan = plan_of(CLOSED.replace("think: 1s", "think: 1s, crowd: {think: fixed}"))
    (group,) = groups_of(plan.experiment.crowds())
    assert group.spec.fixed
    assert 50 * 11 <= asked(plan, group) <= 50 * 12
    assert asked(plan, group, answer_s=1e6) == 50  # who is never answered asks once


def test_of_very_many_users_some_are_followed_and_the_number_is_for_all() -> None:
    few, many = (plan_of(CLOSED.replace("users: 50", f"users: {users}")) for users in (400, 40_000))
    (group,), (herd,) = (groups_of(plan.experiment.crowds()) for plan in (few, many))
    assert asked(many, herd) == 100 * asked(few, group)
