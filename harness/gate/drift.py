"""Runs against a saved baseline: what got better, what got worse, and what these few runs cannot say.

Runs are paired by seed with the saved ones and judged by the same exact tests as two variants of a comparison. In
virtual time a seed gives the same run to the last bit until somebody changes the code, so values that are all equal are
called the same whatever their number; values that differ need the pairs every comparison needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from harness.compare.judgement import PRIMARY, Judged, judge, value_of
from harness.compare.sides import Side
from harness.errors import Exit
from harness.gate.runs import Subject
from harness.gate.saved import Saved, as_measures, values_of

# Told beside the primary measures, without a verdict.
ALSO = ("wasted_work_ratio", "backlog.peak", "goodput_deficit.recovery_ops", "baseline.goodput_per_s")


def against(subject: Subject, saved: Saved) -> dict[str, Any]:
    """The comparison of all variants among the runs with what was saved of them, JSON-able.

    Raises SpecError when a variant was not saved, or was for another experiment.
    """
    found = []
    for variant in dict.fromkeys(side.variant for side in subject.sides):
        now = subject.of(variant)
        before = saved.sides(now[0], subject.engine, subject.suite)
        found.append(_variant(variant, now, before))
    judged = [one for entry in found for one in entry["judged"]]
    worse = any(one["verdict"] == "worse" for one in judged)
    unsure = any(one["verdict"] == "unsure" for one in judged) or any(entry["invalid"] for entry in found)
    code = Exit.CRITERION_FAILED if worse else Exit.INVALID if unsure else Exit.PASS
    return {
        "experiment": subject.experiment,
        "engine": subject.engine,
        "suite": subject.suite,
        "baseline": str(saved.path),
        "exit_code": int(code),
        "variants": found,
        "notes": list(subject.notes),
    }


def _variant(variant: str, now: Sequence[Side], before: Sequence[Side]) -> dict[str, Any]:
    renamed = [side._replace(variant="now", measures=as_measures(values_of(side), valid=side.valid)) for side in now]
    pair = judge([*renamed, *before], [("now", "saved")])[0]
    differences = {}
    for key in (*PRIMARY, *ALSO):
        values = [(value_of(a.measures, key), value_of(b.measures, key)) for a, b in pair.runs]
        both = [(a, b) for a, b in values if a is not None and b is not None]
        if both:
            differences[key] = {"saved": median(b for _, b in both), "now": median(a for a, _ in both)}
    return {
        "variant": variant,
        "seeds": [a.seed for a, _ in pair.runs],
        "seeds_now": sorted(side.seed for side in now),
        "seeds_saved": sorted(side.seed for side in before),
        "invalid": [side.label for side in now if not side.valid],
        "judged": [_settled(one)._asdict() for one in pair.judged],
        "medians": differences,
    }


def _settled(one: Judged) -> Judged:
    """The same when no pair differs at all, to the six digits that are saved."""
    if one.pairs == 0:
        return one._replace(why="no valid run has a seed in common with the saved ones")
    return one._replace(verdict="same", why=f"equal in all {one.pairs} pairs") if one.splits == 0 else one
