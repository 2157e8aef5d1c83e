"""Whole simulated runs with operators: a surge, a square, a runbook that repairs, and one that never does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.plan import Plan, make_plan
from harness.record.folder import RunFolder
from harness.record.journal import read_journal
from harness.record.rows import read_rows
from harness.sim.kernel_plan import why_not
from harness.sim.world import World
from harness.spec import parse_experiment
from harness.spec.vocabulary import GAUGES
from harness.study import fluid

Play = Callable[..., RunFolder]
TEXT = """
title: t
region: {mobile_banking: null, kv: {slots: 5}}
client: {deadline: 1500ms, timeout: 500ms, attempts: 3}
load: {kv_reads: {arrivals: {rate: 100/s}, users: 100}}
phases: {warm_up: 1s, baseline: 7s, outage: 4s, recovery: 12s, drain: 2s}
steady_state: {for: 2s}
timeline:
"""
SLOW = "{at: outage.start, do: kv.latency, with: {factor: 6}}"
HEALED = "do: kv.heal, with: {fault: latency}, fix: true"


def run(play: Play, folder: Path, *entries: str) -> RunFolder:
    path = folder / "operators.yaml"
    path.write_text(TEXT + "".join(f"  - {entry}\n" for entry in entries))
    return play(folder, path, "base", 3)


def orchestrated(folder: RunFolder, *kinds: str) -> list[dict[str, Any]]:
    return [e for e in read_journal(folder.journal) if e["who"] == "orchestrator" and e["kind"] in kinds]


def gauge(folder: RunFolder, component: str, name: str) -> list[tuple[float, float]]:
    file = read_rows(folder.gauges)
    rows = file.rows
    names = file.names
    here = (rows["component"] == names["component"].index(component)) & (rows["gauge"] == names["gauge"].index(name))
    return [(int(t_ns) / 1e9, float(value)) for t_ns, value in rows[["t_ns", "value"]][here]]


def test_operators_repair_when_the_gauge_says_so_and_measures_count_from_there(play: Play, tmp_path: Path) -> None:
    when = "{gauge: kv.waiting_queue, above: 50, for: 750ms, delay: 1100ms}"
    folder = run(play, tmp_path, SLOW, f"{{when: {when}, {HEALED}, id: mended}}")
    readings = gauge(folder, "kv", "waiting_queue")
    beyond = [t_s for t_s, value in readings if t_s >= 8.0 and value > 50]
    decided = next(t_s for t_s in beyond if t_s - 0.75 in beyond and t_s - 0.5 in beyond and t_s - 0.25 in beyond)
    (heal,) = orchestrated(folder, "heal")
    assert heal["t_s"] == pytest.approx(decided + 1.1, abs=1e-9)
    assert heal["fired_by"]["decided_s"] == decided
    assert heal["fired_by"]["reading"] == dict(readings)[decided]
    measures = folder.read_json(folder.measures)
    assert measures["t_fix_s"] == heal["t_s"]
    assert orchestrated(folder, "note") == []


def test_a_repair_that_never_comes_leaves_no_fix_and_says_why(play: Play, tmp_path: Path) -> None:
    when = "{gauge: kv.waiting_queue, above: 100000}"
    folder = run(play, tmp_path, SLOW, f"{{when: {when}, {HEALED}, id: mended}}")
    measures = folder.read_json(folder.measures)
    assert measures["t_fix_s"] is None
    assert measures["reasons"]["t_fix_s"]
    assert orchestrated(folder, "fix", "heal") == []
    (note,) = orchestrated(folder, "note")
    assert note["id"] == "mended"
    why = "kv.waiting_queue above 100000 was not found from 8 s on (its highest reading was "
    assert note["text"].startswith(f"kv.heal (mended) never happened: {why}")


def test_a_square_takes_slots_away_and_gives_them_back(play: Play, tmp_path: Path) -> None:
    square = "{at: 8s, do: kv.capacity, with: {slots: 3, for: 3500ms}, square: {on: 500ms, off: 1s}}"
    folder = run(play, tmp_path, square, "{at: 12s, do: kv.drop_queue, fix: true}")
    told = [(entry["t_s"], entry["kind"]) for entry in orchestrated(folder, "inject", "heal")]
    assert told == [
        (8.0, "inject"), (8.5, "heal"), (9.5, "inject"), (10.0, "heal"), (11.0, "inject"), (11.5, "heal"),
    ]  # fmt: skip
    few = [t_s for t_s, slots in gauge(folder, "kv", "slots") if slots == 3.0]
    assert few == [8.0, 8.25, 9.5, 9.75, 11.0, 11.25]


def test_with_a_surge_what_came_before_it_is_the_run_without(play: Play, tmp_path: Path) -> None:
    (tmp_path / "calm").mkdir()
    (tmp_path / "surged").mkdir()
    spell = ["{at: 14s, do: kv.capacity, with: {slots: 4, for: 1s}}", "{at: 15s, do: kv.drop_queue, fix: true}"]
    surge = "{at: 8s, do: load.surge, with: {factor: 2, for: 4s}}"
    calm, surged = (
        read_rows(run(play, tmp_path / name, *entries).rows / "load-0-operation.rows").rows
        for name, entries in (("calm", spell), ("surged", [*spell, surge]))
    )
    calm, surged = (np.sort(rows, order="op") for rows in (calm, surged))
    same = surged[: calm.size]
    assert np.array_equal(same["op"], calm["op"])
    assert np.array_equal(same["intended_ns"], calm["intended_ns"])
    before = calm["finished_ns"] < 8_000_000_000
    assert np.array_equal(same[before], calm[before])
    further = surged[calm.size :]["intended_ns"]
    assert 8_000_000_000 <= further.min() < further.max() < 12_000_000_000
    assert abs(further.size - 400) < 4 * 400**0.5


def made(*entries: str) -> tuple[Plan, Any]:
    file = parse_experiment(TEXT + "".join(f"  - {entry}\n" for entry in entries))
    return make_plan(file, "base", 1, engine="world"), file


def test_engines_that_read_no_gauges_refuse_what_waits_for_one() -> None:
    healed = f"{{at: outage.end, {HEALED}}}"
    plain, plain_file = made(SLOW, healed)
    waits, waits_file = made(SLOW, healed, "{when: {gauge: kv.waiting_queue, above: 9}, do: kv.drop_queue}")
    surge, surge_file = made(SLOW, healed, "{at: 9s, do: load.surge, with: {factor: 2, for: 1s}}")
    assert why_not(plain) is None
    assert fluid.stuck(plain_file) is not None
    assert "no entry can wait for a `when`" in str(why_not(waits))
    assert why_not(surge) is None
    assert (fluid.stuck(waits_file), fluid.stuck(surge_file)) == (None, None)


def test_the_gauges_a_condition_may_name_are_those_that_are_reported(tmp_path: Path) -> None:
    text = TEXT.replace("{mobile_banking: null, kv: {slots: 5}}", "region")
    text = text.replace("baseline: 7s, outage: 4s, recovery: 12s", "baseline: 1s, outage: 1s, recovery: 2s")
    file = parse_experiment(text + f"  - {SLOW}\n  - {{at: outage.end, {HEALED}}}\n")
    world = World(make_plan(file, "base", 1, engine="world"), RunFolder.create(tmp_path, "t", "base", 1, "test"))
    world.run()
    reported = {name: set(found) for name, found in world.readings().items() if name != "load"}
    assert reported == {name: set(GAUGES[name]) for name in reported}
    assert reported.keys() >= {"dns", "kv", "mobile_banking", "compute", "network", "balancer", "queue", "functions"}
