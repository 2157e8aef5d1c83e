"""The shapes, tick by tick, and what they must not do to Locust's way of asking."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import SpecError
from harness.load.shaping import KINDS, SPAWN_S, Shaping
from harness.plan import make_plan
from harness.record.folder import RunFolder
from harness.record.journal import Journal
from harness.spec.load import parse_experiment

HERE = Path(__file__).parent
SHAPES = HERE.parents[1] / "locustfiles/shapes.py"
OPTIONS = {
    "shape": "ramp", "shape_period": 20.0, "shape_steps": 4, "shape_night": 0.2, "num_users": 40, "run_time": None,
    "shape_phases": "baseline=0.5,outage=0.25,recovery=1,drain=0",
}  # fmt: skip
EXPERIMENT = """
title: t
load: {kv_reads: {arrivals: {rate: 10/s}}}
phases: {warm_up: 1s, baseline: 2s, outage: 3s, recovery: 4s, drain: 5s}
timeline:
  - {at: outage.start, do: kv.latency, with: {factor: 4, for: 1s}}
  - {at: outage.end, do: kv.drop_queue, fix: true}
"""


def users(shaping: Shaping, *times_s: float, **options: Any) -> list[int]:
    found = []
    for t_s in times_s:
        answer = shaping.tick(SimpleNamespace(**{**OPTIONS, **options}), t_s)
        assert answer is not None
        assert len(answer) == 2, "user classes govern only who is added"
        assert answer[1] * SPAWN_S >= 40, "all of them are there before Locust asks again"
        found.append(answer[0])
    return found


def test_each_shape_is_a_function_of_the_time() -> None:
    assert users(Shaping("ramp"), 0.0, 5.0, 10.0, 20.0, 99.0) == [0, 10, 20, 40, 40]
    assert users(Shaping("step"), 0.0, 4.9, 5.0, 10.0, 15.0, 99.0) == [10, 10, 20, 30, 40, 40]
    assert users(Shaping("diurnal"), 0.0, 5.0, 10.0, 15.0, 20.0) == [8, 24, 40, 24, 8]
    assert users(Shaping("spike"), 0.0, 9.9, 10.0, 12.9, 13.0, 99.0) == [40, 40, 0, 0, 40, 40]


def test_the_option_picks_the_shape_unless_the_class_is_picked() -> None:
    times_s = (0.0, 3.0, 7.0, 11.0, 19.0, 31.0)
    for kind in KINDS[:-1]:
        assert users(Shaping(), *times_s, shape=kind) == users(Shaping(kind), *times_s, shape="ramp")


def test_locust_takes_the_first_shape_of_a_file_and_that_is_the_one_with_the_option() -> None:
    classes = [node for node in ast.parse(SHAPES.read_text()).body if isinstance(node, ast.ClassDef)]
    assert classes[0].name == "Shape"
    kinds = [
        ast.literal_eval(line.value) for found in classes[1:] for line in found.body if isinstance(line, ast.Assign)
    ]
    assert kinds == list(KINDS)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"shape": "bogus"}, "--shape is 'bogus'; it is one of ramp, step, diurnal, spike, by_phase"),
        ({"shape_period": 0.0}, "the shape ramp cannot be made of its options (float division by zero)"),
        ({"shape_period": -1.0}, "the shape ramp wants -500% of the users"),
        ({"shape": "step", "shape_steps": "x"}, "the shape step cannot be made of its options"),
    ],
)
def test_options_that_make_no_shape_are_complained_about(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SpecError) as caught:
        Shaping().tick(SimpleNamespace(**{**OPTIONS, **options}), 5.0)
    assert complaint in str(caught.value)


def test_a_shape_ends_with_the_run_time() -> None:
    assert users(Shaping(), 29.9, run_time=30) == [40]
    assert Shaping().tick(SimpleNamespace(**{**OPTIONS, "run_time": 30}), 30.0) is None


def test_the_phase_is_the_journals_and_before_it_says_one_the_plans(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(parse_experiment(EXPERIMENT, "t"), "base", 1)
    folder = RunFolder.create(tmp_path, "t", "base", 1, "x")
    folder.write_json(folder.plan, plan.to_json())
    monkeypatch.setenv("BLACKSTART_RUN", str(folder.path))
    shaping = Shaping("by_phase")
    assert users(shaping, 0.5, 1.5, 3.5, 6.5, 10.5, 99.0) == [40, 20, 10, 40, 0, 0]
    journal = Journal(folder.journal, "orchestrator")
    journal.write(3.0, "phase", name="outage", start_s=3.0, end_s=6.0)
    journal.write(3.0, "inject", id="e1", what="kv.latency")
    journal.close()
    with folder.journal.open("a") as torn:
        torn.write('{"t_s": 6.0, "kind": "phase", "na')  # being written
    assert users(shaping, 99.0) == [10]
    with folder.journal.open("a") as torn:
        torn.write('me": "recovery"}\n')
    assert users(shaping, 0.0) == [40]
    with pytest.raises(SpecError, match="--shape-phases is 'outage'; write shares by phase, as in baseline=1"):
        users(shaping, 0.0, shape_phases="outage")


@pytest.fixture(scope="module")
def under_locust() -> dict[str, Any]:
    argv = [sys.executable, str(HERE / "under_locust.py")]
    done = subprocess.run(argv, cwd=HERE.parents[1], capture_output=True, text=True, timeout=90, check=False,
                          env={"PYTHONPATH": str(HERE.parents[1])})  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_no_stage_is_cut_short_by_a_slow_spawn(under_locust: dict[str, Any]) -> None:
    """At the spawn rate of 1/s that was asked for, a stage of two seconds would have had two of its forty users."""
    assert under_locust["ticks_until_there"] == 1
    assert under_locust["asked"] == [[0.0, 40, 80.0], [10.0, 0, 80.0]]


def test_nobody_who_is_there_turns_into_somebody_else(under_locust: dict[str, Any]) -> None:
    """Why no shape names user classes, and one class of users reads the phase."""
    assert under_locust["picked"] == [{"Waiting": 4, "Other": 0}, {"Waiting": 4, "Other": 0}]


def test_what_locusts_page_does_not_enforce_ends_the_test(under_locust: dict[str, Any]) -> None:
    assert under_locust["ended"]
