"""Users of a closed loop in the world: they wait, tire, come all at once, and the record says what that hides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.errors import SpecError
from harness.policies.crowd import MARK, nth_of, user_of
from harness.record.folder import RunFolder
from harness.record.rows import read_rows
from harness.spec.load import parse_experiment

EXPERIMENT = """
title: Users who wait for their answers
description: What does a closed loop hide?
region: {preset: small, mobile_banking: null}
client: {deadline: 1s, timeout: 400ms, attempts: 2}
load: {kv_reads: {users: 100, think: 1s}}
phases: {warm_up: 2s, baseline: 8s, outage: 5s, recovery: 12s, drain: 2s}
timeline:
  - {at: outage.start, do: kv.latency, with: {mean: 400ms, for: 5s}}
  - {at: outage.end, do: kv.drop_queue, fix: true}
variants:
  plain: {}
  open: {load: {kv_reads: {think: null, arrivals: {rate: 100/s}}}}
  tired: {load: {kv_reads: {crowd: {give_up_after: 1, come_back: 60s}}}}
  herd: {load: {kv_reads: {crowd: {give_up_after: 1, come_back: 60s, herd: outage.end, herd_within: 200ms}}}}
"""
Play = Callable[..., RunFolder]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, play: Play) -> dict[str, RunFolder]:
    root = tmp_path_factory.mktemp("crowd")
    path = root / "crowd.yaml"
    path.write_text(EXPERIMENT)
    return {variant: play(root, path, variant) for variant in ("plain", "open", "tired", "herd")}


def operations(folder: RunFolder) -> np.ndarray[Any, Any]:
    return np.sort(read_rows(folder.rows / "load-0-operation.rows").rows, order="intended_ns")


def due_in(folder: RunFolder, start_s: float, end_s: float) -> int:
    intended_s = operations(folder)["intended_ns"] * 1e-9
    return int(np.count_nonzero((intended_s >= start_s) & (intended_s < end_s)))


def test_a_user_never_has_two_operations_under_way(folders: dict[str, RunFolder]) -> None:
    rows = operations(folders["plain"])
    assert (rows["op"] >= MARK).all()
    users = np.array([user_of(int(op), 100) for op in rows["op"]])
    for user in range(100):
        mine = rows[users == user]
        assert [nth_of(int(op), 100) for op in mine["op"]] == list(range(mine.size))
        assert (mine["intended_ns"][1:] >= mine["finished_ns"][:-1]).all()


def test_a_closed_loop_asks_less_just_when_the_service_is_slow(folders: dict[str, RunFolder]) -> None:
    calm, slow = (due_in(folders["plain"], *span) / 5.0 for span in ((5.0, 10.0), (10.0, 15.0)))
    assert calm > 90.0
    assert slow < 0.75 * calm
    assert due_in(folders["open"], 10.0, 15.0) / 5.0 > 90.0  # as many arrive as ever


def test_who_gave_up_is_gone_until_something_tells_them_to_come(folders: dict[str, RunFolder]) -> None:
    assert due_in(folders["tired"], 20.0, 27.0) < 0.5 * due_in(folders["plain"], 20.0, 27.0)
    gone = due_in(folders["tired"], 15.0, 15.2)
    assert due_in(folders["herd"], 15.0, 15.2) > 60 > 5 * gone  # nearly all of a hundred users in a fifth of a second


def test_the_record_balances_although_no_plan_knew_how_many_would_come(folders: dict[str, RunFolder]) -> None:
    for variant in ("plain", "tired", "herd"):
        measures = folders[variant].read_json(folders[variant].measures)
        account = measures["reconcile"]
        assert account["scheduled"] == account["operations"] == account["started"] > 1000
        assert (account["missing"], account["repeated"]) == (0, 0)
    found = {variant: folders[variant].read_json(folders[variant].measures)["validity"] for variant in folders}
    assert found["plain"]["valid"]
    (reason,) = found["tired"]["reasons"]  # too few were left to judge by
    assert "one window of 200 operations" in reason


def test_a_closed_loop_is_told_of_with_what_it_hides(folders: dict[str, RunFolder]) -> None:
    said = folders["plain"].read_json(folders["plain"].measures)["validity"]["notes"]
    assert len(said) == 1
    assert "closed loop" in said[0]
    assert "coordinated omission" in said[0]
    assert folders["open"].read_json(folders["open"].measures)["validity"]["notes"] == []


@pytest.mark.parametrize(
    ("load", "complaint"),
    [
        ("{users: 5}", "load.kv_reads: neither `arrivals` nor `think`; write `arrivals: {rate: 100/s}`"),
        ("{think: 1s, arrivals: {rate: 5/s}}", "load.kv_reads: both `arrivals` and `think`"),
        ("{arrivals: {rate: 5/s}, crowd: {ramp: 1s}}", "load.kv_reads: `crowd` is how the users of a closed loop"),
        ("{think: 0s}", "load.kv_reads.think: '0s' is out of bounds; a duration here is above 0s"),
        ("{think: 1s, crowd: {herd: outage.middle}}", "load.kv_reads.crowd.herd: 'outage.middle': 'middle' is not an"),
        ("{think: 1s, crowd: {rampp: 1s}}", "load.kv_reads.crowd.rampp: unknown key; known here: think, ramp, give_up"),
        ("{think: 1s, crowd: {give_up_after: 0}}", "load.kv_reads.crowd.give_up_after: 0 is out of bounds"),
        ("{think: 1us, users: 900000}", "load.kv_reads.think: 9e+11/s for 27 s are 2.43e+13 operations"),
    ],
)
def test_a_load_that_is_no_loop_is_complained_about(load: str, complaint: str) -> None:
    text = EXPERIMENT[: EXPERIMENT.index("variants:")].replace("{users: 100, think: 1s}", load)
    with pytest.raises(SpecError) as caught:
        parse_experiment(text, "crowd")
    assert complaint in str(caught.value)
    assert str(caught.value).startswith("crowd.yaml:6:")


def test_nobody_arrives_in_a_surge_of_users_who_wait() -> None:
    line = "  - {at: outage.start, do: load.surge, with: {factor: 3, for: 2s}}\n"
    text = EXPERIMENT.replace("timeline:\n", "timeline:\n" + line)
    with pytest.raises(SpecError, match="the load of kv_reads is a closed loop, in which nobody arrives"):
        parse_experiment(text, "crowd")


def test_a_closed_loop_reads_back_as_it_was_written() -> None:
    bare = parse_experiment(EXPERIMENT.replace("give_up_after: 1, come_back: 60s, ", ""), "crowd").variant("herd")
    assert bare.written()["load"]["kv_reads"]["crowd"]["give_up_after"] == "none"
    assert type(bare).model_validate(bare.written()) == bare
    experiment = parse_experiment(EXPERIMENT, "crowd").variant("herd")
    written = experiment.written()["load"]["kv_reads"]
    assert "arrivals" not in written
    assert written["think"] == "1.0s"
    assert written["crowd"]["herd"] == "outage.end"
    assert type(experiment).model_validate(experiment.written()) == experiment
