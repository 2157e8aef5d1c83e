"""One pass over the rows of a run, and everything derived from it that measures and curves both need.

Rows are read once, in chunks, and each chunk is offered to every collector, so memory stays bounded by what is kept
per window and per attempt id, not by the rows. Only wasted work needs a second look at served rows: it can be counted
only when every caller's end is known.

Leaves out: any judgement of its own.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

import numpy as np

from harness.analyse import backlog, capacity, steady, wasted
from harness.analyse.latency import PhaseLatency
from harness.analyse.lines import Lines, parse
from harness.analyse.load_run import Rows, Run, chunks, load
from harness.analyse.moments import Moments, find
from harness.analyse.percentiles import Ints
from harness.analyse.reconcile import Account, Ledger, scheduled, told
from harness.analyse.windows import Windows
from harness.record.folder import RunFolder
from harness.record.layouts import Outcome
from harness.record.rows import RowFile


class Evidence(NamedTuple):
    """What is known about one run."""

    run: Run
    moments: Moments
    lines: Lines
    windows: Windows
    latency: PhaseLatency
    account: Account
    steady: steady.Steady
    demand: capacity.Demand | None
    backlog: backlog.Backlog
    first_success_s: float | None  # finish of the first good operation intended after the fix, from the run's zero
    missed_ns: Ints = np.zeros(0, dtype=np.int64)  # intended starts, in order, of operations since the fault not good


def gather(folder: RunFolder) -> Evidence:
    """Read a run folder once. Raises RecordError when it is not one, SpecError when its steady-state lines are not."""
    run = load(folder)
    moments = find(run.plan, run.journal)
    lines = parse(run.plan.get("spec", {}).get("steady_state", {}))
    windows = Windows(run.end_s)
    latency = PhaseLatency(moments.phases, run.plan.get("stories") or ())
    due = scheduled(run.plan, moments.t_stop_s, told(folder))
    served_by = frozenset(name for file in run.of("served") for name in file.names.get("component", []))
    ledger, given_up = Ledger(served_by), wasted.GivenUp(late_replies=_late_replies(run))
    first, missed = _FirstSuccess(moments.t_fix_s), _Missed(min(moments.judged_from_s, moments.t_fix_s or math.inf))
    for file in run.of("operation"):
        for rows in chunks(file):
            windows.feed_operations(rows)
            latency.feed(rows, file.names.get("story", []))
            ledger.feed_operations(rows)
            given_up.feed_operations(rows)
            first.feed(rows)
            missed.feed(rows)
    for file in run.of("attempt"):
        caller, targets = caller_of(file), file.names.get("target", [])
        for rows in chunks(file):
            windows.feed_attempts(rows, caller, targets)
            ledger.feed_attempts(rows, targets)
            given_up.feed(rows)
    table = given_up.table()
    for file in run.of("served"):
        components = file.names.get("component", [])
        for rows in chunks(file):
            windows.feed_served(rows, components)
            ledger.feed_served(rows)
            wasted.feed_served(windows, table, rows, components)
    for file in run.of("gauge"):
        for rows in chunks(file):
            windows.feed_gauges(rows, file.names.get("component", []), file.names.get("gauge", []))
    demand = capacity.demand(run.plan, windows, moments)
    return Evidence(
        run,
        moments,
        lines,
        windows,
        latency,
        ledger.balance(due),
        steady.judge(windows, moments, lines),
        demand,
        backlog.assess(windows, moments, demand),
        first.finished_s,
        missed.intended_ns(),
    )


def _late_replies(run: Run) -> bool:
    """Whether a reply after its attempt timed out counted in this run."""
    conventions = run.plan.get("spec", {}).get("conventions")
    return isinstance(conventions, dict) and conventions.get("late_replies") is True


def caller_of(file: RowFile) -> str:
    """Who wrote attempt rows: "load" for any worker of the load generator, else the component."""
    name = file.writer.removesuffix("-attempt")
    return "load" if re.fullmatch(r"load(-\d+)?", name) else name


class _FirstSuccess:
    """The earliest finish of a good operation intended at or after the fix."""

    def __init__(self, fix_s: float | None) -> None:
        self._fix_ns = None if fix_s is None else round(fix_s * 1e9)
        self.finished_s: float | None = None

    def feed(self, rows: Rows) -> None:
        if self._fix_ns is None:
            return
        finished = rows["finished_ns"][(rows["outcome"] == Outcome.GOOD) & (rows["intended_ns"] >= self._fix_ns)]
        if finished.size:
            least_s = int(finished.min()) / 1e9
            self.finished_s = least_s if self.finished_s is None else min(least_s, self.finished_s)


class _Missed:
    """Intended starts of operations due since the fault that did not meet their deadline: to be counted to the row."""

    def __init__(self, from_s: float) -> None:
        self._from_ns = round(from_s * 1e9)
        self._parts: list[Ints] = []

    def feed(self, rows: Rows) -> None:
        intended = rows["intended_ns"]
        missed = intended[(rows["outcome"] != Outcome.GOOD) & (intended >= self._from_ns)]
        if missed.size:
            self._parts.append(missed)

    def intended_ns(self) -> Ints:
        return np.sort(np.concatenate(self._parts)) if self._parts else np.zeros(0, dtype=np.int64)
