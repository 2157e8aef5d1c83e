"""The `expect` lines of an experiment, answered from measures: pass, fail, or unsure with the reason.

"Not shown to be worse" is not "shown to be better", and a run that cannot support a verdict supports no criterion
either, so there are three answers, not two. A time to recover that is censored fails "<= 15s" only if the run watched
for 15 s after the fix; a shorter run is unsure.

Comparative lines need pairs of runs; `harness.compare` answers them, and one run alone is unsure.

Leaves out: exit codes (pass 0, fail 1, unsure 3; the command line knows them).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from harness.errors import SpecError
from harness.spec.lines import Condition, read_condition
from harness.spec.vocabulary import ENDINGS, full_key


class Answer(NamedTuple):
    """One expect line and what became of it."""

    measure: str
    wanted: str
    found: object
    verdict: str  # "pass", "fail" or "unsure"
    why: str


def look_up(measures: Mapping[str, Any], measure: str) -> tuple[str, object]:
    """The full dotted key and the value of a measure; `time_to_recover` finds `time_to_recover_s`.

    A measure that exists, but for a part that had no place in this run (an audit, another component), is None. Raises
    SpecError when no measure of that name exists.
    """
    *path, last = measure.split(".")
    at: Any = measures
    for step in path:
        at = at.get(step) if isinstance(at, Mapping) else None
    if isinstance(at, Mapping):
        for ending in ENDINGS:
            if last + ending in at:
                return ".".join([*path, last + ending]), at[last + ending]
    key = full_key(measure)
    if key is not None:
        return key, None
    if isinstance(at, Mapping):
        known = ", ".join(sorted(str(key) for key in at))
        raise SpecError(f"expect: no measure {measure!r}; at that place there are {known}")
    top = ", ".join(sorted(key for key in measures if key not in ("reasons", "expect")))
    raise SpecError(f"expect: no measure {measure!r}; measures.json holds {top}")


def answer(measures: Mapping[str, Any], line: Mapping[str, Any]) -> Answer:
    """One absolute line of this run's variant."""
    measure, wanted = str(line["measure"]), line["is"]
    try:
        condition = read_condition(wanted)
    except ValueError as error:
        raise SpecError(f"expect {measure}: {error}") from error
    key, found = look_up(measures, measure)
    if not measures["validity"]["valid"] and key != "verdict" and not key.startswith("validity"):
        return Answer(key, condition.text, found, "unsure", "the run is invalid; see validity")
    if found is None:
        return _undefined(measures, key, condition)
    holds = condition.holds(found)
    return Answer(key, condition.text, found, "pass" if holds else "fail", f"found {found}")


def _undefined(measures: Mapping[str, Any], key: str, condition: Condition) -> Answer:
    """A measure without a value: censored times can still refute a bound, anything else is unsure."""
    reason = str(measures.get("reasons", {}).get(key, "not defined in this run"))
    horizon_s = measures.get("horizon_s")
    bound = condition.value
    if key == "time_to_recover_s" and measures.get("censored") and isinstance(bound, float) and horizon_s is not None:
        if condition.sense in ("<=", "<"):
            refuted = horizon_s >= bound
            return Answer(
                key, condition.text, None, "fail" if refuted else "unsure", f"not within {horizon_s:g} s: {reason}"
            )
        if condition.sense in (">=", ">") and horizon_s > bound:
            return Answer(key, condition.text, None, "pass", f"not within {horizon_s:g} s: {reason}")
    return Answer(key, condition.text, None, "unsure", reason)


def answer_all(measures: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], variant: str) -> list[dict[str, Any]]:
    """All lines that concern this run: absolute ones answered, comparative ones unsure."""
    answers = []
    for line in lines:
        pair = line.get("compare")
        if pair is not None:
            if variant in pair:
                why = "one run cannot be compared; `blackstart compare` answers this line"
                answers.append(
                    Answer(str(line["measure"]), str(line["is"]), None, "unsure", why)._asdict()
                    | {"compare": list(pair)}
                )
        elif line.get("variant") == variant:
            answers.append(answer(measures, line)._asdict())
    return answers
