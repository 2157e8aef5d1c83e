"""The small sentences of an experiment file: ">= 95% of due", "<= 15s", "> 95% for 10s".

Each is read once into a value that keeps the original text, because the text is what a report shows and what the file
is written back with.

    Line        a steady-state line: sense, value, and what the value is a share or a multiple of
    Condition   what an `expect` line wants of a measure; `holds(found)` answers, for a multiple given what it is of
    Stop        a gauge line that must hold for a time before the run is ended early
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from harness import units
from harness.spec.values import NUMBER

_SENSES: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
    "!=": operator.ne,
}
_LINE: Final = re.compile(rf"^\s*(<=|>=|<|>)\s*(?:({NUMBER})\s*(%\s*of\s+due|x\s+baseline)|(\S+))\s*$")
_CONDITION: Final = re.compile(r"^\s*(<=|>=|==|!=|<|>)\s*(\S+)\s*$")
_MULTIPLE: Final = re.compile(
    rf"^\s*(<=|>=|<|>)\s*({NUMBER})\s*x\s+(?:(baseline|saved)|variant\s+([A-Za-z0-9_-]+))\s*$"
)
_STOP: Final = re.compile(r"^\s*(<=|>=|<|>)\s*(\S+)\s+for\s+(\S+)\s*$")

# Steady-state lines are judged in rolling windows of at least so many seconds, and at least so many operations due.
ROLLING_S: Final = 1.0
LEAST_DUE: Final = 200


class Line(NamedTuple):
    """A steady-state line. `of` is "due" (a share), "baseline" (a multiple) or "absolute" (seconds or a ratio)."""

    text: str
    sense: str  # "<=", ">=", "<" or ">"
    value: float
    of: str

    def limit(self, baseline: float = float("nan")) -> float:
        """The bound itself, given the baseline of the same measure."""
        return self.value * baseline if self.of == "baseline" else self.value

    def holds(self, found: float, baseline: float = float("nan")) -> bool:
        """Whether `found` (a share of due, a ratio or seconds) is on the good side of the bound."""
        return _SENSES[self.sense](found, self.limit(baseline))


def _finite(text: str, value: float) -> float:
    """Raises ValueError for a number too large to be one (1e999)."""
    if not math.isfinite(value):
        raise ValueError(f"{text!r} has no end; write a finite number")
    return value


def read_line(text: object, allowed: tuple[str, ...], example: str) -> Line:
    """A steady-state line whose value is of one of the `allowed` sorts. Raises ValueError with what is allowed."""
    sorts = {"due": "'N% of due'", "baseline": "'Nx baseline'", "duration": "a duration", "number": "a number"}
    wanted = f"write a sense (<=, >=, <, >) and {' or '.join(sorts[sort] for sort in allowed)}, as in '{example}'"
    found = _LINE.match(text) if isinstance(text, str) else None
    if found is None or not isinstance(text, str):
        hint = (
            "; a share of the baseline fails healthy systems, whose windows vary, so it is a share of the work due"
            if isinstance(text, str) and "of baseline" in text
            else ""
        )
        raise ValueError(f"{text!r} is not a steady-state line; {wanted}{hint}")
    sense, number, _, of, bare = found.groups()
    if number is not None:
        if of.startswith("%") and "due" in allowed:
            return Line(text, sense, _finite(text, float(number)) / 100.0, "due")
        if of.startswith("x") and "baseline" in allowed:
            return Line(text, sense, _finite(text, float(number)), "baseline")
    elif "duration" in allowed and re.search(r"[a-z]", bare) and not re.fullmatch(NUMBER, bare):
        return Line(text, sense, _finite(text, units.duration_s(bare)), "absolute")
    elif "number" in allowed and re.fullmatch(NUMBER, bare):
        return Line(text, sense, _finite(text, float(bare)), "absolute")
    raise ValueError(f"{text!r} does not fit this measure; {wanted}")


class Condition(NamedTuple):
    """What is wanted of one measure: a bound in SI units, a word, true or false, or a multiple of another value.

    `of` is "absolute", "due" (a share of the operations due), or what `value` is a multiple of: "baseline" (the same
    run's baseline phase), "variant" (a run of variant `other` with the same seed) or "saved" (a saved baseline).
    """

    text: str
    sense: str
    value: float | str | bool
    of: str = "absolute"
    other: str = ""

    @property
    def relative(self) -> bool:
        """Whether it can be answered only beside another value."""
        return self.of in ("baseline", "variant", "saved")

    def limit(self, reference: float) -> float:
        """The bound itself, given what a multiple is of."""
        assert isinstance(self.value, float), "only a number is a bound"
        return self.value * reference if self.relative else self.value

    def holds(self, found: object, reference: float = math.nan) -> bool:
        """Whether a value of measures.json satisfies it. None or nan (not defined) never does, but None does `!=`."""
        if found is None:
            return self.sense == "!="
        if isinstance(found, float) and math.isnan(found):
            return False
        if isinstance(self.value, float):
            if isinstance(found, bool) or not isinstance(found, int | float):
                return self.sense == "!="
            return _SENSES[self.sense](found, self.limit(reference))
        return _SENSES[self.sense](found, self.value)


def read_condition(value: object) -> Condition:
    """A condition in `is:`. Raises ValueError with the accepted forms."""
    if isinstance(value, bool):
        return Condition(str(value).lower(), "==", value)
    multiple = _MULTIPLE.match(value) if isinstance(value, str) else None
    if multiple is not None:
        sense, number, _, word, other = multiple.groups()
        return Condition(str(value), sense, _finite(str(value), float(number)), word or "variant", other or "")
    share = _LINE.match(value) if isinstance(value, str) else None
    if share is not None and share[4] and share[4].startswith("%"):
        return Condition(str(value), share[1], _finite(str(value), float(share[2])) / 100.0, "due")
    found = _CONDITION.match(value) if isinstance(value, str) else None
    if found is None or not isinstance(value, str):
        raise ValueError(
            f"{value!r} is not a condition; write true, false, or a sense (<=, >=, <, >, ==, !=) and a value, "
            "as in '<= 15s', '>= 95%' or '== recovered', or a multiple, as in '<= 2x baseline', "
            "'<= 0.5x variant naive' or '<= 1.2x saved'"
        )
    sense, text = found.groups()
    wanted = _value(text)
    if not isinstance(wanted, float) and sense not in ("==", "!="):
        raise ValueError(f"{value!r} orders a word; use == or !=, or a number with its unit")
    return Condition(value, sense, wanted)


def _value(text: str) -> float | str | bool:
    found = _any_value(text)
    return _finite(text, found) if isinstance(found, float) else found


def _any_value(text: str) -> float | str | bool:
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(rf"[+-]?{NUMBER}", text):
        return float(text)
    if text.endswith("%"):
        return units.fraction(text)
    if re.match(r"[+-]?[0-9.]", text):
        return units.rate_per_s(text) if "/" in text else units.duration_s(text)
    return text


class Stop(NamedTuple):
    """A stop condition: the gauge is beyond `value` (a share or a count) for `for_s` on end."""

    text: str
    sense: str
    value: float
    for_s: float

    def beyond(self, found: float) -> bool:
        """Whether one reading is on the wrong side."""
        return _SENSES[self.sense](found, self.value)


def read_stop(text: object) -> Stop:
    """A line of `stop_when`. Raises ValueError with the accepted form."""
    found = _STOP.match(text) if isinstance(text, str) else None
    if found is None or not isinstance(text, str):
        raise ValueError(f"{text!r} is not a stop condition; write one as in '> 95% for 10s'")
    sense, value, length = found.groups()
    number = _value(value)
    if isinstance(number, str | bool):
        raise ValueError(  # noqa: TRY004  # it is the text that is wrong
            f"{text!r}: {value!r} is not a number or a percentage; write one as in '> 95% for 10s'"
        )
    return Stop(text, sense, number, _finite(text, units.duration_s(length)))
