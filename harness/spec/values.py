"""How one value of an experiment file is read, kept and written back.

A file says "500ms"; arithmetic wants 0.5. Keeping the text loses the number, keeping the number loses the unit, and a
plan that cannot be written back exactly cannot be compared with the file it came from. So each type here reads the text
once, holds SI floats, and writes a text that reads back to the same float: `repr` of the float and the base unit, as in
"0.5s" and "100.0/s".

    Duration, PositiveDuration      seconds >= 0, > 0; at most thirty years, for the clock counts nanoseconds in 64 bits
    Period                          seconds between two times that something is done unasked: at least 10 ms
    MaybeDuration, MaybeRate        the same, or the word "none" (None inside)
    Rate                            events per second, > 0
    Share                           0 to 1, from "5%" or 0.05

Not here: policies (`policy.py`), moments of the timeline (`moments.py`), lines such as ">= 95% of due" (`lines.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema

from harness import units
from harness.policies.deeds import LENGTH_S_MAX, RATE_PER_S_MAX

NONE: Final = "none"
NUMBER: Final = r"[0-9]*\.?[0-9]+([eE][+-]?[0-9]+)?"
DURATION_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [{"type": "string", "pattern": rf"^\s*(event\s+)?{NUMBER}\s*(us|ms|s|m|min|h)\s*$"}, {"const": 0}],
    "description": 'a duration with its unit, as in "500ms"',
    "examples": ["500ms", "2s"],
}
RATE_SCHEMA: Final[dict[str, Any]] = {
    "type": "string",
    "pattern": rf"^\s*(event\s+)?{NUMBER}\s*/\s*(s|m|min|h)\s*$",
    "description": 'a rate with its unit, as in "100/s"',
    "examples": ["100/s"],
}
SHARE_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": 1},
        {"type": "string", "pattern": rf"^\s*{NUMBER}\s*%\s*$"},
    ],
    "description": 'a share, as in "5%" or 0.05',
}


# Work done unasked more often than this leaves no time for anything else, live or simulated; a microsecond is a slip.
PERIOD_S_MIN: Final = 0.01
RATE_PER_S_MIN: Final = 1e-9


class Model(BaseModel):
    """Base of every part of an experiment: immutable, unknown keys refused, written back under the file's names."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, validate_by_alias=True, serialize_by_alias=True, allow_inf_nan=False
    )


def show_duration(value_s: float | None) -> str:
    """Seconds as a text that reads back to the same float."""
    return NONE if value_s is None else f"{value_s!r}s"


def show_rate(value_per_s: float | None) -> str:
    """Events per second as a text that reads back to the same float."""
    return NONE if value_per_s is None else f"{value_per_s!r}/s"


def read_duration(value: object, *, above_zero: bool = False) -> float:
    """Seconds in a duration. Raises ValueError with what is allowed; negative and endless ones are refused."""
    found = units.duration_s(value)
    if found < 0 or (above_zero and found == 0):
        least = "above 0s" if above_zero else "0s or more"
        raise ValueError(f"{value!r} is out of bounds; a duration here is {least}")
    if not found <= LENGTH_S_MAX:
        raise ValueError(f"{value!r} is out of bounds; a duration here is at most {LENGTH_S_MAX / 3600.0:,.0f}h")
    return found


def read_period(value: object) -> float:
    """Seconds between two times that something is done. Raises ValueError with what is allowed."""
    found = read_duration(value, above_zero=True)
    if found < PERIOD_S_MIN:
        least = f"at least {PERIOD_S_MIN * 1e3:g}ms, or the run does nothing else"
        raise ValueError(f"{value!r} is out of bounds; what is done again and again waits {least}")
    return found


def read_rate(value: object) -> float:
    """Events per second in a rate. Raises ValueError with what is allowed; zero and negative ones are refused."""
    found = units.rate_per_s(value)
    if found <= 0:
        raise ValueError(f"{value!r} is out of bounds; a rate here is above 0/s")
    if not RATE_PER_S_MIN <= found <= RATE_PER_S_MAX:
        bounds = f"{RATE_PER_S_MIN:g}/s to {RATE_PER_S_MAX:g}/s"
        raise ValueError(f"{value!r} is out of bounds; a rate here is {bounds}")
    return found


def read_share(value: object) -> float:
    """A share of a whole. Raises ValueError when it is not within 0 to 1."""
    found = units.fraction(value)
    if not 0.0 <= found <= 1.0:
        raise ValueError(f"{value!r} is out of bounds; a share lies between 0% and 100%")
    return found


def _positive(value: object) -> float:
    return read_duration(value, above_zero=True)


def _or_none(read: Callable[[object], float]) -> Callable[[object], float | None]:
    def optional(value: object) -> float | None:
        return None if value is None or value == NONE else read(value)

    return optional


def _schema(schema: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema(schema)


def _maybe(schema: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [{"const": NONE}, {"type": "null"}, schema]})


Duration = Annotated[float, BeforeValidator(read_duration), PlainSerializer(show_duration), _schema(DURATION_SCHEMA)]
PositiveDuration = Annotated[
    float, BeforeValidator(_positive), PlainSerializer(show_duration), _schema(DURATION_SCHEMA)
]
Period = Annotated[float, BeforeValidator(read_period), PlainSerializer(show_duration), _schema(DURATION_SCHEMA)]
MaybeDuration = Annotated[
    float | None, BeforeValidator(_or_none(_positive)), PlainSerializer(show_duration), _maybe(DURATION_SCHEMA)
]
Rate = Annotated[float, BeforeValidator(read_rate), PlainSerializer(show_rate), _schema(RATE_SCHEMA)]
MaybeRate = Annotated[
    float | None, BeforeValidator(_or_none(read_rate)), PlainSerializer(show_rate), _maybe(RATE_SCHEMA)
]
Share = Annotated[float, BeforeValidator(read_share), _schema(SHARE_SCHEMA)]
