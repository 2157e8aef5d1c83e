"""A kernel run judged by the rules of every run, without a run folder.

The kernel's counts per window are laid into the windows of the analysis; what a journal would say (when the fault was
injected, when it was fixed) comes from the plan, because in virtual time everything happens when it is planned. From
there on the code is the analysis's own: rolling windows, lines, validity, capacity, backlog, verdict.

Three things are read differently from a folder of rows. Goodput of the last third is counted by intended start, not by
finish (it decides only whether a stuck run is "metastable" or "degraded", at half of baseline). Goodput of a phase is
that of the whole windows in it. And without a p99 line no latency is known, so none is judged; with one, rows are kept
and the latency comes from them.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from harness.analyse import backlog, capacity, moments, steady, validity
from harness.analyse.amplification import measure
from harness.analyse.evidence import Evidence
from harness.analyse.latency import PhaseLatency
from harness.analyse.lines import parse
from harness.analyse.load_run import Run
from harness.analyse.percentiles import Floats
from harness.analyse.reconcile import Account
from harness.analyse.verdict import Facts, Verdict, decide, is_falling
from harness.analyse.windows import WIDTH_S, Windows
from harness.plan import Plan
from harness.record.folder import RunFolder
from harness.sim.kernels import model_of, rows_of, summary_of
from harness.spec.moments import Span
from harness.study.engine import Told, rounded
from harness.timeline import edges

_EDGE = "load->kv"
_KV = "kv"
_READING = np.dtype([("t_ns", "<i8"), ("component", "<u2"), ("gauge", "<u2"), ("value", "<f8")])
_GAUGES = {"waiting_queue": (0, "queue"), "waiting_orbit": (1, "orbit")}  # gauge -> component number, column


class Counted(Windows):
    """Windows filled from the kernel's counts."""

    def __init__(self, end_s: float, counts: Any) -> None:
        super().__init__(end_s)
        self.layers[_EDGE] = 0
        for key, column in (
            (("due", ""), "due"), (("due_good", ""), "good"), (("good", ""), "good"), (("started", ""), "due"),
            (("attempts", _EDGE), "attempts"), (("arrived", _KV), "attempts"), (("begun", _KV), "began"),
            (("queue_delay_s", _KV), "delay_s"),
        ):  # fmt: skip
            self._sums[key] = _padded(counts[column], self.n)
        self._due_known = True
        t_ns = np.round((np.arange(counts.size) + 1) * (WIDTH_S * 1e9)).astype(np.int64)
        for number, (component, column) in enumerate(_GAUGES.values()):
            readings = np.zeros(counts.size, _READING)
            readings["t_ns"], readings["component"], readings["gauge"] = t_ns, component, number
            readings["value"] = counts[column]
            self.feed_gauges(readings, (_KV, backlog.LOAD), tuple(_GAUGES))

    def add_latency(self, operations: Any) -> None:
        """Take the latency of good operations from their rows."""
        bare = Windows(self.n * self.width_s)
        bare.feed_operations(operations)
        self.latency = bare.latency


class KernelRunner:
    """Runs in the compiled kernel."""

    engine = "kernel"

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._facts = plan.to_json()
        self._model = model_of(plan)
        journal = [
            {"t_s": due.at_s, "kind": kind, "component": due.component, "what": due.what}
            for due in edges(plan)
            for kind in ([due.deed] if not due.fix else [due.deed, "fix"])
        ]
        self._run = Run(RunFolder(Path()), self._facts, journal, (), ())
        self._moments = moments.find(self._facts, journal)
        self._lines = parse(self._facts["spec"]["steady_state"])

    def tell(self, seed: int) -> Told:
        """Play, count, judge."""
        model = self._model._replace(seed=seed)
        counts = summary_of(model, WIDTH_S).windows
        windows = Counted(self._plan.end_s, counts)
        if "p99" in self._lines.lines:
            windows.add_latency(rows_of(model).operation)
        return self._told(windows)

    def evidence(self, windows: Windows) -> Evidence:
        """What a folder's rows would have been gathered into."""
        found, lines = self._moments, self._lines
        due = int(windows.get("due").sum())
        demand = capacity.demand(self._facts, windows, found)
        return Evidence(
            self._run,
            found,
            lines,
            windows,
            PhaseLatency(found.phases),
            Account(due, due, due, *(0,) * 11),
            steady.judge(windows, found, lines),
            demand,
            backlog.assess(windows, found, demand),
            None,
        )

    def _told(self, windows: Windows) -> Told:
        evidence = self.evidence(windows)
        steadiness, found = evidence.steady, self._moments
        verdict, _ = decide(_facts(evidence))
        well = verdict in (Verdict.RECOVERED, Verdict.NEVER_FAILED)
        fix_s, at_s = found.t_fix_s, steadiness.t_recovered_s
        reached = at_s is not None and (steadiness.ends_steady or steadiness.throughout)
        ratios = measure(windows, found)
        return Told(
            self.engine,
            verdict.value,
            None if verdict is Verdict.INVALID else well,
            rounded(at_s - fix_s) if reached and at_s is not None and fix_s is not None else None,
            None if fix_s is None else rounded(max(0.0, found.load_end_s - fix_s)),
            rounded(ratios.overall),
            rounded(ratios.peak),
            _good_per_s(windows, self._plan.phase("outage")),
            _good_per_s(windows, self._plan.phase("recovery")),
            rounded(evidence.backlog.peak),
            rounded(evidence.backlog.drain_s),
        )

def _facts(evidence: Evidence) -> Facts:
    """The facts a verdict is made of, as `harness.analyse.measures` finds them."""
    windows, found, steadiness = evidence.windows, evidence.moments, evidence.steady
    late = windows.span(*validity.last_third(evidence))
    before = windows.span(found.baseline.start_s, found.baseline.end_s)
    good_before, good_late = (
        windows.get("good")[part].mean() if part.stop > part.start else math.nan for part in (before, late)
    )
    return Facts(
        not validity.reasons(evidence),
        steadiness.throughout,
        evidence.demand.overloaded if evidence.demand is not None else None,
        found.t_fix_s is not None,
        steadiness.t_recovered_s is not None,
        steadiness.ends_steady,
        is_falling(evidence.backlog.t_s[late], evidence.backlog.total[late], evidence.backlog.peak or 0.0),
        float(good_late / good_before) if good_before else math.nan,
    )


def _good_per_s(windows: Windows, phase: Span) -> float | None:
    part = windows.span(phase.start_s, phase.end_s)
    seconds = (part.stop - part.start) * windows.width_s
    return rounded(float(windows.get("due_good")[part].sum()) / seconds) if seconds else None


def _padded(column: Any, n: int) -> Floats:
    series = np.zeros(n)
    series[: min(n, column.size)] = column[:n]
    return series
