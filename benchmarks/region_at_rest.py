"""What does a region cost before anybody uses it? Processor time until every service is ready, and a share of a core.

    python benchmarks/region_at_rest.py [--preset region] [--runs 3] [--rest 20] [--json]

`blackstart serve` starts the preset's services; they are watched from outside. Seconds to ready depend on what else the
machine does; seconds of processor time, summed over all processes, do not. At rest the services keep house (leases are
renewed, plans made, queues polled), nobody asks for anything, and their share of one core is what a run does not have
for its load.

The peer is a service started alone: an interpreter of its own that imports what a service needs. `alone_over_forked` is
the processor time of as many such starts over that of the region.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time

import psutil
from support.one_run import median, show

from harness.spec.region import PRESETS

SETTLE_S = 3.0


def used_s(process: psutil.Process) -> dict[int, float]:
    """Processor seconds so far of a process, with children that have ended, and of those below it, by process id."""
    own = process.cpu_times()
    found = {process.pid: own.user + own.system + own.children_user + own.children_system}
    for child in process.children(recursive=True):
        times = child.cpu_times()
        found[child.pid] = times.user + times.system
    return found


def alone_s() -> float:
    """Processor seconds of an interpreter that imports what a service needs."""
    before = os.times()
    subprocess.run([sys.executable, "-c", "import mock_services.shell, mock_services.functions"], check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def one_region(preset: str, rest_s: float) -> dict[str, float]:
    """Start it, let it rest, end it."""
    with tempfile.TemporaryDirectory() as runs:
        code = "import sys; from harness.cli import run_words; sys.exit(run_words(sys.argv[1:]))"
        argv = [sys.executable, "-c", code, "serve", preset, "--runs", runs]
        begun_s = time.monotonic()
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            if not process.stdout.readline():
                sys.exit(f"the region {preset} did not become ready")
            ready_s = time.monotonic() - begun_s
            orchestrator = psutil.Process(process.pid)
            at_ready = used_s(orchestrator)
            time.sleep(SETTLE_S)
            before, at_s = used_s(orchestrator), time.monotonic()
            time.sleep(rest_s)
            after, took_s = used_s(orchestrator), time.monotonic() - at_s
            own_bytes = sum(child.memory_full_info().uss for child in orchestrator.children())
            process.send_signal(signal.SIGINT)
    return {
        "services": len(at_ready) - 1,
        "ready_s": ready_s,
        "cpu_to_ready_s": sum(at_ready.values()),
        "share_of_a_core_at_rest": sum(after[pid] - before[pid] for pid in before) / took_s,
        "own_memory_mib": own_bytes / 2**20,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=list(PRESETS), default="region")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rest", type=float, default=20.0, metavar="SECONDS")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    runs, alone = [], []
    for _ in range(args.runs):
        alone.append(alone_s())
        runs.append(one_region(args.preset, args.rest))
    found = {name: median([run[name] for run in runs]) for name in runs[0]}
    ratio = median([one * run["services"] / run["cpu_to_ready_s"] for one, run in zip(alone, runs, strict=True)])
    show({"runs": args.runs, **found, "alone_over_forked": ratio}, args.json)


if __name__ == "__main__":
    main()
