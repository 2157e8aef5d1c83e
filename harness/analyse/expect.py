"""The `expect` lines of an experiment, answered from measures: pass, fail, or unsure with the reason.

"Not shown to be worse" is not "shown to be better", and a run that cannot support a verdict supports no criterion
either, so there are three answers, not two. A time to recover that is censored fails "<= 15s" only if the run watched
for 15 s after the fix; a shorter run is unsure.

A line may be about a measure, or about a series looked at in windows (`held`). Lines that relate this run to another
(`0.5x variant naive`, `1.2x saved`) or compare two variants need that other run; `harness.compare` and `harness.gate`
bring it and use `beside`, and one run alone is unsure.

Leaves out: exit codes (pass 0, fail 1, unsure 3; the command line knows them).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.analyse.lines import SLACK_S
from harness.errors import SpecError
from harness.spec.criteria import Expect, read_expect
from harness.spec.lines import Condition, read_condition
from harness.spec.vocabulary import ENDINGS, baseline_of, full_key

if TYPE_CHECKING:
    from harness.analyse.held import Look

_INVALID = "the run is invalid; see validity"


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


def answer(measures: Mapping[str, Any], line: Mapping[str, Any], look: Look | None = None) -> Answer:
    """One line of this run's variant that needs no other run. Without `look`, lines on series are unsure."""
    if line.get("series") is not None:
        return _of_series(measures, read_expect(line), look)
    measure, wanted = str(line["measure"]), line["is"]
    try:
        condition = read_condition(wanted)
    except ValueError as error:
        raise SpecError(f"expect {measure}: {error}") from error
    key, found = look_up(measures, measure)
    if condition.of in ("variant", "saved"):
        return Answer(key, condition.text, found, "unsure", _needs(condition))
    if not measures["validity"]["valid"] and key != "verdict" and not key.startswith("validity"):
        return Answer(key, condition.text, found, "unsure", _INVALID)
    if found is None:
        return _undefined(measures, key, condition)
    if isinstance(found, float) and not math.isfinite(found):
        return Answer(key, condition.text, None, "unsure", f"found {found}, which is no number; analyse the run again")
    if condition.of == "baseline":
        return _beside_baseline(measures, key, condition)
    holds = condition.holds(found)
    return Answer(key, condition.text, found, "pass" if holds else "fail", f"found {found}")


def _of_series(measures: Mapping[str, Any], line: Expect, look: Look | None) -> Answer:
    condition = line.is_
    assert isinstance(condition, Condition), "a series has a condition"
    if condition.of in ("variant", "saved"):
        return Answer(line.label, condition.text, None, "unsure", _needs(condition))
    if not measures["validity"]["valid"]:
        return Answer(line.label, condition.text, None, "unsure", _INVALID)
    if look is None:
        return Answer(line.label, condition.text, None, "unsure", "its rows were not read; analyse the run again")
    found = look.judge(line)
    return Answer(line.label, condition.text, found.value, found.verdict, found.why)


def _needs(condition: Condition) -> str:
    if condition.of == "saved":
        return "needs a saved baseline; `blackstart gate --baseline FILE` answers this line"
    return (
        f"needs a run of {condition.other} with the same seed; `blackstart compare` and `blackstart gate` answer this "
        "line"
    )


def _beside_baseline(measures: Mapping[str, Any], key: str, condition: Condition) -> Answer:
    """A measure against its counterpart in the baseline phase; times are never held tighter than 50 ms over it."""
    base = baseline_of(key)
    if base is None:
        raise SpecError(f"expect {key}: it has no counterpart in the baseline phase; write an absolute bound")
    found, reference = look_up(measures, key)[1], look_up(measures, base)[1]
    if not isinstance(found, int | float) or not isinstance(reference, int | float):
        why = str(measures.get("reasons", {}).get(base, f"{base} is not defined in this run"))
        return Answer(key, condition.text, found, "unsure", why)
    limit = condition.limit(reference)
    if key.endswith("_s") and condition.sense.startswith("<"):
        limit = max(limit, reference + SLACK_S)
    holds = Condition("", condition.sense, limit).holds(float(found))
    why = f"found {found}, the limit is {limit:.6g} ({base} is {reference})"
    return Answer(key, condition.text, found, "pass" if holds else "fail", why)


class Value(NamedTuple):
    """A number of one run. `at_least`: it is only known to be no less (a time that was not reached while watched)."""

    number: float | None
    at_least: bool
    why: str  # when there is no number

    @property
    def words(self) -> str:
        """In a sentence."""
        return f"{'over ' if self.at_least else ''}{self.number:.6g}" if self.number is not None else "not defined"


def value_in(measures: Mapping[str, Any], measure: str) -> Value:
    """A measure as a number to set beside another. A censored time to recover is at least the time watched."""
    key, found = look_up(measures, measure)
    if key == "time_to_recover_s" and found is None and measures.get("censored"):
        horizon_s = measures.get("horizon_s")
        if isinstance(horizon_s, int | float) and math.isfinite(horizon_s):
            return Value(float(horizon_s), True, "")
    if isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found):
        return Value(float(found), False, "")
    return Value(None, False, str(measures.get("reasons", {}).get(key, f"{key} is not defined in this run")))


def beside(condition: Condition, ours: Value, theirs: Value, whose: str) -> tuple[str, str]:
    """The verdict and the reason for a multiple of a value of another run, `whose` in words."""
    if ours.number is None or theirs.number is None:
        return "unsure", ours.why if ours.number is None else f"{whose}: {theirs.why}"
    limit = condition.limit(theirs.number)
    why = f"found {ours.words}, the limit is {limit:.6g} ({theirs.words} in {whose})"
    if ours.at_least and theirs.at_least:
        return "unsure", f"{why}; neither was reached while it was watched"
    holds = Condition("", condition.sense, limit).holds(ours.number)
    if not (ours.at_least or theirs.at_least):
        return ("pass" if holds else "fail"), why
    # A bound from below can only settle the question on one side: ours is higher still, or their limit is.
    settled = "fail" if ours.at_least == condition.sense.startswith("<") else "pass"
    return (settled if ("pass" if holds else "fail") == settled else "unsure"), why


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


def answer_all(
    measures: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], variant: str, look: Look | None = None
) -> list[dict[str, Any]]:
    """All lines that concern this run: answered, or unsure where they need another (those have `compare`)."""
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
            answers.append(answer(measures, line, look)._asdict() | related(line))
    return answers


def related(line: Mapping[str, Any]) -> dict[str, Any]:
    """`compare` with both names for a line that relates its variant to another, or to what was saved."""
    wanted = line["is"]
    condition = read_condition(wanted) if isinstance(wanted, str) else None
    if condition is None or condition.of not in ("variant", "saved"):
        return {}
    return {"compare": [str(line["variant"]), condition.other or "saved"]}
