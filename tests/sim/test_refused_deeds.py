"""What a component refuses in the middle of a run, and what meets a dead process: told, and the record kept whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import pytest

from harness.analyse import analyse
from harness.errors import RunError
from harness.models.valve import Valve
from harness.plan import make_plan
from harness.record.folder import RunFolder
from harness.record.rows import read_rows
from harness.sim import simulate
from harness.sim.world import World
from harness.spec import parse_experiment
from harness.spec.components.mobile_banking import MORE_GAUGES, with_more
from harness.spec.vocabulary import GAUGES

TEXT = """
title: refused
load: {mobile_banking: {arrivals: {rate: 40/s}, users: 50}}
phases: {warm_up: 1s, baseline: 2s, outage: 1s, recovery: 2s, drain: 1s}
timeline:
  - {at: outage.start, do: kv.latency, with: {factor: 2, for: 500ms}}
  - {at: outage.start + 600ms, do: mobile_banking.shed, with: {above: 0}}
  - {at: outage.end, do: mobile_banking.open_intake, fix: true}
"""


def simulated(tmp_path: Path, text: str) -> RunFolder:
    folder = RunFolder.create(tmp_path, "t", "base", 1, "test")
    simulate(make_plan(parse_experiment(text), "base", 1, engine="world"), folder)
    return folder


def journal(folder: RunFolder) -> list[dict[str, Any]]:
    return [json.loads(line) for line in folder.journal.read_text().splitlines()]


def test_a_refused_deed_ends_the_run_and_leaves_a_whole_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Valve, params: Mapping[str, Any], now_s: float) -> NoReturn:
        raise ValueError("nobody may be shed today")

    monkeypatch.setattr(Valve, "_shed", refuse)
    with pytest.raises(RunError, match=r"mobile_banking.shed .* could not be done: nobody may .* recorded is in"):
        simulated(tmp_path, TEXT)
    folder = RunFolder(next((tmp_path / "t").iterdir()))
    entries = [(entry["kind"], entry["t_s"]) for entry in journal(folder) if "shed" in str(entry.get("what"))]
    assert entries == [("action_failed", 3.6)]
    assert folder.read_json(folder.manifest)["state"] == "failed"
    rows = read_rows(folder.rows / "load-0-operation.rows").rows
    assert rows.size > 0
    assert rows["intended_ns"].max() <= 3_600_000_000
    measures = analyse(folder)
    assert measures["verdict"] == "invalid"
    assert measures["validity"]["reasons"][0].startswith("the run failed at 3.6 s (timeline: mobile_banking.shed")
    assert measures["audit"]["partial"] is True


def test_what_meets_a_dead_process_is_written_down(tmp_path: Path) -> None:
    text = TEXT.replace("kv.latency, with: {factor: 2, for: 500ms}", "mobile_banking.crash, with: {for: 800ms}")
    found = journal(simulated(tmp_path, text))
    at = [number for number, entry in enumerate(found) if "dead process" in str(entry.get("text"))]
    assert [(found[number - 1]["kind"], found[number]["who"], found[number]["t_s"]) for number in at] == [
        ("action", "mobile_banking", 3.6)
    ]


def test_the_gauges_of_failover_and_offline_may_be_named_where_they_are_reported(tmp_path: Path) -> None:
    """And nothing else is reported: a condition may name all that there is."""
    region = "region: {provider: {}, mobile_banking: {depends_on: [kv, provider], failover: {}, offline: {}}}\n"
    waits = "  - {when: {gauge: mobile_banking.failed_over_total, above: 0}, do: mobile_banking.open_intake}\n"
    file = parse_experiment(region + TEXT + waits)
    world = World(make_plan(file, "base", 1, engine="world"), RunFolder.create(tmp_path, "t", "base", 1, "test"))
    world.run()
    app = file.variant("base").region.mobile_banking
    assert app is not None
    assert set(with_more(app)) == {gauge for gauges in MORE_GAUGES.values() for gauge in gauges}
    assert set(world.readings()["mobile_banking"]) == {*GAUGES["mobile_banking"], *with_more(app)}
