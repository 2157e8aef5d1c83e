"""The facts of one run that its verdict is made of, read from the evidence in one place.

Whoever judges a run, from a folder of rows or from the counts of a compiled kernel, must read the same things over the
same stretch of time, or two engines would give one run two words. So there is one function; it takes evidence, however
that was gathered. The final state is read over the last third of the load since the fix.

Leaves out: the order of the words (verdict.py), and what makes a record worthless (validity.py).
"""

from __future__ import annotations

import math

from harness.analyse import validity
from harness.analyse.backlog import drained_level
from harness.analyse.evidence import Evidence
from harness.analyse.verdict import Facts, is_falling


def facts_of(evidence: Evidence, *, valid: bool | None = None) -> Facts:
    """What `verdict.decide` wants to know; `valid` when the caller has asked for the reasons already."""
    windows, moments, steady, backlog = evidence.windows, evidence.moments, evidence.steady, evidence.backlog
    late = windows.span(*validity.last_third(evidence))
    before = windows.span(moments.baseline.start_s, moments.baseline.end_s)
    peak = backlog.peak or 0.0
    good_before, good_late = (
        windows.get("good")[part].mean() if part.stop > part.start else math.nan for part in (before, late)
    )
    return Facts(
        not validity.reasons(evidence) if valid is None else valid,
        steady.throughout,
        evidence.demand.overloaded if evidence.demand is not None else None,
        moments.t_fix_s is not None,
        steady.t_recovered_s is not None,
        steady.ends_steady,
        is_falling(backlog.t_s[late], backlog.total[late], peak, drained_level(backlog.baseline or 0.0, peak)),
        float(good_late / good_before) if good_before else math.nan,
    )
