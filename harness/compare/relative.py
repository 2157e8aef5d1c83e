"""Lines that set one variant beside another run by run: `{variant: budget, measure: ..., is: "<= 0.5x variant naive"}`.

A ratio of two runs means something only when both met the same arrivals and the same luck, so each run is set beside
the run of the other variant with the same seed, and the line holds when it holds in every pair. No mean is taken:
recovery is bimodal, and a mean of runs that recovered and runs that did not is the time of no run.

This is a bound, not a finding: whether the one *is* better is asked by `compare: [a, b]`, with statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from harness.analyse.expect import Answer, Value, beside, look_up, value_in
from harness.analyse.held import Look
from harness.compare.judgement import judge, pair_up
from harness.compare.sides import Side
from harness.errors import SpecError
from harness.record.folder import RunFolder
from harness.spec.criteria import Expect, read_expect
from harness.spec.lines import Condition


def compared(sides: Sequence[Side], measure: str, wanted: str, a: str, b: str) -> Answer:
    """A line that asks for better, same or worse: a question of its own, about one measure and one pair."""
    if not {a, b} <= {side.variant for side in sides}:
        return Answer(measure, wanted, None, "unsure", "not both variants are among the runs")
    key, _ = look_up(sides[0].measures, measure)
    judged = judge(sides, [(a, b)], [key])[0].judged[0]
    verdict = "unsure" if judged.verdict == "unsure" else "pass" if judged.verdict == wanted else "fail"
    return Answer(key, wanted, judged.verdict, verdict, judged.why)


class Beside(NamedTuple):
    """One run set beside its counterpart."""

    seed: int
    ours: Value
    theirs: Value
    verdict: str
    why: str


def looker(folder: RunFolder) -> Look:
    """The series of a run, its rows read when first asked for."""
    from harness.analyse.evidence import gather

    return Look(lambda: gather(folder))


def value_of_line(line: Expect, measures: Mapping[str, Any], look: Callable[[], Look]) -> Value:
    """What a line is about, as a number of one run."""
    if line.series is None:
        return value_in(measures, str(line.measure))
    number, why = look().over(line)
    return Value(number, False, why)


def pairs(sides: Sequence[Side], line: Expect, looks: Callable[[Side], Look]) -> list[Beside]:
    """Every valid run of the line's variant beside that of the other with its seed; [] when they share none."""
    condition = line.is_
    assert isinstance(condition, Condition), "a ratio has a condition"
    assert line.variant is not None, "a ratio is of one variant"
    found = []
    for one, other in pair_up(sides, line.variant, condition.other):
        ours = value_of_line(line, one.measures, lambda one=one: looks(one))  # type: ignore[misc]
        theirs = value_of_line(line, other.measures, lambda other=other: looks(other))  # type: ignore[misc]
        whose = f"{condition.other}, seed {other.seed}"
        found.append(Beside(one.seed, ours, theirs, *beside(condition, ours, theirs, whose)))
    return found


def answer(sides: Sequence[Side], line: Expect, looks: Callable[[Side], Look]) -> Answer:
    """One such line over all pairs: it fails when one does, and is unsure when one is or there is none."""
    condition = line.is_
    assert isinstance(condition, Condition), "a ratio has a condition"
    found = pairs(sides, line, looks)
    if not found:
        why = f"no valid run of {line.variant} and of {condition.other} has a seed in common"
        return Answer(line.label, condition.text, None, "unsure", why)
    verdict = next((v for v in ("fail", "unsure") if any(one.verdict == v for one in found)), "pass")
    one = next(one for one in found if one.verdict == verdict)
    return Answer(line.label, condition.text, one.ours.number, verdict, one.why)


def answers(sides: Sequence[Side], lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """All such lines among `lines`, answered."""
    held: dict[int, Look] = {}

    def looks(side: Side) -> Look:
        return held.setdefault(id(side), looker(side.folder))

    found = []
    for raw in lines:
        text = raw.get("is")
        if not isinstance(text, str) or "variant" not in text:
            continue
        try:
            line = read_expect(raw)
        except SpecError:
            continue  # a word that has "variant" in it; its own run has complained about it
        condition = line.is_
        if isinstance(condition, Condition) and condition.of == "variant":
            both = {"compare": [line.variant, condition.other]}
            found.append(answer(sides, line, looks)._asdict() | both)
    return found
