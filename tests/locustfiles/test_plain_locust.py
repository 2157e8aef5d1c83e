"""Every locustfile of the project as people use it: `blackstart serve` in one shell, plain Locust in another.

One region with every component is served, by an experiment that loads one story alone; each file is then given to
Locust with no other flag than how long. What Locust counted, what the rows hold and what the exit code says must agree.
"""

from __future__ import annotations

import ast
import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from harness.flows.wants import Result
from harness.policies.crowd import MARK, SEATS, nth_of, user_of
from harness.record.rows import read_rows
from harness.spec.load import load_experiment
from harness.spec.region import PRESETS
from harness.spec.vocabulary import STORIES

ROOT = Path(__file__).parents[2]
FILES = sorted(path for path in (ROOT / "locustfiles").glob("*.py") if path.stem not in ("__init__", "shapes"))
EXPERIMENT = """
title: Every component at once
region:
  preset: sectors
  kv: {instances: 2, slots: 10, service: {mean: 5ms}}
  compute: {}
  network: {}
  balancer: {}
  queue: {}
  functions: {}
  identity: {}
  status: {}
  provider: {}
client: {deadline: 1500ms, timeout: 500ms, attempts: 2}
load: {kv_reads: {arrivals: {rate: 40/s, process: even}}}
timeline:
  - {at: outage.start, do: dns.empty_record}
  - {at: outage.end, do: dns.heal, with: {fault: empty_record}, fix: true}
"""
PATIENCE_S = 90.0


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_locustfile_shows_both_commands_and_plays_the_story_of_its_name(path: Path) -> None:
    tree = ast.parse(path.read_text())
    said = ast.get_docstring(tree) or ""
    served = re.search(r"^ +blackstart serve (\S+) +in one terminal$", said, re.MULTILINE)
    assert served, said
    assert re.search(rf"^ +locust -f locustfiles/{path.name} +in another", said, re.MULTILINE), said
    needs = STORIES[path.stem].needs
    if served[1] in PRESETS:
        there = {"dns", "kv", "mobile_banking", *PRESETS[served[1]]}
    else:
        file = load_experiment(ROOT / served[1])
        there = set(file.variant(file.variants[0]).region.instances())
        assert path.stem in file.variant(file.variants[0]).load, "that experiment does not load this story"
    assert set(needs) <= there
    (kind,) = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    assert kind.name == "".join(part.capitalize() for part in path.stem.split("_"))


class Served(NamedTuple):
    """A region, and where Locust is started."""

    cwd: Path
    folder: Path

    def locust(self, *options: str) -> subprocess.Popen[str]:
        """A Locust process."""
        argv = [sys.executable, "-m", "locust", *options]
        return subprocess.Popen(argv, cwd=self.cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def until_recording(self, process: subprocess.Popen[str], number: int) -> None:
        """Wait until load process `number` has its row files."""
        until_s = time.monotonic() + PATIENCE_S
        while not (self.folder / f"rows/load-{number}-operation.rows").exists():
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < until_s
            time.sleep(0.02)

    def numbers(self) -> int:
        """How many load processes recorded here so far."""
        return len(list((self.folder / "rows").glob("load-*-operation.rows")))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    cwd = tmp_path_factory.mktemp("plain")
    (cwd / "all.yaml").write_text(EXPERIMENT)
    argv = [sys.executable, "-c", "from harness.cli import main; main()", "serve", "all.yaml"]
    with subprocess.Popen(argv, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as region:
        assert region.stdout is not None
        for line in region.stdout:
            if line.startswith("end"):
                break
        (folder,) = (cwd / "runs/serve").iterdir()
        yield Served(cwd, folder)
        region.send_signal(signal.SIGINT)
        region.wait(PATIENCE_S)


def accounted(served: Served, number: int, said: str, code: int) -> dict[str, Any]:
    """One load's summary, when Locust, the rows and the exit code agree."""
    assert code == 0, said
    operations = read_rows(served.folder / f"rows/load-{number}-operation.rows")
    attempts = read_rows(served.folder / f"rows/load-{number}-attempt.rows")
    assert operations.complete
    assert attempts.complete
    summary: dict[str, Any] = json.loads((served.folder / f"load-{number}.json").read_text())
    assert summary["scheduled"] == summary["started"] == operations.rows.size > 0, said
    assert summary["attempts"] == attempts.rows.size
    assert summary["errors"] == 0, said
    aggregated = next(line for line in said.splitlines() if "Aggregated" in line and "%" in line)
    ended = attempts.rows["result"] != Result.UNFINISHED  # those cut off at the end are rows, and no requests of Locust
    assert int(aggregated.split()[1]) == np.count_nonzero(ended), said
    return {**summary, "stories": operations.names["story"], "ops": operations.rows["op"]}


@pytest.mark.long
def test_every_file_runs_with_plain_locust_against_one_region(served: Served) -> None:
    first = served.numbers()
    started = []
    for number, path in enumerate(FILES, first):  # two loads must not begin at one moment: they number themselves
        process = served.locust("-f", str(path), "--headless", "--only-summary", "-t", "3s")
        served.until_recording(process, number)
        started.append((path.stem, number, process))
    for story, number, process in started:
        said = process.communicate(timeout=PATIENCE_S)[0]
        summary = accounted(served, number, said, process.returncode)
        assert summary["stories"] == [story]
        assert summary["outcomes"]["good"] > 0, (story, summary)


@pytest.mark.long
def test_under_a_shape_each_user_is_one_and_a_herd_comes_back_at_once(served: Served) -> None:
    number = served.numbers()
    files = f"{ROOT / 'locustfiles/kv_reads.py'},{ROOT / 'locustfiles/shapes.py'}"
    process = served.locust(
        "-f", files, "--headless", "--only-summary", "--shape", "spike", "--shape-period", "4", "--users", "30",
        "-t", "7s",
    )  # fmt: skip
    said = process.communicate(timeout=PATIENCE_S)[0]
    summary = accounted(served, number, said, process.returncode)
    turns = [(int(op) & (2 * MARK - 1)) for op in summary["ops"]]
    assert {user_of(op, SEATS) for op in turns} == set(range(60))  # thirty before, and thirty when they come back
    assert max(nth_of(op, SEATS) for op in turns) >= 1


@pytest.mark.long
def test_a_class_picked_on_the_page_is_the_only_one_that_is_played(served: Served) -> None:
    number = served.numbers()
    port = free_port()
    files = ",".join(str(ROOT / f"locustfiles/{name}.py") for name in ("kv_reads", "pages"))
    process = served.locust("-f", files, "--class-picker", "--web-host", "127.0.0.1", "--web-port", str(port))
    page = f"http://127.0.0.1:{port}"
    try:
        body = urllib.parse.urlencode({"user_count": 1, "spawn_rate": 1, "user_classes": "Pages"}).encode()
        until_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                urllib.request.urlopen(f"{page}/swarm", body, timeout=10).close()
                break
            except OSError:
                assert time.monotonic() < until_s
                time.sleep(0.05)
        served.until_recording(process, number)
        path = served.folder / f"rows/load-{number}-operation.rows"
        while not read_rows(path).rows.size:
            assert time.monotonic() < until_s
    finally:
        process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=PATIENCE_S)[0]
    assert accounted(served, number, said, process.returncode)["stories"] == ["pages"]


@pytest.mark.long
def test_a_class_picked_for_workers_is_the_only_one_that_they_play(served: Served) -> None:
    """Picked on the master's command line and on its page; workers have the files of both, and are told."""
    files = ",".join(str(ROOT / f"locustfiles/{name}.py") for name in ("kv_reads", "pages"))
    common = ["-f", files, "--processes", "2", "--master-bind-host", "127.0.0.1"]
    common += ["--master-bind-port", (port := str(free_port())), "--master-port", port]

    def played() -> list[tuple[str, list[str]]]:
        told = json.loads((served.folder / "workers.json").read_text())
        assert told["scheduled"] == told["started"] + told["dropped"] == told["rows"] > 0
        names = [worker["name"] for worker in told["workers"]]
        return [(n, read_rows(served.folder / f"rows/{n}-operation.rows").names["story"]) for n in names]

    first = served.numbers()
    process = served.locust(*common, "Pages", "--headless", "--only-summary", "-t", "3s")
    said = process.communicate(timeout=PATIENCE_S)[0]
    assert process.returncode == 0, said
    assert played() == [(f"load-{first}", ["pages"]), (f"load-{first + 1}", ["pages"])]

    web = free_port()
    process = served.locust(*common, "--class-picker", "--web-host", "127.0.0.1", "--web-port", str(web))
    try:
        body = urllib.parse.urlencode({"user_count": 2, "spawn_rate": 2, "user_classes": "KvReads"}).encode()
        until_s = time.monotonic() + PATIENCE_S
        while len(list((served.folder / "rows").glob("load-*-operation.rows"))) < first + 4:
            assert time.monotonic() < until_s
            time.sleep(0.5)  # a master without workers says that it started, and does not
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{web}/swarm", body, timeout=10).close()
        while not all(
            read_rows(served.folder / f"rows/load-{n}-operation.rows").rows.size for n in (first + 2, first + 3)
        ):
            assert time.monotonic() < until_s
    finally:
        process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=PATIENCE_S)[0]
    assert process.returncode == 0, said
    assert played() == [(f"load-{first + 2}", ["kv_reads"]), (f"load-{first + 3}", ["kv_reads"])]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
