"""Locust's own master and workers over a plan of ours: every operation once, every row home, nobody left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from harness.load.find_run import listens
from harness.record.folder import RunFolder
from harness.record.journal import read_journal
from harness.record.rows import read_rows

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
FILES = ",".join(str(ROOT / "locustfiles" / f"{story}.py") for story in ("mobile_banking", "kv_reads"))
LONGER = """
title: long enough to be cut
description: what is left of a load that loses a part of itself?
region: {preset: small}
client: {deadline: 400ms, timeout: 300ms, attempts: 1, backoff: none}
load: {kv_reads: {arrivals: {rate: 200/s, process: poisson}}}
phases: {warm_up: 0s, baseline: 1s, outage: 1s, recovery: 3s, drain: 600ms}
timeline:
  - {at: outage.start, do: kv.latency, with: {mean: 30ms, for: 100ms}}
  - {at: outage.end, do: kv.drop_queue, fix: true}
variants: {naive: {}}
"""
FAST = """
title: as much as one process could
region: {preset: small, mobile_banking: null, kv: {slots: 1000, service: {mean: 0.001us, distribution: fixed}}}
client: {deadline: 1500ms, timeout: 1s, attempts: 1}
load: {kv_reads: {arrivals: {rate: 2000/s, process: poisson}}}
phases: {warm_up: 0s, baseline: 1s, outage: 1s, recovery: 1s, drain: 1600ms}
timeline:
  - {at: outage.start, do: kv.latency, with: {factor: 1, for: 100ms}}
  - {at: outage.end, do: kv.drop_queue, fix: true}
variants: {naive: {}}
"""
ANOTHER_VERSION = """
import harness
harness.__version__ = "0.0.9"
from locustfiles.kv_reads import KvReads
"""
NOT_OURS = "from locust import User, task\nclass Pacer(User):\n    @task\n    def idle(self): self.wait()\n"


class Crowd:
    """Locust processes of one run, and where they meet."""

    def __init__(self, load: Any) -> None:
        self.load = load
        self.folder: RunFolder = load.folder
        self.plan = load.plan
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = str(probe.getsockname()[1])
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.below: dict[int, psutil.Process] = {}

    def start(
        self, name: str, *options: str, files: str = FILES, environ: dict[str, str] | None = None, cwd: Path = ROOT
    ) -> None:
        port = "--master-bind-port" if "--worker" not in options else "--master-port"
        argv = [sys.executable, "-m", "locust", "-f", files, "--only-summary", port, self.port, *options]
        if "--web-port" not in options:
            argv.append("--headless")
        if "--processes" in options:
            argv += ["--master-port", self.port]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BLACKSTART_")}
        named = {"BLACKSTART_RUN": str(self.folder.path)} if environ is None else environ
        with (self.folder.path / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**inherited, **named},
                cwd=cwd,
            )

    def log(self, name: str = "master") -> str:
        return (self.folder.path / f"{name}.log").read_text()

    def begin(self, ahead_s: float = 0.5) -> None:
        """Wait until all are ready, and name the run's zero."""
        until_s = time.monotonic() + 60
        while not (self.folder.path / "load.ready").exists():
            assert self.processes["master"].poll() is None, self.log()
            assert time.monotonic() < until_s, self.log()
            time.sleep(0.02)
        for process in self.processes.values():
            for child in psutil.Process(process.pid).children(recursive=True):
                self.below[child.pid] = child
        self.load.fix_zero(ahead_s)

    def wait(self, name: str = "master", patience_s: float = 40.0) -> int:
        return self.processes[name].wait(patience_s)

    def until(self, found: Callable[[], bool], patience_s: float = 30.0) -> None:
        until_s = time.monotonic() + patience_s
        while not found():
            assert time.monotonic() < until_s, self.log()
            time.sleep(0.02)

    def left(self, patience_s: float = 5.0) -> list[int]:
        """Processes that still run."""
        until_s = time.monotonic() + patience_s
        ours = [*self.below.values()]
        while time.monotonic() < until_s:
            alive = [each.pid for each in ours if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
            alive += [each.pid for each in self.processes.values() if each.poll() is None]
            if not alive:
                return []
            time.sleep(0.05)
        return alive

    def workers(self) -> dict[str, Any]:
        return self.folder.read_json(self.folder.path / "workers.json")

    def ops(self) -> list[int]:
        """All operations that have a row; every file whole, or it is not read."""
        files = [read_rows(path) for path in sorted(self.folder.rows.glob("load-*-operation.rows"))]
        assert all(file.complete for file in files)
        return sorted(op for file in files for op in file.rows["op"].tolist())

    def end(self) -> None:
        for process in self.processes.values():
            for child in psutil.Process(process.pid).children(recursive=True) if process.poll() is None else ():
                child.kill()
            process.kill()
            process.wait()
            assert process.stdin is not None
            process.stdin.close()
        for child in self.below.values():
            if child.is_running():
                child.kill()


@pytest.fixture
def crowd(make_load: Any) -> Iterator[Crowd]:
    made = Crowd(make_load())
    yield made
    made.end()


@pytest.mark.parametrize(("processes", "users"), [("2", "1"), ("2", "2"), ("3", "7")])
def test_each_operation_is_started_once_whatever_users_locust_spreads(crowd: Crowd, processes: str, users: str) -> None:
    """With one user and two workers Locust leaves one of them without any; with seven, three have several."""
    crowd.start("master", "--processes", processes, "-u", users, "-r", users)
    crowd.begin()
    assert crowd.wait() == 0, crowd.log()
    planned = crowd.plan.schedule()
    assert crowd.ops() == planned.op.tolist()
    told = crowd.workers()
    assert told["scheduled"] == told["started"] + told["dropped"] == told["rows"] == told["share"] == planned.op.size
    assert (told["missing"], told["lost"]) == (0, [])
    n = int(processes)
    for k, worker in enumerate(told["workers"]):
        rows = read_rows(crowd.folder.rows / f"load-{k}-operation.rows").rows
        assert set(rows["worker"].tolist()) == {k}
        assert sorted(rows["op"].tolist()) == planned.op[k::n].tolist()
        by_op = np.sort(rows, order="op")
        assert np.array_equal(by_op["intended_ns"], np.round(planned.intended_s[k::n] * 1e9).astype(np.int64))
        assert (worker["state"], worker["shipped"], worker["clock"]["shared"]) == ("drained", False, True)
    aggregated = next(line for line in crowd.log().splitlines() if "Aggregated" in line and "%" in line)
    attempts = sum(read_rows(path).rows.size for path in crowd.folder.rows.glob("load-*-attempt.rows"))
    assert int(aggregated.split()[1]) == attempts  # Locust alone tells of 40 of 80: what workers had left is dropped
    assert crowd.left() == []


@pytest.mark.parametrize("processes", ["2", "4"])
def test_at_two_thousand_a_second_what_is_scheduled_is_started_or_dropped_and_has_a_row(
    make_load: Any, bare_region: Any, processes: str
) -> None:
    crowd = Crowd(make_load(FAST))
    try:
        bare_region(crowd.folder)
        crowd.start("master", "--processes", processes, "-u", processes, "-r", processes)
        crowd.begin()
        assert crowd.wait() == 0, crowd.log()
        planned = crowd.plan.schedule().op
        told = crowd.workers()
        assert planned.size > 5000
        assert told["scheduled"] == told["started"] + told["dropped"] == told["rows"] == told["share"] == planned.size
        assert (told["missing"], told["lost"], len(told["workers"])) == (0, [], int(processes))
        assert crowd.ops() == planned.tolist()
        assert crowd.left() == []
    finally:
        crowd.end()


def test_a_worker_without_the_run_s_folder_ships_every_row(crowd: Crowd) -> None:
    crowd.start("master", "--master", "--expect-workers", "2", "--expect-workers-max-wait", "30")
    crowd.start("near", "--worker")
    crowd.start("far", "--worker", environ={"BLACKSTART_SHIP": "1", "TMPDIR": str(crowd.folder.path)})
    crowd.begin()
    assert len(list(crowd.folder.path.glob("blackstart-worker-*"))) == 1
    assert crowd.wait() == 0, crowd.log() + crowd.log("far")
    assert crowd.wait("far") == crowd.wait("near") == 0
    assert crowd.ops() == crowd.plan.schedule().op.tolist()
    told = crowd.workers()
    assert sorted(worker["shipped"] for worker in told["workers"]) == [False, True]
    (far,) = [worker for worker in told["workers"] if worker["shipped"]]
    assert far["clock"]["round_trips"] == 16
    assert abs(far["clock"]["offset_ns"]) <= far["clock"]["error_ns"] < 50_000_000  # one clock, asked over a socket
    assert abs(far["clock"]["at_end"]["offset_ns"]) <= far["clock"]["at_end"]["error_ns"]
    assert crowd.folder.read_json(crowd.folder.path / f"{far['name']}.json")["scheduled"] == far["share"]
    zero_ns = crowd.folder.read_json(crowd.folder.plan)["zero_monotonic_ns"]
    for kind in ("operation", "attempt", "gauge"):
        found = read_rows(crowd.folder.rows / f"{far['name']}-{kind}.rows")
        assert (found.complete, found.zero_monotonic_ns) == (True, zero_ns)
    assert list(crowd.folder.path.glob("blackstart-worker-*")) == []  # its own copy is gone when all is here
    assert crowd.left() == []


@pytest.fixture
def longer(make_load: Any) -> Iterator[Crowd]:
    made = Crowd(make_load(LONGER))
    yield made
    made.end()


def until_under_way(crowd: Crowd, *names: str) -> None:
    paths = [crowd.folder.rows / f"{name}-operation.rows" for name in names]
    crowd.until(lambda: all(path.exists() and read_rows(path).rows.size > 20 for path in paths))


def test_a_worker_that_is_killed_is_told_and_its_rows_so_far_and_the_others_are_kept(longer: Crowd) -> None:
    longer.start("master", "--processes", "2", "-u", "2", "-r", "2")
    longer.begin()
    until_under_way(longer, "load-1")
    (pid,) = [worker["pid"] for worker in longer.workers()["workers"] if worker["name"] == "load-1"]
    os.kill(pid, signal.SIGKILL)
    assert longer.wait() == 0, longer.log()
    told = longer.workers()
    lost = told["workers"][1]
    kept = read_rows(longer.folder.rows / "load-1-operation.rows")
    assert told["lost"] == ["load-1"]
    assert (lost["state"], lost["why"], lost["rows"]) == ("lost", "its process ended", kept.rows.size)
    assert not kept.complete
    assert lost["missing"] == lost["share"] - kept.rows.size == told["missing"] > 0
    whole = read_rows(longer.folder.rows / "load-0-operation.rows")
    assert whole.complete
    assert sorted(whole.rows["op"].tolist()) == longer.plan.schedule().op[0::2].tolist()
    (entry,) = [each for each in read_journal(longer.folder.journal) if each.get("state") == "lost"]
    assert (entry["who"], entry["kind"], entry["name"], entry["pid"]) == ("load", "process", "load-1", pid)
    assert entry["t_s"] < longer.plan.load_end_s  # told when it happened, not when all was over
    assert longer.left() == []


def test_without_any_worker_left_the_master_ends_and_says_why(longer: Crowd) -> None:
    longer.start("master", "--processes", "2", "-u", "2", "-r", "2")
    longer.begin()
    until_under_way(longer, "load-0", "load-1")
    for worker in longer.workers()["workers"]:
        os.kill(worker["pid"], signal.SIGKILL)
    assert longer.wait() == 4
    assert "all workers are lost" in longer.log()
    assert longer.workers()["lost"] == ["load-0", "load-1"]
    assert longer.left() == []


def test_a_worker_that_somebody_ends_closes_its_rows_and_what_it_left_is_told_as_missing(longer: Crowd) -> None:
    longer.start("master", "--processes", "2", "-u", "2", "-r", "2")
    longer.begin()
    until_under_way(longer, "load-0")
    os.kill(longer.workers()["workers"][0]["pid"], signal.SIGTERM)
    assert longer.wait() == 0, longer.log()
    short = longer.workers()["workers"][0]
    assert short["state"] == "drained"
    assert short["scheduled"] == short["started"] + short["dropped"] == short["rows"] < short["share"]
    assert short["missing"] == short["share"] - short["rows"]
    assert read_rows(longer.folder.rows / "load-0-operation.rows").complete
    notes = [each["text"] for each in read_journal(longer.folder.journal) if each["kind"] == "note"]
    assert any("load-0 ended before its time" in text for text in notes)
    assert longer.left() == []


def test_sigterm_to_the_master_closes_everybody_s_rows_and_ends_all(longer: Crowd) -> None:
    longer.start("master", "--processes", "2", "-u", "2", "-r", "2")
    longer.begin()
    until_under_way(longer, "load-0", "load-1")
    longer.processes["master"].send_signal(signal.SIGTERM)
    assert longer.wait(patience_s=10.0) == 0, longer.log()
    told = longer.workers()
    assert told["lost"] == []
    assert told["scheduled"] == told["started"] + told["dropped"] == told["rows"] == len(longer.ops()) > 0
    assert longer.left() == []


@pytest.mark.parametrize("when", ["waiting", "playing"])
def test_a_master_that_is_killed_takes_its_workers_with_it(longer: Crowd, when: str) -> None:
    """By themselves they would look for it for a minute, and one that never met it for five."""
    if when == "waiting":
        longer.start("master", "--processes", "2")
        master = psutil.Process(longer.processes["master"].pid)
        longer.until(lambda: len(master.children()) == 2)
        longer.below = {child.pid: child for child in master.children()}
    else:
        longer.start("master", "--processes", "2")
        longer.begin()
        until_under_way(longer, "load-0", "load-1")
    longer.processes["master"].kill()
    assert longer.left() == []
    if when == "playing":
        assert longer.ops()  # closed, each file with its count


def test_the_end_of_the_parent_s_pipe_ends_master_and_workers(longer: Crowd) -> None:
    longer.start("master", "--processes", "2")
    longer.begin()
    until_under_way(longer, "load-0", "load-1")
    stdin = longer.processes["master"].stdin
    assert stdin is not None
    stdin.close()
    assert longer.wait(patience_s=10.0) == 143
    assert longer.left() == []
    assert longer.ops()


def test_a_worker_of_another_version_is_refused_with_words_on_both_sides(longer: Crowd, tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(ANOTHER_VERSION)
    longer.start("master", "--master", "--expect-workers", "1", "--expect-workers-max-wait", "30")
    longer.start("old", "--worker", files=str(tmp_path / "other.py"), environ={})
    assert longer.wait("old") == 2, longer.log("old")
    assert longer.wait() == 2
    assert "refused by the master: a worker" in longer.log("old")
    for log in (longer.log(), longer.log("old")):
        assert "runs blackstart 0.0.9" in log
        assert "install the same versions on both hosts" in log
    assert longer.left() == []


def test_a_worker_with_a_locustfile_that_is_not_ours_is_not_waited_for_without_end(
    longer: Crowd, tmp_path: Path
) -> None:
    (tmp_path / "theirs.py").write_text(NOT_OURS)
    longer.start("master", "--master", "--expect-workers", "1", "--expect-workers-max-wait", "30")
    longer.start("alien", "--worker", files=str(tmp_path / "theirs.py"), environ={})
    assert longer.wait(patience_s=60.0) == 4
    assert "0 of 1 workers said what they are within 10 s" in longer.log()
    assert longer.left() == []


def test_a_worker_that_never_comes_is_waited_for_as_long_as_said(longer: Crowd) -> None:
    longer.start("master", "--master", "--expect-workers", "2", "--expect-workers-max-wait", "3")
    longer.start("one", "--worker")
    assert longer.wait() == 4  # Locust's own way out is exit 1, which here means that a criterion failed
    assert "1 of 2 workers came within 3 s" in longer.log()
    assert longer.left(patience_s=20.0) == []


def test_stories_that_no_locustfile_plays_are_told_before_anybody_is_forked(longer: Crowd) -> None:
    only = str(ROOT / "locustfiles" / "coffee.py")
    longer.start("master", "--processes", "2", files=only)
    assert longer.wait(patience_s=20.0) == 2
    assert "the plan's load has kv_reads, but no locustfile given plays it" in longer.log()
    assert longer.left() == []


def test_a_shape_and_a_port_that_is_taken_are_told_before_anybody_is_forked(longer: Crowd) -> None:
    """Locust itself would end with a traceback and exit 1 for the port, and play the plan under a shape's name."""
    files = ",".join(str(ROOT / "locustfiles" / f"{name}.py") for name in ("kv_reads", "shapes"))
    longer.start("shaped", "--processes", "2", files=files)
    assert longer.wait("shaped", patience_s=20.0) == 2
    assert "a shape says when users come, and workers play a plan; leave out the shape" in longer.log("shaped")
    with socket.create_server(("127.0.0.1", int(longer.port))):
        for name, options in (("forking", ["--processes", "2"]), ("alone", ["--master"])):
            longer.start(name, *options, "--master-bind-host", "127.0.0.1")
            assert longer.wait(name, patience_s=20.0) == 2
            words = f"port {longer.port} on 127.0.0.1 cannot be opened (Address already in use); choose another with"
            assert f"{words} --master-bind-port" in longer.log(name)
    assert longer.left() == []


def ask(port: str, path: str, **form: str) -> dict[str, Any]:
    data = urllib.parse.urlencode(form).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", data, timeout=10) as answer:
        return dict(json.load(answer))


def test_from_locust_s_page_workers_load_a_served_region_again_and_again_under_new_numbers(
    make_load: Any, tmp_path: Path
) -> None:
    load = make_load(LONGER, root=tmp_path / "runs" / "serve")
    served = tmp_path / "runs" / "serve" / "x"
    load.folder.path.rename(served)
    load.folder = RunFolder(served)
    load.fix_zero(-5.0)  # the region has been up for a while
    crowd = Crowd(load)
    net = load.folder.read_json(load.folder.region)["net"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        web = str(probe.getsockname()[1])
    try:
        with socket.socket() as lock:
            lock.bind((f"127.{net}.0.1", 7999))
            files = str(ROOT / "locustfiles" / "kv_reads.py")
            options = ["--processes", "2", "--web-host", "127.0.0.1", "--web-port", web]
            crowd.start("master", *options, files=files, environ={}, cwd=tmp_path)
            crowd.until(lambda: "ready. 2 workers connected" in crowd.log())
            crowd.until(lambda: listens("127.0.0.1", int(web)))
            for names in (("load-0", "load-1"), ("load-2", "load-3")):
                assert ask(web, "/swarm", user_count="1", spawn_rate="1")["success"]
                until_under_way(crowd, *names)
                assert ask(web, "/stop")["success"]
                crowd.until(lambda names=names: crowd.workers()["workers"][0]["name"] == names[0])
                crowd.until(lambda: all(each["state"] == "drained" for each in crowd.workers()["workers"]))
                told = crowd.workers()
                assert told["scheduled"] == told["started"] + told["dropped"] == told["rows"] > 40
                assert told["missing"] == 0
            os.killpg(crowd.processes["master"].pid, signal.SIGINT)  # Ctrl-C reaches them all
            assert crowd.wait(patience_s=60.0) == 0, crowd.log()
        ops = crowd.ops()
        assert len(set(ops)) == len(ops)  # a repeated number would be a repeated payment
        assert min(ops) > 1 << 40
    finally:
        crowd.end()
