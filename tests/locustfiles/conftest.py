"""Run folders for a real Locust process, and a bare region on the other side of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.plan import Plan, make_plan
from harness.record.folder import RunFolder
from harness.record.region import DNS_PORT, lay_out
from harness.spec.load import parse_experiment

ROOT = Path(__file__).parents[2]
EXPERIMENT = """
title: a load process on its own
description: does the load process do what the plan says?
region: {preset: small}
client: {deadline: 400ms, timeout: 300ms, attempts: 2, backoff: none}
load:
  mobile_banking: {arrivals: {rate: 150/s, process: poisson}, users: 20}
  kv_reads: {arrivals: {rate: 100/s, process: even}}
phases: {warm_up: 0s, baseline: 400ms, outage: 400ms, recovery: 400ms, drain: 600ms}
timeline:
  - {at: outage.start, do: kv.latency, with: {mean: 30ms, for: 100ms}}
  - {at: outage.end, do: kv.drop_queue, fix: true}
variants: {naive: {}}
"""


class LoadProcess:
    """A run folder with its plan, and the Locust process that loads it."""

    def __init__(self, folder: RunFolder, plan: Plan) -> None:
        self.folder = folder
        self.plan = plan
        self.process: subprocess.Popen[bytes] | None = None

    def start(
        self, *stories: str, environ: dict[str, str] | None = None, cwd: Path | None = None, options: Sequence[str] = ()
    ) -> None:
        files = ",".join(str(ROOT / "locustfiles" / f"{story}.py") for story in stories)
        ours = ("--headless", "--only-summary", "-u", "1", "-r", "1")
        self.play(files, *ours, *options, environ=environ, cwd=cwd)

    def play(
        self, files: str | Path, *options: str, environ: dict[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        """Start Locust with these files and options."""
        argv = [sys.executable, "-m", "locust", "-f", str(files), *options]
        named = {"BLACKSTART_RUN": str(self.folder.path)} if environ is None else environ
        inherited = {name: value for name, value in os.environ.items() if name != "BLACKSTART_RUN"}
        with (self.folder.path / "load.log").open("wb") as log:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=log, stderr=log, env={**inherited, **named}, cwd=cwd
            )

    def until_ready(self) -> None:
        assert self.process is not None
        until_s = time.monotonic() + 90
        while not (self.folder.path / "load.ready").exists():
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < until_s, self.log()
            time.sleep(0.02)

    def fix_zero(self, ahead_s: float = 0.2) -> None:
        zero_ns = time.monotonic_ns() + round(ahead_s * 1e9)
        self.folder.write_json(self.folder.plan, self.plan.at_zero(zero_ns).to_json())

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(90)

    def summary(self) -> dict[str, Any]:
        return self.folder.read_json(self.folder.path / "load-0.json")

    def log(self) -> str:
        return (self.folder.path / "load.log").read_text()

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            assert self.process.stdin is not None
            self.process.stdin.close()


def free_net() -> int:
    """A 127.N.0.0/16 outside those of real runs, with nobody on its DNS port."""
    for net in (251, 252, 253, 254):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((f"127.{net}.0.2", DNS_PORT))
            except OSError:
                continue
            return net
    pytest.fail("all of 127.251-254.0.2 have somebody on the DNS port")


Make = Callable[..., LoadProcess]


@pytest.fixture(scope="module")
def patient() -> str:
    """The same experiment with callers who wait for a minute, and a drain that waits for them: it ends when all are
    answered, so on a machine that is busy with other things nothing gives up, and on one that is not nothing is slower.
    """
    patience = EXPERIMENT.replace("deadline: 400ms, timeout: 300ms", "deadline: 60s, timeout: 60s")
    return patience.replace("drain: 600ms", "drain: 60s")


@pytest.fixture(scope="module")
def make_load(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    made: list[LoadProcess] = []

    def make(text: str = EXPERIMENT, root: Path | None = None) -> LoadProcess:
        plan = make_plan(parse_experiment(text, "alone"), "naive", 7)
        folder = RunFolder.create(root or tmp_path_factory.mktemp("runs"), "alone", "naive", 7, "x")
        lay_out(free_net(), plan.components).save(folder.region)
        folder.write_json(folder.plan, plan.to_json())
        made.append(LoadProcess(folder, plan))
        return made[-1]

    yield make
    for load in made:
        load.end()


@pytest.fixture(scope="module")
def bare_region() -> Iterator[Callable[[RunFolder], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start(folder: RunFolder) -> subprocess.Popen[bytes]:
        argv = [sys.executable, str(ROOT / "benchmarks" / "support" / "bare_region.py"), str(folder.path)]
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        return process

    yield start
    for process in started:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.wait(10)
        process.stdout.close()
