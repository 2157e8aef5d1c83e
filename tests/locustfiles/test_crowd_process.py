"""Users of a closed loop in the load process as it is run: real Locust, real sockets, and the turns of the crowd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.flows.crowd import Crowd, groups_of
from harness.policies.crowd import MARK, nth_of, user_of
from harness.record.folder import RunFolder
from harness.record.rows import read_rows

EXPERIMENT = """
title: Users who wait
region: {preset: small, mobile_banking: null}
client: {deadline: 60s, timeout: 60s, attempts: 1}
load: {kv_reads: {users: 30, think: 200ms, crowd: {herd: outage.end, herd_within: 50ms}}}
phases: {warm_up: 0s, baseline: 800ms, outage: 200ms, recovery: 1s, drain: 60s}
timeline:
  - {at: outage.start, do: kv.latency, with: {mean: 30ms, for: 100ms}}
  - {at: outage.end, do: kv.drop_queue, fix: true}
variants: {naive: {}}
"""
HERD_NS = 1_000_000_000


@pytest.fixture(scope="module")
def played(make_load: Any, bare_region: Callable[[RunFolder], Any]) -> Any:
    load = make_load(EXPERIMENT)
    bare_region(load.folder)
    load.start("kv_reads")
    load.until_ready()
    load.fix_zero()
    assert load.wait() == 0, load.log()
    return load


def test_each_turn_is_the_one_the_crowd_has_after_the_answer_before_it(played: Any) -> None:
    """The rows alone say when each answer came; from that, the crowd must ask for exactly the turns that were taken."""
    rows = read_rows(played.folder.rows / "load-0-operation.rows").rows
    taken = {int(row["op"]): row for row in rows}
    crowd = Crowd(groups_of(played.plan.experiment.crowds()), played.plan.seed, played.plan.load_end_s)
    asked = {turn.op: turn.due_s for turn in crowd.first()}
    for op in sorted(taken, key=lambda op: nth_of(op, 30)):
        after = crowd.after(op, True, taken[op]["finished_ns"] * 1e-9)
        if after is not None:
            asked[after.op] = after.due_s
    assert set(asked) == set(taken)
    assert {op: round(due_s * 1e9) for op, due_s in asked.items()} == {
        op: int(row["intended_ns"]) for op, row in taken.items()
    }
    assert (rows["started_ns"] >= rows["intended_ns"]).all()


def test_a_user_waits_for_the_answer_and_all_of_them_come_when_told_to(played: Any) -> None:
    rows = np.sort(read_rows(played.folder.rows / "load-0-operation.rows").rows, order="op")
    users = np.array([user_of(int(op), 30) for op in rows["op"]])
    assert set(users.tolist()) == set(range(30))
    assert rows["op"].min() >= MARK
    came = 0
    for user in range(30):
        mine = rows[users == user]
        assert (mine["intended_ns"][1:] >= mine["finished_ns"][:-1]).all()
        thought = (mine["finished_ns"][:-1] < HERD_NS) & (mine["intended_ns"][1:] > HERD_NS)
        assert (mine["intended_ns"][1:][thought] <= HERD_NS + 50_000_000).all()
        came += int(thought.sum())
    assert came > 0


def test_the_summary_counts_turns_as_they_came_due(played: Any) -> None:
    summary = played.summary()
    rows = read_rows(played.folder.rows / "load-0-operation.rows").rows
    assert summary["scheduled"] == summary["started"] == rows.size == summary["outcomes"]["good"]
    assert summary["dropped"] == 0
