"""A kernel run judged by the rules of every run, without a run folder.

The kernel's counts per window are laid into the windows of the analysis; what a journal would say (when the fault was
injected, when it was fixed) comes from the plan, because in virtual time everything happens when it is planned. From
there on the code is the analysis's own: rolling windows, lines, validity, capacity, backlog, facts, verdict.

One thing the counts do not hold: goodput by finish, which tells a stuck run that is "metastable" from one that is
"degraded", at half of baseline. They hold it by intended start, and an operation is good at most a deadline later; so
there are bounds. Where these lie on both sides of one half the run is played once more with rows, and the rows decide.

Goodput of a phase is that of the whole windows in it. Without a p99 line no latency is known, so none is judged; with
one, rows are kept and the latency comes from them.

Seeds go together: all are played, then all are judged, because the two use different parts of a processor's cache.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.analyse import backlog, capacity, moments, steady
from harness.analyse.amplification import measure
from harness.analyse.evidence import Evidence
from harness.analyse.facts import facts_of
from harness.analyse.latency import PhaseLatency
from harness.analyse.lines import parse
from harness.analyse.load_run import Run
from harness.analyse.percentiles import Floats
from harness.analyse.reconcile import Account
from harness.analyse.validity import last_third
from harness.analyse.verdict import Verdict, decide
from harness.analyse.windows import WIDTH_S, Windows
from harness.plan import Plan
from harness.record.folder import RunFolder
from harness.sim.kernels import Summary, model_of, rows_of, summary_of
from harness.study.engine import Told, rounded
from harness.timeline import edges

_KV, _APP = "kv", "mobile_banking"
_GAUGES = [("waiting_queue", _KV, "queue"), ("waiting_orbit", backlog.LOAD, "orbit")]  # gauge, component, column
_APP_GAUGES = [("waiting_orbit", _APP, "app_orbit"), ("waiting_outbox", _APP, "outbox")]
_SERIES = [
    (("due", ""), "due"), (("due_good", ""), "good"), (("good", ""), "good"), (("started", ""), "due"),
    (("begun", _KV), "began"), (("queue_delay_s", _KV), "delay_s"),
]  # fmt: skip
_ALONE = [(("attempts", "load->kv"), "attempts"), (("arrived", _KV), "attempts")]
_WITH_APP = [
    (("attempts", f"load->{_APP}"), "attempts"), (("arrived", _APP), "attempts"),
    (("attempts", f"{_APP}->kv"), "app_attempts"), (("first_tries", f"{_APP}->kv"), "app_first_tries"),
    (("arrived", _KV), "app_attempts"),
]  # fmt: skip


class Counted(Windows):
    """Windows filled from the kernel's counts."""

    def __init__(self, end_s: float, counts: Any, with_app: bool = False) -> None:
        super().__init__(end_s)
        self.layers.update({f"load->{_APP}": 0, f"{_APP}->kv": 1} if with_app else {"load->kv": 0})
        for key, column in _SERIES + (_WITH_APP if with_app else _ALONE):
            self._sums[key] = _padded(counts[column], self.n)
        self._due_known = True
        self.by_finish = False
        ends_s = np.arange(1, counts.size + 1) * WIDTH_S
        for gauge, component, column in _GAUGES + (_APP_GAUGES if with_app else []):
            self._readings[gauge, component] = [(ends_s, counts[column].astype(np.float64))]

    def add_rows(self, operations: Any) -> None:
        """Take from operation rows what counts do not hold: latency, and goodput by finish."""
        bare = Windows(self.n * self.width_s)
        bare.feed_operations(operations)
        self.latency = bare.latency
        self._sums["good", ""] = bare.get("good")
        self.by_finish = True


class KernelRunner:
    """Runs in the compiled kernel."""

    engine = "kernel"

    def __init__(self, plan: Plan) -> None:
        self._end_s = plan.end_s
        self._facts = plan.to_json()
        self._model = model_of(plan)
        self._with_app = self._model.inner is not None
        self._journal = [
            {"t_s": due.at_s, "kind": kind, "component": due.component, "what": due.what}
            for due in edges(plan)
            for kind in ([due.deed] if not due.fix else [due.deed, "fix"])
        ]
        self._run = Run(RunFolder(Path()), self._facts, self._journal, (), ())
        self._moments = moments.find(self._facts, self._journal)
        self._lines = parse(self._facts["spec"]["steady_state"])
        self._outage, self._recovery = plan.phase("outage"), plan.phase("recovery")

    def tell(self, seed: int) -> Told:
        """Play, count, judge."""
        return self.tell_all((seed,))[0]

    def tell_all(self, seeds: Sequence[int]) -> tuple[Told, ...]:
        """The same with each of these seeds."""
        played = [(seed, summary_of(self._model._replace(seed=seed), WIDTH_S)) for seed in seeds]
        return tuple(self._judged(seed, summary) for seed, summary in played)

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
            backlog.assess(windows, found, None),  # a sweep is not told how efficiently it drained
            None,
        )

    def _judged(self, seed: int, summary: Summary) -> Told:
        if any(entry["component"] == "dns" for entry in self._journal):  # felt when the first answer is empty
            felt = {"t_s": summary.first_empty_s, "kind": "first_empty_answer"}
            journal = self._journal + ([felt] if summary.first_empty_s < math.inf else [])
            self._run = Run(RunFolder(Path()), self._facts, journal, (), ())
            self._moments = moments.find(self._facts, journal)
        windows = Counted(self._end_s, summary.windows, self._with_app)
        if "p99" in self._lines.lines:
            windows.add_rows(self._operations(seed))
        evidence = self.evidence(windows)
        verdict, _ = decide(facts_of(evidence))
        if not windows.by_finish and verdict in (Verdict.METASTABLE, Verdict.DEGRADED) and not self._sure(evidence):
            windows.add_rows(self._operations(seed))
            evidence = self.evidence(windows)
            verdict, _ = decide(facts_of(evidence))
        return self._told(evidence, verdict)

    def _operations(self, seed: int) -> Any:
        return rows_of(self._model._replace(seed=seed)).operation

    def _sure(self, evidence: Evidence) -> bool:
        """Whether goodput by finish is on one side of half the baseline's, wherever in its bounds it lies."""
        windows, baseline = evidence.windows, self._moments.baseline
        deadline_s = self._model.client.deadline_s
        low, high = bounds(windows, *last_third(evidence), deadline_s)
        low_before, high_before = bounds(windows, baseline.start_s, baseline.end_s, deadline_s)
        return high < 0.5 * low_before or low >= 0.5 * high_before

    def _told(self, evidence: Evidence, verdict: Verdict) -> Told:
        windows, steadiness, found = evidence.windows, evidence.steady, self._moments
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
            _good_per_s(windows, self._outage.start_s, self._outage.end_s),
            _good_per_s(windows, self._recovery.start_s, self._recovery.end_s),
            rounded(evidence.backlog.peak),
            rounded(evidence.backlog.drain_s),
        )


def bounds(windows: Windows, start_s: float, end_s: float, deadline_s: float) -> tuple[float, float]:
    """The least and the most that goodput by finish can be in [start, end), in operations per window."""
    part, good = windows.span(start_s, end_s), windows.get("due_good")
    late = windows.n if math.isinf(deadline_s) else math.ceil(deadline_s / windows.width_s) + 1
    count = max(1, part.stop - part.start)
    least = good[part.start : max(part.start, part.stop - late)].sum()
    return float(least) / count, float(good[max(0, part.start - late) : part.stop].sum()) / count


def _good_per_s(windows: Windows, start_s: float, end_s: float) -> float | None:
    part = windows.span(start_s, end_s)
    seconds = (part.stop - part.start) * windows.width_s
    return rounded(float(windows.get("due_good")[part].sum()) / seconds) if seconds else None


def _padded(column: Any, n: int) -> Floats:
    series = np.zeros(n)
    series[: min(n, column.size)] = column[:n]
    return series
