"""Several Locust processes at one schedule: is every operation started once, on time, and its row home?

    python benchmarks/workers.py [--workers 1 2 4] [--rate 2000] [--seconds 8] [--kill] [--json]

Locust's master and workers as the orchestrator starts them, with a bare echo on the other side, so that the generator
is what limits. For each number of workers: how many operations the plan has, how many were scheduled, started, dropped,
have a row, and how late the starts were. `--kill` ends the last worker by SIGKILL in the middle, and then `missing` is
what it took along. The counts must be exact on any machine; the lag is this machine's.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from typing import Any

import numpy as np
from support.one_run import bare_region, environ, fix_zero, locust_argv, make_run, show

from harness.record.rows import read_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--rate", type=float, default=2000.0)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.kill and min(args.workers) < 2:
        parser.error("--kill takes a worker away, so give --workers 2 or more")
    for workers in args.workers:
        show(one(workers, args.rate, args.seconds, kill=args.kill), args.json)


def one(workers: int, rate: float, seconds: float, *, kill: bool) -> dict[str, Any]:
    """One run, and what its record says of it."""
    folder, plan = make_run(rate, seconds)
    argv = locust_argv("kv_reads")
    if workers > 1:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        meet = ["--master-bind-host", "127.0.0.1", "--master-bind-port", port]
        argv += [*meet, "--master-host", "127.0.0.1", "--master-port", port, "--processes", str(workers)]
    with bare_region(folder), (folder.path / "load.log").open("wb") as log:
        load = subprocess.Popen(argv, env=environ(folder), stdin=subprocess.PIPE, stdout=log, stderr=log)
        while not (folder.path / "load.ready").exists():
            if load.poll() is not None:
                sys.exit((folder.path / "load.log").read_text())
            time.sleep(0.02)
        fix_zero(folder, plan, 1.0)
        if kill:
            time.sleep(1.0 + seconds / 2.0)
            os.kill(folder.read_json(folder.path / "workers.json")["workers"][-1]["pid"], signal.SIGKILL)
        code = load.wait()
        load.stdin.close()
    files = [read_rows(path) for path in folder.rows.glob("load-*-operation.rows")]
    rows = np.concatenate([file.rows for file in files])
    planned = plan.schedule().op
    lag_ms = (rows["started_ns"] - rows["intended_ns"])[rows["started_ns"] >= 0] / 1e6
    if workers > 1:
        told = folder.read_json(folder.path / "workers.json")
    else:
        told = {**folder.read_json(folder.path / "load-0.json"), "missing": planned.size - rows.size, "lost": []}
    return {
        "workers": workers,
        "planned": int(planned.size),
        **{key: told[key] for key in ("scheduled", "started", "dropped")},
        "rows": int(rows.size),
        "different": int(np.unique(rows["op"]).size),  # operations with a row
        "missing": told["missing"],
        "lost": ",".join(told["lost"]) or "none",
        "exit_code": code,
        "lag_p50_ms": float(np.percentile(lag_ms, 50)),
        "lag_p99_ms": float(np.percentile(lag_ms, 99)),
    }


if __name__ == "__main__":
    main()
