"""Whole runs whose load is made by Locust's master and workers: complete, or told to be incomplete."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.plan import Plan
from harness.record.folder import RunFolder
from harness.record.journal import read_journal
from harness.record.rows import read_rows

pytestmark = pytest.mark.long

TEXT = """
title: A small slow spell
seed: 3
region: {kv: {instances: 1, slots: 8, service: {mean: 10ms, distribution: fixed}}, mobile_banking: null}
load: {kv_reads: {arrivals: {rate: 200/s, process: poisson}}}
phases: {warm_up: 500ms, baseline: 2s, outage: 1s, recovery: 3s, drain: 500ms}
timeline:
  - {at: outage.start, do: kv.latency, with: {mean: 15ms}}
  - {at: outage.end, do: kv.heal, with: {fault: latency}, fix: true}
steady_state: {for: 1s}
"""


class Run:
    """A `blackstart run --processes 2` in its own process."""

    def __init__(self, place: Path, *words: str) -> None:
        (place / "spell.yaml").write_text(TEXT)
        self._root = place / "runs"
        code = "import sys; from harness.cli import run_words; sys.exit(run_words(sys.argv[1:]))"
        argv = ["run", str(place / "spell.yaml"), "--runs", str(self._root), "--no-report", "--json", *words]
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    @property
    def folder(self) -> RunFolder:
        (path,) = self._root.glob("spell/*")
        return RunFolder(path)

    def until_under_way(self) -> list[psutil.Process]:
        """Wait until every worker has rows; all processes below the run."""
        until_s = time.monotonic() + 60.0
        while time.monotonic() < until_s and self.process.poll() is None:
            files = list(self._root.glob("spell/*/rows/load-*-operation.rows"))
            if len(files) == 2 and all(read_rows(path).rows.size > 20 for path in files):
                return psutil.Process(self.process.pid).children(recursive=True)
            time.sleep(0.02)
        raise AssertionError(f"no worker wrote rows: {self.process.communicate()}")

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=60.0)
        return self.process.returncode, out, err


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    made = Run(tmp_path, "--processes", "2")
    yield made
    if made.process.poll() is None:
        made.process.terminate()
        made.process.communicate(timeout=20.0)


def left_running(children: list[psutil.Process], patience_s: float = 3.0) -> list[str]:
    until_s = time.monotonic() + patience_s
    while True:
        alive = [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
        if not alive or time.monotonic() > until_s:
            return [" ".join(child.cmdline()) for child in alive]
        time.sleep(0.02)


def accounts(folder: RunFolder) -> tuple[dict[str, Any], list[int]]:
    """What the manifest says of the load, and every operation that has a row."""
    files = [read_rows(path).rows["op"] for path in folder.rows.glob("load-*-operation.rows")]
    told: dict[str, Any] = folder.read_json(folder.manifest)["load"]
    return told, sorted(op for ops in files for op in ops.tolist())


def test_two_workers_make_the_run_that_one_process_would(run: Run) -> None:
    children = run.until_under_way()
    code, out, err = run.end()
    folder = run.folder
    measures = json.loads(out)
    assert code == (0 if measures["validity"]["valid"] else 3), err
    told, ops = accounts(folder)
    plan = Plan.from_json(folder.read_json(folder.plan))
    assert ops == plan.schedule().op.tolist()
    assert told["scheduled"] == told["started"] + told["dropped"] == told["rows"] == len(ops)
    assert (told["processes"], told["missing"], told["lost"]) == (2, 0, [])
    assert measures["load"]["offered"] == len(ops)
    assert all(read_rows(path).complete for path in folder.rows.glob("*.rows"))
    gauges = read_rows(folder.gauges)
    assert {"load", "load-0", "load-1"} <= set(gauges.names["component"])  # each process's share of a core
    assert not any("operations have no row" in reason for reason in measures["validity"]["reasons"])
    assert left_running(children) == []


def test_a_run_that_lost_a_worker_goes_on_keeps_the_rest_and_is_not_valid(run: Run) -> None:
    children = run.until_under_way()
    folder = run.folder
    workers = folder.read_json(folder.path / "workers.json")["workers"]
    os.kill(workers[1]["pid"], signal.SIGKILL)
    code, out, err = run.end()
    assert code == 3, err
    measures = json.loads(out)
    told, ops = accounts(folder)
    assert folder.read_json(folder.manifest)["state"] == "completed"
    assert told["lost"] == ["load-1"]
    assert told["missing"] == told["share"] - len(ops) > 0
    reasons = measures["validity"]["reasons"]
    assert any(f"{told['missing']} of {told['share']} scheduled operations have no row" in text for text in reasons)
    (entry,) = [each for each in read_journal(folder.journal) if each.get("state") == "lost"]
    assert entry["name"] == "load-1"
    assert set(Plan.from_json(folder.read_json(folder.plan)).schedule().op[0::2].tolist()) <= set(ops)
    assert left_running(children) == []


def test_sigterm_ends_master_workers_and_region(run: Run) -> None:
    children = run.until_under_way()
    run.process.send_signal(signal.SIGTERM)
    assert run.end()[0] == 143
    assert all(read_rows(path).complete for path in run.folder.rows.glob("load-*.rows"))
    assert run.folder.read_json(run.folder.manifest)["killed"] == []
    assert left_running(children) == []


def test_a_worker_elsewhere_takes_part_and_ships_its_rows(tmp_path: Path) -> None:
    """Elsewhere is here a process that may not write into the run's folder; the address is loopback, and the run's."""
    place = "127.9.9.9"  # no run claims this net
    run = Run(tmp_path, "--processes", "1", "--elsewhere", "1", "--bind", place)
    files = str(Path(__file__).parents[2] / "locustfiles" / "kv_reads.py")
    argv = [sys.executable, "-m", "locust", "-f", files, "--worker", "--master-host", place, "--headless"]
    environ = {name: value for name, value in os.environ.items() if name != "BLACKSTART_RUN"}
    with (tmp_path / "far.log").open("wb") as log:
        far = subprocess.Popen(argv, stdout=log, stderr=log, env={**environ, "BLACKSTART_SHIP": "1"}, cwd=tmp_path)
    try:
        children = run.until_under_way()
        code, out, err = run.end()
        assert f"locust -f locustfiles/kv_reads.py --worker --master-host {place}" in err
        assert code == (0 if json.loads(out)["validity"]["valid"] else 3), err
        assert far.wait(15.0) == 0, (tmp_path / "far.log").read_text()
        told, ops = accounts(run.folder)
        assert ops == Plan.from_json(run.folder.read_json(run.folder.plan)).schedule().op.tolist()
        assert sorted(worker["shipped"] for worker in told["workers"]) == [False, True]
        assert told["scheduled"] == told["rows"] == len(ops)
        assert left_running(children) == []
    finally:
        far.kill()
        far.wait()
        if run.process.poll() is None:
            run.process.terminate()
            run.process.communicate(timeout=20.0)
