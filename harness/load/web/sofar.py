"""What can be said of a run before it is over, in the words it will be judged by.

Everything that the verdict is made of is known at any moment for the load so far: take the load to end now, and judge.
What changes is how much the word is worth. So before the fault and while it is on the word only says whether the lines
hold, and after the fix the verdict's own word is used once there has been time to see it:

    waiting      the baseline is not over: nothing to compare with
    steady       every line holds            (before the fault, or through it)
    failing      a line is broken, and nothing was fixed yet
    recovering   fixed, and not yet as long ago as the lines must hold
    recovered, draining, metastable, overloaded, degraded, never_failed     as if the load ended now

Leaves out: completeness of the record, which nobody can tell before the end, and memory of what was said before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from harness.analyse import backlog, capacity, steady, validity
from harness.analyse.evidence import Evidence
from harness.analyse.facts import facts_of
from harness.analyse.latency import PhaseLatency
from harness.analyse.lines import Lines, parse
from harness.analyse.load_run import Run
from harness.analyse.moments import find
from harness.analyse.reconcile import Account
from harness.analyse.steady import Course, Steady
from harness.analyse.verdict import Verdict, decide
from harness.analyse.windows import Windows
from harness.load.plugin_plan import UNKNOWN_S
from harness.record.folder import RunFolder
from harness.spec.lines import ROLLING_S

_OF_SERIES = {"goodput": "share of due", "amplification": "attempts per operation", "queue_delay": "s", "p99": "s"}


class SoFar:
    """Judges one run while it goes on; `facts` is its plan.json."""

    def __init__(self, folder: RunFolder, facts: dict[str, Any]) -> None:
        self._folder = folder
        self._facts = facts
        self._lines: Lines = parse(facts.get("spec", {}).get("steady_state", {}))
        self._reasons: list[str] = []

    def verdict(self, windows: Windows, journal: list[dict[str, Any]], now_s: float, upto: int) -> dict[str, Any]:
        """The word so far, why, and each line's value beside its limit."""
        evidence = self._evidence(windows, journal, upto * windows.width_s)
        moments, judged = evidence.moments, evidence.steady
        since_s = None if moments.t_fix_s is None else max(0.0, now_s - moments.t_fix_s)
        word, why = self._word(evidence, now_s)
        recovered_s = judged.t_recovered_s if word in (Verdict.RECOVERED, Verdict.NEVER_FAILED) else None
        self._reasons = self._invalid(evidence) if upto * windows.width_s > moments.baseline.end_s else []
        return {
            "word": str(word),
            "why": why,
            "since_fix_s": None if since_s is None else round(since_s, 3),
            "recovered_s": recovered_s,
            "lines": _lines(judged) if word != "waiting" else [],
        }

    def generator(self, windows: Windows, now_s: float) -> dict[str, Any]:
        """How the load generator keeps up, and what makes the run invalid already."""
        started = max(1, windows.total("started"))
        lag_s = windows.lag.quantile(0.99)
        t_s, share = windows.gauge("load", "cpu_share")
        recent = share[t_s >= now_s - 2.0]
        return {
            "late_ratio": round(windows.late_starts / started, 6),
            "dropped": windows.total("dropped"),
            "cpu": round(float(recent.mean()), 4) if recent.size else None,
            "lag_p99_s": None if math.isnan(lag_s) else round(lag_s, 6),
            "valid": not self._reasons,
            "reasons": self._reasons,
        }

    def _evidence(self, windows: Windows, journal: list[dict[str, Any]], end_s: float) -> Evidence:
        """As `harness.analyse.evidence.gather` has it, for a load that ends at `end_s`."""
        found = find(self._facts, journal)
        moments = found._replace(load_end_s=min(found.load_end_s, end_s))
        demand = capacity.demand(self._facts, windows, moments)
        run = Run(self._folder, self._facts, journal, (), ())
        return Evidence(
            run,
            moments,
            self._lines,
            windows,
            PhaseLatency(moments.phases),
            _counted(windows),
            steady.judge(windows, moments, self._lines),
            demand,
            backlog.assess(windows, moments, demand),
            None,
        )

    def _word(self, evidence: Evidence, now_s: float) -> tuple[str, str]:
        moments, judged = evidence.moments, evidence.steady
        if self._facts["load_end_s"] >= UNKNOWN_S:
            return "waiting", "how long this run will be is not known, so it is judged when it has ended"
        if moments.load_end_s < moments.baseline.end_s or not judged.holds.size:
            return "waiting", "the baseline is being measured; there is nothing to compare with yet"
        broken = [course.measure for course in judged.courses if not course.holds[-1]]
        if moments.t_fix_s is None:
            if not broken:
                return "steady", "every steady-state line holds"
            return "failing", f"broken: {', '.join(dict.fromkeys(broken))}"
        if now_s - moments.t_fix_s < self._lines.for_s + ROLLING_S and not judged.throughout:
            return "recovering", f"fixed; the lines must hold for {self._lines.for_s:g} s"
        word, why = decide(facts_of(evidence, valid=True))
        if word is Verdict.DEGRADED and not broken:
            return "recovering", f"every line holds; they must hold for {self._lines.for_s:g} s"
        return word.value, why

    def _invalid(self, evidence: Evidence) -> list[str]:
        """Reasons that will not go away: the generator's, the region's and the baseline's, not those of an open end."""
        moments = evidence.moments._replace(t_inject_s=None, t_fix_s=None)
        return validity.reasons(evidence._replace(moments=moments))


def _counted(windows: Windows) -> Account:
    """What is known of the books while they are open: nothing is missing before the end."""
    started, dropped = windows.total("started"), windows.total("dropped")
    return Account(None, started + dropped, started, dropped, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


def _lines(judged: Steady) -> list[dict[str, Any]]:
    """Each line with the value nearest to breaking it (of all components, of the last window that has one)."""
    found = []
    for measure in dict.fromkeys(course.measure for course in judged.courses):
        courses: Sequence[Course] = [course for course in judged.courses if course.measure == measure]
        worst = next((course for course in courses if not course.holds[-1]), courses[0])
        value, limit = float(worst.values[-1]), worst.limit
        found.append(
            {
                "line": measure,
                "of": worst.of,
                "unit": _OF_SERIES.get(measure, ""),
                "holds": bool(worst.holds[-1]),
                "value": None if math.isnan(value) else round(value, 6),
                "limit": None if math.isnan(limit) else round(limit, 6),
            }
        )
    return found
