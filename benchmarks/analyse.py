"""How fast a run is analysed, and in how much memory: `python benchmarks/analyse.py [--rows N] [--json]`.

Writes a run of N operations (one attempt and one served row each, Poisson arrivals, exponential service) to a temporary
folder, then analyses it in a fresh process on one core, so that the memory reported is the analysis' own. The peer is
polars making the same windows of the same rows on the same core (`support/polars_windows.py`), in turns. The last line
of `--json` is an object: rows, seconds, rows_per_s, peak_mb, and those of the peer.
"""

from __future__ import annotations

import argparse
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from harness.plan import make_plan
from harness.record.folder import RunFolder
from harness.record.journal import Journal
from harness.record.layouts import LAYOUTS, TRAILER
from harness.record.rows import RowWriter
from harness.spec import parse_experiment

_ROOT = Path(__file__).parents[1]
_PEER = Path(__file__).parent / "support" / "polars_windows.py"
_SPEC = """
title: analysis benchmark
region:
  preset: small
  kv: {{instances: 1, slots: {slots}, service: {{mean: 20ms, distribution: exponential}}}}
  mobile_banking: null
client: {{deadline: 1500ms, timeout: 500ms, attempts: 3, backoff: none}}
load: {{kv_reads: {{arrivals: {{rate: {rate}/s, process: poisson}}}}}}
phases: {{warm_up: 10s, baseline: 100s, outage: 10s, recovery: 880s, drain: 10s}}
timeline:
  - {{at: outage.start, do: kv.latency, with: {{mean: 25ms}}}}
  - {{at: outage.end, do: kv.heal, with: {{fault: latency}}, fix: true}}
"""
_CHILD = """
import resource, sys, time
from pathlib import Path
from harness.analyse import analyse
from harness.analyse.evidence import gather
from harness.record.folder import RunFolder
import harness.analyse.measures
began = time.perf_counter()
measures = analyse(RunFolder.open(Path(sys.argv[1])))
print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, measures["verdict"])
"""


def write(root: Path, rows: int) -> RunFolder:
    """A healthy run of about `rows` operations over 1,000 s."""
    rate = rows / 1000
    file = parse_experiment(_SPEC.format(rate=rate, slots=max(2, int(rate * 0.03))), "bench")
    plan = make_plan(file, file.variants[0], 1).at_zero(0)
    folder = RunFolder.create(root, "bench", "base", 1, "t")
    folder.write_json(folder.plan, plan.to_json())
    journal = Journal(folder.journal, "orchestrator")
    journal.write(110.0, "inject", id="e1", what="kv.latency")
    journal.write(120.0, "fix", id="e2", what="kv.heal")
    journal.close()
    schedule = plan.schedule()
    rng = np.random.default_rng(1)
    due = (schedule.intended_s * 1e9).astype(np.int64)
    service = (rng.exponential(0.02, due.size) * 1e9).astype(np.int64)
    attempt = rng.permutation(due.size).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)  # ids are hashes: no order
    operation = table("operation", due.size)
    operation["op"], operation["intended_ns"], operation["started_ns"] = schedule.op, due, due + 100_000
    operation["finished_ns"], operation["deadline_ns"], operation["attempts"] = (
        due + service + 1_000_000,
        due + 1_500_000_000,
        1,
    )
    attempts = table("attempt", due.size)
    attempts["op"], attempts["attempt"] = schedule.op, attempt
    attempts["sent_ns"], attempts["ended_ns"], attempts["status"] = due + 100_000, due + service + 1_000_000, 200
    served = table("served", due.size)
    served["attempt"], served["arrived_ns"], served["began_ns"] = attempt, due + 200_000, due + 200_000
    served["ended_ns"], served["service_ns"] = due + 200_000 + service, service
    names = {"story": ["kv_reads"], "app": ["kv"], "worker": ["load-0"]}
    dump(folder.rows / "load-0-operation.rows", "operation", "load-0-operation", names, operation)
    dump(folder.rows / "load-0-attempt.rows", "attempt", "load-0-attempt", {"target": ["kv"]}, attempts)
    dump(folder.rows / "kv-served.rows", "served", "kv-served", {"component": ["kv"]}, served)
    return folder


def table(kind: str, size: int) -> np.ndarray:
    """Zeroed rows of one kind."""
    return np.zeros(size, dtype=np.dtype(list(LAYOUTS[kind])))


def dump(path: Path, kind: str, writer: str, names: dict, rows: np.ndarray) -> None:
    """A row file whose records are written at once; header and trailer as RowWriter makes them."""
    RowWriter(path, kind, writer, 0, names).close()
    header = path.read_bytes()[: -len(TRAILER) - 8]
    with path.open("wb") as file:
        file.write(header)
        rows.tofile(file)
        file.write(TRAILER + struct.pack("<Q", rows.size))


def alone(words: list[str], folder: RunFolder) -> tuple[float, float, str]:
    """Seconds, peak MB and one more word of a fresh Python on one core."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(_ROOT), os.environ.get("PYTHONPATH", "")])}
    core = min(os.sched_getaffinity(0))
    done = subprocess.run(
        [sys.executable, *words, str(folder.path)], capture_output=True, text=True, check=True, env=env,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )  # fmt: skip
    seconds, peak_mb, word = done.stdout.split()
    return float(seconds), float(peak_mb), word


def main() -> None:
    """Write, analyse, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="operations (default: a million)")
    parser.add_argument("--turns", type=int, default=1, help="measurements of each side (default: 1)")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="blackstart-bench-") as root:
        began = time.perf_counter()
        folder = write(Path(root), asked.rows)
        print(f"wrote {asked.rows:,} operations in {time.perf_counter() - began:.1f} s")
        turns = [(alone(["-c", _CHILD], folder), alone([str(_PEER)], folder)) for _ in range(asked.turns)]
    (seconds, peak_mb, verdict), (peer_s, peer_mb, _) = (min(side) for side in zip(*turns, strict=True))
    found = {"rows": asked.rows, "seconds": round(seconds, 2), "rows_per_s": round(asked.rows / seconds),
             "peak_mb": round(peak_mb), "peer_seconds": round(peer_s, 2), "peer_peak_mb": round(peer_mb),
             "ratio": round(seconds / peer_s, 2)}  # fmt: skip
    speed = f"{found['seconds']} s ({found['rows_per_s']:,} operations/s)"
    print(f"analysed in {speed}, peak {found['peak_mb']} MB, verdict {verdict}")
    print(
        f"polars, the windows alone: {found['peer_seconds']} s, peak {found['peer_peak_mb']} MB; "
        f"ratio of times {found['ratio']} (the best of {asked.turns} turns each)"
    )
    if asked.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
