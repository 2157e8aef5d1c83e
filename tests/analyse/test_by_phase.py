"""Tables by story and by component: they add up to the rows, and the curves are written down as they are drawn."""

from __future__ import annotations

import json

import numpy as np
import pytest

from harness.analyse import judge
from harness.analyse.latency import PhaseLatency
from harness.analyse.load_run import load
from harness.analyse.moments import Phase
from harness.analyse.series import NAMES
from harness.plan import make_plan
from harness.record.folder import RunFolder
from harness.record.layouts import LAYOUTS, Outcome
from harness.sim import simulate
from harness.spec.load import parse_experiment

TEXT = """
title: t
region: small
client: {deadline: 500ms, timeout: 200ms, attempts: 2}
load:
  mobile_banking: {arrivals: {rate: 40/s}, users: 40}
  kv_reads: {arrivals: {rate: 20/s}}
phases: {warm_up: 1s, baseline: 4s, outage: 2s, recovery: 4s, drain: 1s}
timeline:
  - {at: outage.start, do: kv.latency, with: {factor: 30, for: 2s}}
  - {at: outage.end, do: kv.drop_queue, fix: true}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    plan = make_plan(parse_experiment(TEXT, "t"), "base", 3, engine="world")
    folder = RunFolder.create(tmp_path_factory.mktemp("tables"), "t", "base", 3, "test")
    simulate(plan, folder)
    return folder


def test_stories_add_up_to_the_operations_and_to_the_phases(folder: RunFolder) -> None:
    measures, _ = judge(folder)
    rows = load(folder).of("operation")[0].rows
    cells = [cell for phases in measures["by_story"].values() for cell in phases.values()]
    assert set(measures["by_story"]) == {"mobile_banking", "kv_reads"}
    assert sum(cell["due"] for cell in cells) == rows.size
    for outcome in Outcome:
        assert sum(cell[outcome.name.lower()] for cell in cells) == int((rows["outcome"] == outcome).sum())
    for phase, total in measures["latency"].items():
        assert total["good"] == sum(story.get(phase, {}).get("good", 0) for story in measures["by_story"].values())


def test_a_story_s_percentiles_are_its_own(folder: RunFolder) -> None:
    measures, _ = judge(folder)
    file = load(folder).of("operation")[0]
    reads = file.rows[file.rows["story"] == file.names["story"].index("kv_reads")]
    inside = (reads["intended_ns"] >= 1e9) & (reads["intended_ns"] < 5e9) & (reads["outcome"] == Outcome.GOOD)
    latency_s = np.sort((reads["finished_ns"] - reads["intended_ns"])[inside] / 1e9)
    exact = latency_s[int(np.ceil(0.5 * latency_s.size)) - 1]
    assert measures["by_story"]["kv_reads"]["baseline"]["p50_s"] == pytest.approx(exact, rel=0.001)


def test_criticalities_add_up_to_the_stories_that_have_them(folder: RunFolder) -> None:
    measures, _ = judge(folder)
    bank, table = measures["by_story"]["mobile_banking"], measures["by_criticality"]
    assert set(table) == {"0", "1"}  # transfers and balances
    for phase, cell in bank.items():
        for key in ("due", "good", "failed", "late"):
            assert cell[key] == sum(phases[phase][key] for phases in table.values())
    assert table["0"]["baseline"]["due"] > table["1"]["baseline"]["due"]  # seven of ten are transfers


def test_components_add_up_to_the_attempts_and_the_served_rows(folder: RunFolder) -> None:
    measures, _ = judge(folder)
    run = load(folder)
    table = measures["by_component"]
    assert {"kv", "mobile_banking"} <= set(table)
    sent = sum(int(file.rows.size) for file in run.of("attempt"))
    assert sum(cell["attempts"] for phases in table.values() for cell in phases.values()) == sent
    for file in run.of("served"):
        (component,) = file.names["component"]
        assert sum(cell["arrived"] for cell in table[component].values()) == file.rows.size
    assert table["kv"]["outage"]["queue_delay_mean_s"] > 10 * table["kv"]["baseline"]["queue_delay_mean_s"]


def test_rows_of_a_story_that_the_plan_does_not_name_count_in_all_and_in_no_story() -> None:
    rows = np.zeros(3, np.dtype(list(LAYOUTS["operation"])))
    rows["story"] = [0, 1, 7]
    rows["finished_ns"] = 10**6
    found = PhaseLatency((Phase("baseline", 0.0, 1.0),), ("known",))
    found.feed(rows, ["known", "unknown"])
    assert found.report({})["baseline"]["good"] == 3
    assert found.by_story({})["known"]["baseline"]["due"] == 1


def test_the_series_are_the_curves_with_null_for_what_is_not_defined(folder: RunFolder) -> None:
    _, curves = judge(folder)
    held = json.loads(folder.series.read_text())
    assert held["window_s"] == curves.width_s
    assert held["goodput"] == curves.goodput.tolist()
    assert held["attempts_by_layer"].keys() == curves.attempts_by_layer.keys()
    for name in NAMES:
        for values in held[name].values() if isinstance(held[name], dict) else [held[name]]:
            assert len(values) == len(held["t_s"])
    assert [x is None for x in held["p99_s"]] == np.isnan(curves.p99_s).tolist()
