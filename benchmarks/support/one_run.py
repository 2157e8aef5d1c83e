"""What the benchmarks of the load process share: a run folder, a bare region beside it, and how to print a result."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.plan import Plan, make_plan
from harness.record.folder import RunFolder
from harness.record.region import lay_out, read_region
from harness.spec.load import parse_experiment

ROOT = Path(__file__).parents[2]
NET = 249
EXPERIMENT = """
title: a benchmark
description: how much does our own machinery cost?
region: {{preset: small, mobile_banking: null, kv: {{slots: 1000, service: {{mean: 0.001us, distribution: fixed}}}}}}
client: {{deadline: 1500ms, timeout: 1s, attempts: 1}}  # a generator that is starved must not add a storm of its own
load:
  kv_reads: {{arrivals: {{rate: {rate}/s, process: poisson}}}}
phases: {{warm_up: 0s, baseline: {third}s, outage: {third}s, recovery: {third}s, drain: 1s}}
timeline:
  - {{at: outage.start, do: kv.latency, with: {{factor: 1, for: 100ms}}}}
  - {{at: outage.end, do: kv.drop_queue, fix: true}}
variants: {{only: {{}}}}
"""


def make_run(rate: float, seconds: float, net: int = NET) -> tuple[RunFolder, Plan]:
    """A run folder ready to be loaded with `rate` operations a second for `seconds`."""
    text = EXPERIMENT.format(rate=rate, third=round(seconds / 3, 3))
    plan = make_plan(parse_experiment(text, "benchmark"), "only", 1)
    folder = RunFolder.create(Path(tempfile.mkdtemp(prefix="blackstart-bench-")), "benchmark", "only", 1, "x")
    lay_out(net, plan.components).save(folder.region)
    folder.write_json(folder.plan, plan.to_json())
    folder.token.write_text("benchmark\n")
    return folder, plan


def fix_zero(folder: RunFolder, plan: Plan, ahead_s: float) -> None:
    """Name the run's zero, `ahead_s` from now."""
    folder.write_json(folder.plan, plan.at_zero(time.monotonic_ns() + round(ahead_s * 1e9)).to_json())


@contextmanager
def bare_region(folder: RunFolder) -> Iterator[subprocess.Popen[bytes]]:
    """DNS and echo handlers for the folder's region, in another process."""
    argv = [sys.executable, str(ROOT / "benchmarks" / "support" / "bare_region.py"), str(folder.path)]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        if process.stdout.readline() != b"ready\n":
            sys.exit(f"the bare region did not start: is another benchmark running on 127.{NET}.0.0/16?")
        yield process
    finally:
        process.stdin.close()
        process.wait()


def locust_argv(*stories: str) -> list[str]:
    """The command that plays these stories, as the orchestrator starts it."""
    files = ",".join(str(ROOT / "locustfiles" / f"{story}.py") for story in stories)
    return [sys.executable, "-m", "locust", "-f", files, "--headless", "--only-summary", "-u", "1", "-r", "1"]


def environ(folder: RunFolder) -> dict[str, str]:
    """The environment of a load process for this run."""
    return {**os.environ, "BLACKSTART_RUN": str(folder.path)}


def median(values: list[float]) -> float:
    """The median, of at least one value."""
    return statistics.median(values)


def show(result: dict[str, object], as_json: bool) -> None:
    """Print a result: one line of JSON, or a line per figure."""
    if as_json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:32} {value:.6g}" if isinstance(value, float) else f"{name:32} {value}")


__all__ = ["bare_region", "environ", "fix_zero", "locust_argv", "make_run", "median", "read_region", "show"]
