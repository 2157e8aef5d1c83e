"""Does a load process grow? Its resident memory after the first minute and at the end, at a steady rate.

    python benchmarks/worker_memory.py [--rate 1000] [--minutes 10] [--json]

The load process as the orchestrator starts it, with a bare echo on the other side: Locust, story, DNS, rows, gauges. A
schedule of known length is drawn at the start, so that part of memory is there from the beginning; what may grow is
what is kept per operation, and nothing should be. Grown is told as the slope of a straight line through the readings
after the first minute, because two readings of a heap that breathes say little.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

import psutil
from support.one_run import bare_region, environ, fix_zero, locust_argv, make_run, show

READ_EVERY_S = 1.0
WARM_S = 60.0
MIB = float(1 << 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=1000.0)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.minutes * 60.0 <= WARM_S + 10.0:
        parser.error(f"--minutes {args.minutes:g} leaves nothing after the first minute; give at least 1.2")
    folder, plan = make_run(args.rate, args.minutes * 60.0)
    readings: list[tuple[float, float]] = []  # seconds from zero, MiB
    with bare_region(folder), (folder.path / "load.log").open("wb") as log:
        process = subprocess.Popen(
            locust_argv("kv_reads"), env=environ(folder), stdin=subprocess.PIPE, stdout=log, stderr=log
        )
        while not (folder.path / "load.ready").exists():
            if process.poll() is not None:
                sys.exit((folder.path / "load.log").read_text())
            time.sleep(0.02)
        fix_zero(folder, plan, 0.5)
        zero_s, watched = time.monotonic() + 0.5, psutil.Process(process.pid)
        while (t_s := time.monotonic() - zero_s) < plan.load_end_s and process.poll() is None:
            readings.append((t_s, watched.memory_info().rss / MIB))
            time.sleep(READ_EVERY_S)
        process.wait()
        process.stdin.close()
    summary = folder.read_json(folder.path / "load-0.json")
    after = [reading for reading in readings if reading[0] >= WARM_S]
    slope, _ = statistics.linear_regression(*zip(*after, strict=True))
    show(
        {
            "rate_per_s": args.rate,
            "minutes": args.minutes,
            "operations": summary["scheduled"],
            "good": summary["outcomes"]["good"],
            "dropped": summary["dropped"],
            "lag_p99_s": summary["lag_p99_s"],
            "collections": summary["collections"],
            "rss_after_one_minute_mib": statistics.median(mib for t_s, mib in after if t_s < WARM_S + 5.0),
            "rss_at_the_end_mib": statistics.median(mib for _, mib in after[-5:]),
            "rss_highest_mib": max(mib for _, mib in readings),
            "slope_mib_per_minute": slope * 60.0,
        },
        args.json,
    )


if __name__ == "__main__":
    main()
