"""The line that repeats a run, whoever carried it out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.plan import Plan, make_plan
from harness.record.folder import RunFolder
from harness.report.run_page import repeat_line
from harness.spec.load import load_experiment, parse_experiment

EXPERIMENT = """
title: t
load: {kv_reads: {arrivals: {rate: 10/s}}}
timeline:
  - {at: outage.start, do: kv.latency, with: {factor: 4, for: 1s}}
  - {at: outage.end, do: kv.drop_queue, fix: true}
variants: {only: {}}
"""


@pytest.fixture
def plan() -> Plan:
    return make_plan(parse_experiment(EXPERIMENT, "slow"), "only", 9)


def test_a_run_is_run_again_and_a_world_simulated(plan: Plan) -> None:
    assert repeat_line(plan) == "blackstart run experiments/slow.yaml --variant only --seed 9"
    world = replace(plan, engine="world")
    assert repeat_line(world) == "blackstart simulate experiments/slow.yaml --variant only --seed 9"


def test_a_run_is_repeated_from_the_file_that_it_was_read_from(tmp_path: Path) -> None:
    path = tmp_path / "my files" / "slow.yaml"
    path.parent.mkdir()
    path.write_text(EXPERIMENT)
    plan = Plan.from_json(make_plan(load_experiment(path), "only", 9).to_json())
    assert repeat_line(plan) == f"blackstart run '{path}' --variant only --seed 9"


def test_a_locustfile_is_given_to_locust_again_with_the_plugin(plan: Plan) -> None:
    recorded = replace(plan, engine="locust")
    assert repeat_line(recorded) == (
        "locust -f LOCUSTFILE,$(blackstart plugin) --blackstart-experiment experiments/slow.yaml "
        "--blackstart-variant only --blackstart-seed 9"
    )
    alone = replace(recorded, name="their file", timeline=())
    assert repeat_line(alone) == "locust -f 'their file.py',$(blackstart plugin) --blackstart-seed 9"


def test_the_command_that_is_recorded_is_the_one_that_repeats_it(plan: Plan, tmp_path: Path) -> None:
    recorded, folder = replace(plan, engine="locust"), RunFolder(tmp_path)
    assert repeat_line(recorded, folder) == repeat_line(recorded)  # a folder without a manifest
    folder.write_json(folder.manifest, {"command": "locust -f their.py,plugin.py -u 5"})
    assert repeat_line(recorded, folder) == "locust -f their.py,plugin.py -u 5"
    folder.write_json(folder.manifest, {"engine": "locust"})
    assert repeat_line(recorded, folder) == repeat_line(recorded)
