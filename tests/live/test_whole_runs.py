"""Whole runs on real sockets, small ones, and every way out of them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.analyse import analyse
from harness.plan import Plan
from harness.record.folder import RunFolder
from harness.record.journal import read_journal
from harness.record.rows import read_rows

pytestmark = pytest.mark.long

TEXT = """
title: A small slow spell
seed: 3
region: {kv: {instances: 1, slots: 4, service: {mean: 10ms, distribution: fixed}}, mobile_banking: null}
load: {kv_reads: {arrivals: {rate: 100/s, process: even}}}
phases: {warm_up: 500ms, baseline: 2s, outage: 1s, recovery: 3s, drain: 500ms}
timeline:
  - {at: outage.start, do: kv.latency, with: {mean: 15ms}}
  - {at: outage.end, do: kv.heal, with: {fault: latency}, fix: true}
steady_state: {for: 1s}
"""


class Run:
    """A `blackstart run` in its own process."""

    def __init__(self, folder: Path, text: str = TEXT) -> None:
        (folder / "spell.yaml").write_text(text)
        self._root = folder / "runs"
        code = "import sys; from harness.cli import run_words; sys.exit(run_words(sys.argv[1:]))"
        words = ["run", str(folder / "spell.yaml"), "--runs", str(self._root), "--no-report", "--json"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    @property
    def folder(self) -> RunFolder:
        (path,) = self._root.glob("spell/*")
        return RunFolder(path)

    def until_injected(self) -> list[psutil.Process]:
        """Wait until the fault is in; the run's children."""
        limit = time.monotonic() + 40.0
        while time.monotonic() < limit and self.process.poll() is None:
            if any(self._root.glob("spell/*/journal.jsonl")):
                entries = read_journal(self.folder.journal)
                if any(entry["who"] == "orchestrator" and entry["kind"] == "inject" for entry in entries):
                    return psutil.Process(self.process.pid).children(recursive=True)
            time.sleep(0.02)
        raise AssertionError(f"nothing was injected: {self.process.communicate()}")

    def end(self) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        out, err = self.process.communicate(timeout=40.0)
        return self.process.returncode, out, err


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    made = Run(tmp_path)
    yield made
    if made.process.poll() is None:
        made.process.terminate()
        made.process.communicate(timeout=20.0)


def left_running(children: list[psutil.Process], patience_s: float = 2.0) -> list[str]:
    """Those that still run; an ended one that nobody reaped does not."""
    limit = time.monotonic() + patience_s
    while True:
        alive = [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
        if not alive or time.monotonic() > limit:
            return [" ".join(child.cmdline()) for child in alive]
        time.sleep(0.02)


def entries(folder: RunFolder, who: str, *kinds: str) -> list[dict[str, Any]]:
    return [entry for entry in read_journal(folder.journal) if entry["who"] == who and entry["kind"] in kinds]


def test_a_run_keeps_its_plan_to_the_end(run: Run) -> None:
    children = run.until_injected()
    assert len(children) == 3  # dns, kv, load
    code, out, err = run.end()
    folder = run.folder
    measures = json.loads(out)
    assert code == (0 if measures["validity"]["valid"] else 3), err
    assert "too short" not in str(measures["validity"]["reasons"])  # 2 s windows, 1 s steady: a quiet run is valid
    manifest = folder.read_json(folder.manifest)
    assert (manifest["state"], manifest["exit_code"]) == ("completed", 0)
    assert (manifest["killed"], manifest["not_healed"]) == ([], [])
    files = {path.name: read_rows(path) for path in [*folder.rows.glob("*.rows"), folder.gauges]}
    assert {name for name, file in files.items() if not file.complete} == set()
    plan = Plan.from_json(folder.read_json(folder.plan))
    assert sorted(files["load-0-operation.rows"].rows["op"].tolist()) == plan.schedule().op.tolist()
    assert files["canary-attempt.rows"].rows["layer"].tolist() == [255] * 13  # 2/s: 2 % of 100/s, while load lasts
    told = [(entry["kind"], entry["due_s"]) for entry in entries(folder, "orchestrator", "inject", "heal")]
    assert told == [("inject", 2.5), ("heal", 3.5)]
    begun = [entry["name"] for entry in entries(folder, "orchestrator", "phase")]
    assert begun == [phase.name for phase in plan.phases]
    assert folder.token.stat().st_mode & 0o777 == 0o600
    assert json.loads((folder.path / "exports" / "kv.json").read_text())["component"] == "kv"
    assert left_running(children) == []


@pytest.mark.parametrize(
    ("number", "code", "state"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_heals_then_ends_everything(run: Run, number: signal.Signals, code: int, state: str) -> None:
    children = run.until_injected()
    run.process.send_signal(number)
    assert run.end()[0] == code
    folder = run.folder
    assert folder.read_json(folder.manifest)["state"] == state
    (healed,) = entries(folder, "orchestrator", "heal")
    assert (healed["what"], healed["result"]) == ("undo", True)
    assert [entry["why"] for entry in entries(folder, "kv", "heal")] == ["asked"]
    assert all(read_rows(path).complete for path in folder.rows.glob("*.rows"))
    assert left_running(children) == []


def test_killing_the_orchestrator_leaves_nothing_running(run: Run) -> None:
    children = run.until_injected()
    run.process.kill()
    assert run.end()[0] == -signal.SIGKILL
    assert left_running(children) == []
    folder = run.folder
    assert folder.read_json(folder.manifest)["state"] == "running"
    assert read_rows(folder.rows / "load-0-operation.rows").rows.size > 0
    assert analyse(folder)["verdict"] == "invalid"


def test_a_service_that_dies_is_told_and_what_was_recorded_is_kept(run: Run) -> None:
    children = run.until_injected()
    (kv,) = [child for child in children if child.name() == "kv"]
    kv.kill()
    code, out, err = run.end()
    assert (code, out) == (4, "")
    assert f"blackstart: kv (process {kv.pid}) ended: killed by SIGKILL; its log, " in err
    folder = run.folder
    manifest = folder.read_json(folder.manifest)
    assert (manifest["state"], manifest["exit_code"]) == ("failed", 4)
    assert len(manifest["not_healed"]) == 1  # its fault died with it
    assert read_rows(folder.rows / "kv-served.rows").rows.size > 0
    assert read_rows(folder.rows / "load-0-operation.rows").complete
    assert left_running(children) == []


def test_a_service_that_hangs_when_its_fault_is_to_end_is_told_and_the_record_is_whole(run: Run) -> None:
    children = run.until_injected()
    (kv,) = [child for child in children if child.name() == "kv"]
    kv.suspend()
    code, out, err = run.end()
    assert (code, out) == (4, "")
    assert "timeline: kv.heal (2-kv-heal) could not be done: kv: DELETE" in err
    folder = run.folder
    (failed,) = entries(folder, "orchestrator", "heal_failed")
    assert (failed["id"], failed["due_s"]) == ("2-kv-heal", 3.5)
    assert "no reply within 5 s" in failed["error"]
    manifest = folder.read_json(folder.manifest)
    assert (manifest["state"], manifest["killed"]) == ("failed", ["kv"])
    assert read_rows(folder.rows / "load-0-operation.rows").complete
    measures = analyse(folder)
    assert measures["verdict"] == "invalid"
    assert any("kv.heal (2-kv-heal) could not be done" in reason for reason in measures["validity"]["reasons"])
    assert left_running(children) == []


def test_operators_act_when_the_gauges_of_a_live_run_say_so(tmp_path: Path) -> None:
    """Ten times slower, the store is asked for more than it serves; whoever sees that for half a second mends it."""
    mend = "when: {gauge: kv.waiting_queue, above: 5, for: 500ms, delay: 250ms}"
    text = TEXT.replace("mean: 15ms", "mean: 100ms").replace("at: outage.end", mend)
    surge = "  - {at: 1s, do: load.surge, with: {rate: +50/s, for: 500ms}}"
    text = text.replace("steady_state", f"{surge}\nsteady_state", 1)
    run = Run(tmp_path, text)
    children = run.until_injected()
    run.end()
    folder = run.folder
    (heal,) = entries(folder, "orchestrator", "heal")[1:]
    seen = heal["fired_by"]
    assert seen["reading"] > 5.0
    assert seen["decided_s"] - seen["since_s"] >= 0.5
    assert heal["due_s"] == pytest.approx(seen["decided_s"] + 0.25, abs=2e-6)
    (fix,) = entries(folder, "orchestrator", "fix")
    assert fix["t_s"] >= heal["asked_s"] >= heal["due_s"] > 3.0
    plan = Plan.from_json(folder.read_json(folder.plan))
    assert plan.fix_s is None
    operations = read_rows(folder.rows / "load-0-operation.rows").rows
    assert sorted(operations["op"].tolist()) == list(range(1, 650 + 25 + 1))
    assert left_running(children) == []
