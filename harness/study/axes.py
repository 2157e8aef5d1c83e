"""An axis: one or more keys of the experiment file, and the values they take together.

    load.kv_reads.arrivals.rate=50/s,100/s,150/s          these values
    phases.outage=0.4s..2s:9                              nine values, evenly spaced, ends included
    region.kv.admission.limit=10..640:7:log               seven, each the same multiple of the one before
    client.attempts=1..8                                  whole numbers without a count: all of them
    phases.outage+timeline.0.with.mean=1s..3s:5           one value for two keys

A key is dotted as in the file; a number steps into a list (timeline.0 is the first event). Values are texts as the file
would hold them, with units, and are read by YAML's rules; what a key takes is judged by the experiment's own checks.
Between 500ms and 2s the base unit is used, so that a value has one spelling.

Leaves out: whether the key exists (`subject`), and how values are combined (`design`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import yaml

from harness import units
from harness.errors import SpecError

Value = str | int | float | bool | None
VALUES_MAX: Final = 10_000
_RANGE = re.compile(r"^(?P<low>[^:]+?)\.\.(?P<high>[^:]+?)(?::(?P<count>\d+))?(?::(?P<log>log))?$")
_QUANTITY = re.compile(r"^\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\s*(?P<unit>/?\s*[a-z%]*)\s*$")
_FORMS = "write KEY=a,b,c or KEY=low..high:count, as in phases.outage=0.5s..2s:7"


class Scale(NamedTuple):
    """How a range's numbers become values of the file: a unit's suffix, and whether they are whole."""

    suffix: str
    whole: bool

    def value(self, number: float) -> Value:
        """One number as the file would hold it."""
        if self.whole:
            return round(number)
        shown = float(f"{number:.12g}")
        return f"{shown!r}{self.suffix}" if self.suffix else shown


class Span(NamedTuple):
    """A range: its ends as numbers in the scale's unit."""

    low: float
    high: float
    log: bool
    scale: Scale

    def at(self, share: float) -> Value:
        """The value at a share of the way from low (0) to high (1)."""
        return self.scale.value(self.number(share))

    def number(self, share: float) -> float:
        """The same as a number; the ends come out exactly."""
        if share in (0.0, 1.0):
            return self.high if share else self.low
        if self.log:
            return float(self.low * (self.high / self.low) ** share)
        return self.low + share * (self.high - self.low)


class Axis(NamedTuple):
    """Keys that move together, and their values in order; `span` is None for a list of values."""

    keys: tuple[str, ...]
    values: tuple[Value, ...]
    span: Span | None

    @property
    def name(self) -> str:
        """The keys as written, joined by a plus sign."""
        return "+".join(self.keys)


def read_axis(text: str) -> Axis:
    """The axis in `KEY=VALUES`. Raises SpecError with what was found and what is allowed."""
    name, equals, values = text.partition("=")
    keys = tuple(key.strip() for key in name.split("+"))
    if not equals or not all(keys) or not values.strip():
        raise SpecError(f"{text!r} is not an axis; {_FORMS}")
    found = _RANGE.match(values.strip())
    if found is None:
        listed = tuple(_scalar(name, item) for item in values.split(","))
        if len(set(map(repr, listed))) < len(listed):
            raise SpecError(f"{name}: a value is given twice in {values!r}; give each once")
        return Axis(keys, listed, None)
    span = read_span(name, found["low"], found["high"], log=bool(found["log"]))
    return Axis(keys, _spread(name, span, found["count"]), span)


def read_span(name: str, low: str, high: str, *, log: bool = False) -> Span:
    """The range between two values with units. Raises SpecError."""
    ends, scale = _ends(name, low, high)
    if not ends[0] < ends[1]:
        raise SpecError(f"{name}: the range {low}..{high} is empty; its first end must be below its second")
    if log and ends[0] <= 0:
        raise SpecError(f"{name}: a log range begins above 0, not at {low}")
    return Span(*ends, log, scale)


def _ends(name: str, low: str, high: str) -> tuple[tuple[float, float], Scale]:
    found = [_QUANTITY.match(text) for text in (low, high)]
    if any(match is None for match in found):
        raise SpecError(f"{name}: {low}..{high} is not a range of numbers with units; {_FORMS}")
    suffixes = {match["unit"].replace(" ", "") for match in found if match is not None}
    if suffixes == {""}:
        whole = all(re.fullmatch(r"\s*[+-]?\d+\s*", text) for text in (low, high))
        return (float(low), float(high)), Scale("", whole)
    readers: tuple[tuple[str, Callable[[object], float]], ...] = (
        ("s", units.duration_s),
        ("/s", units.rate_per_s),
        ("", units.fraction),  # a share is written as a number
    )
    for suffix, read in readers:
        try:
            ends = (read(low.strip()), read(high.strip()))
        except ValueError:
            continue
        return ends, Scale(suffix, whole=False)
    raise SpecError(f"{name}: {low}..{high} mixes units; give both ends as durations, rates, percentages or numbers")


def _spread(name: str, span: Span, count: str | None) -> tuple[Value, ...]:
    if count is None:
        if not span.scale.whole:
            raise SpecError(f"{name}: how many values? write {name}=low..high:count")
        steps = round(span.high - span.low) + 1
    else:
        steps = int(count)
    if not 2 <= steps <= VALUES_MAX:
        raise SpecError(f"{name}: a range of {steps:,} values; give between 2 and {VALUES_MAX:,}")
    return tuple(dict.fromkeys(span.at(step / (steps - 1)) for step in range(steps)))


def _scalar(name: str, text: str) -> Value:
    try:
        value: Any = yaml.safe_load(text)
    except yaml.YAMLError:
        value = text.strip()
    if not isinstance(value, Value) or (isinstance(value, float) and not math.isfinite(value)):
        raise SpecError(f"{name}: {text.strip()!r} is not one value; lists and mappings cannot be on an axis")
    return value


def number_of(value: Value) -> float | None:
    """A value as a number in SI units, for sorting and drawing; None when it is a word."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    for read in (units.duration_s, units.rate_per_s, units.fraction):
        try:
            return read(value)
        except ValueError:
            continue
    return None
