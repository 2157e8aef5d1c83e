"""The peer of `benchmarks/analyse.py`: the same windows of the same rows by polars, an engine made for this.

What it computes is what an analysis cannot do without: counts per 0.25 s window of operations due, good and started
late, of attempts and of served requests, p50 and p99 of latency per window and per phase, mean queue delay per window,
attempts without a served row, and the service time spent for callers who had gone. It judges nothing.

    python benchmarks/support/polars_windows.py DIR      seconds, peak MB, windows
"""

from __future__ import annotations

import os

os.environ["POLARS_MAX_THREADS"] = "1"  # one core, as the analysis has

import resource
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl

from harness.record.rows import read_rows

WINDOW_NS = 250_000_000
PHASE_EDGES_NS = [10 * 10**9, 110 * 10**9, 120 * 10**9, 1000 * 10**9]


def frame(path: Path, *columns: str) -> pl.DataFrame:
    """The columns of a row file."""
    rows = read_rows(path).rows
    return pl.DataFrame({name: np.ascontiguousarray(rows[name]) for name in columns})


def per_window(table: pl.DataFrame, moment: str, **found: pl.Expr) -> pl.DataFrame:
    """Aggregates by the window in which `moment` lies."""
    return table.group_by(pl.col(moment) // WINDOW_NS).agg(count=pl.len(), **found)


def windows(folder: Path) -> int:
    """Everything; the number of windows made."""
    rows = folder / "rows"
    columns = ("intended_ns", "started_ns", "finished_ns", "deadline_ns", "outcome", "attempts")
    operations = frame(rows / "load-0-operation.rows", *columns)
    good = operations.filter(pl.col("outcome") == 0).with_columns(
        latency_ns=pl.col("finished_ns") - pl.col("intended_ns"),
        phase=pl.col("intended_ns").cut([float(edge) for edge in PHASE_EDGES_NS]).to_physical(),
    )
    tables = [
        per_window(operations, "intended_ns", late=(pl.col("started_ns") - pl.col("intended_ns") > 10_000_000).sum()),
        per_window(good, "finished_ns"),
        per_window(
            good, "intended_ns", p50=pl.col("latency_ns").quantile(0.5), p99=pl.col("latency_ns").quantile(0.99)
        ),
        good.group_by("phase").agg(pl.col("latency_ns").quantile(q).alias(f"p{q}") for q in (0.5, 0.99, 0.999)),
    ]
    del operations, good
    attempts = frame(rows / "load-0-attempt.rows", "attempt", "sent_ns", "ended_ns", "result")
    tables.append(per_window(attempts, "sent_ns"))
    served = frame(rows / "kv-served.rows", "attempt", "arrived_ns", "began_ns", "ended_ns", "service_ns")
    tables.append(per_window(served, "arrived_ns", delay=(pl.col("began_ns") - pl.col("arrived_ns")).mean()))
    pairs = attempts.join(served, on="attempt", how="left", coalesce=True, suffix="_served")
    unmatched = pairs.filter(pl.col("arrived_ns").is_null()).height
    late = pairs.filter(pl.col("ended_ns_served") > pl.col("ended_ns"))
    tables.append(per_window(late, "ended_ns_served", wasted=pl.col("service_ns").sum()))
    assert unmatched == 0
    return sum(table.height for table in tables)


if __name__ == "__main__":
    began = time.perf_counter()
    made = windows(Path(sys.argv[1]))
    print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, made)
