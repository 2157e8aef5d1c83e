"""One entry of the timeline as a file writes it: when, what, with what.

    {at: outage.start, do: kv.latency, with: {factor: 8, for: 10s}}
    {at: outage.start, do: kv.latency, with: {factor: 8, for: 20s}, square: {on: 2s, off: 3s}}
    {when: {gauge: kv.waiting_queue, above: 500, for: 2s, delay: 15s}, do: kv.drop_queue, id: dropped}
    {when: {after_event: dropped, delay: 10s}, do: kv.heal, with: {fault: latency}, fix: true}
    {when: {gauge: kv.waiting_queue, below: 10, after_event: dropped}, do: kv.open_intake}

`at` is a moment known in advance; `when` is a condition, so that operators can be modelled: what they see (a gauge
beyond a line for so many seconds, or another entry done), how long they take to act (`delay`), and from when on they
look: at the earliest `after` (without it, from the first fault whose moment is known), and with `after_event` not
before that entry was done. A condition that goes away during the delay changes nothing: the decision was taken.
`once: false` acts again whenever the gauge has been back and is beyond again.

A line is in the gauge's own unit: a duration for a gauge whose name ends in `_s` (500 is refused there: it means
seconds to one reader and milliseconds to the next), a number or a percentage for the others.

`square` turns a fault with a length into one that comes and goes: `on`, `off`, `on`, ... until its `for` is over.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Final, NamedTuple

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
    model_validator,
)

from harness import units
from harness.spec.moments import Moment, read_moment
from harness.spec.values import NUMBER, Duration, Model, PositiveDuration

_GAUGE: Final = re.compile(r"[a-z_]+\.[a-z0-9_]+")
_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,60}")


class Bound(NamedTuple):
    """The line of a gauge, in the gauge's own unit; `text` is "" for a bare number."""

    value: float
    text: str

    @property
    def words(self) -> str:
        """As the file has it."""
        return self.text or f"{self.value:g}"


def _bound(value: object) -> Bound | None:
    if value is None or isinstance(value, Bound):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        found, text = units.fraction(value), ""  # a plain number
    elif isinstance(value, str) and re.fullmatch(NUMBER, value.strip()):
        found, text = float(value), ""  # YAML reads 1e3 as a text
    else:
        found, text = _quantity(value), str(value)
    if not 0.0 <= found < math.inf:
        raise ValueError(f"{value!r} is out of bounds; no gauge is negative or endless")
    return Bound(found, text)


def _quantity(value: object) -> float:
    try:
        return units.fraction(value) if str(value).strip().endswith("%") else units.duration_s(value)
    except ValueError:
        text = f"{value!r} is not a line; write a number, a percentage or a duration, as in 500, 80% or 2s"
        raise ValueError(text) from None


def _show_bound(bound: Bound | None) -> object:
    if bound is None or bound.text:
        return bound.text if bound is not None else None
    return int(bound.value) if bound.value.is_integer() else bound.value


def _gauge(value: object) -> str | None:
    if value is None or (isinstance(value, str) and _GAUGE.fullmatch(value)):
        return value
    raise ValueError(f"{value!r} is not of the form component.gauge, as in kv.waiting_queue")


def _identity(value: object) -> str | None:
    if value is None or (isinstance(value, str) and _ID.fullmatch(value)):
        return value
    raise ValueError(f"{value!r} is not an id; use up to 60 letters, digits, _ and -")


def _moment(value: object) -> Moment | None:
    return value if value is None or isinstance(value, Moment) else read_moment(value)


def _named(read: Any, example: str) -> tuple[Any, ...]:
    return BeforeValidator(read), WithJsonSchema({"type": "string", "examples": [example]})


_MOMENT = (
    BeforeValidator(_moment),
    PlainSerializer(lambda moment: None if moment is None else moment.text),
    WithJsonSchema({"type": "string", "examples": ["outage.start", "outage.end + 2s", "12s"]}),
)
_BOUND = (
    BeforeValidator(_bound),
    PlainSerializer(_show_bound),
    WithJsonSchema({"type": ["number", "string"], "examples": [500, "2s", "80%"]}),
)
_IDENTITY = _named(_identity, "throttled")


class _Sparse(Model):
    """A part that is written back without the keys it does not use."""

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in write(self).items() if value is not None}


class When(_Sparse):
    """A condition: a gauge beyond a line for `for_s`, or another entry done; then the deed follows after `delay_s`."""

    gauge: Annotated[str | None, *_named(_gauge, "kv.waiting_queue")] = None
    above: Annotated[Bound | None, *_BOUND] = None
    below: Annotated[Bound | None, *_BOUND] = None
    for_s: Duration = Field(default=0.0, alias="for")
    after: Annotated[Moment | None, *_MOMENT] = None
    after_event: Annotated[str | None, *_IDENTITY] = None
    delay_s: Duration = Field(default=0.0, alias="delay")
    once: bool = True

    @property
    def line(self) -> Bound:
        """The line of the gauge."""
        line = self.above or self.below
        assert line is not None, "a gauge has a line"
        return line

    @model_validator(mode="after")
    def _one_form(self) -> When:
        if self.gauge is None and self.after_event is None:
            raise ValueError(
                "a condition is a gauge or another entry; write {gauge: kv.waiting_queue, above: 500, for: 2s} or "
                "{after_event: ID, delay: 10s}"
            )
        if self.gauge is None:
            if self.above or self.below or self.after or self.for_s:
                raise ValueError("above, below, for and after say something about a gauge; name it, or remove them")
        elif (self.above is None) == (self.below is None):
            raise ValueError(f"{self.gauge} needs exactly one of above and below, as in {{above: 500}}")
        elif str(self.gauge).endswith("_s") and not self.line.text.strip().endswith(("s", "m", "min", "h")):
            raise ValueError(f"{self.gauge} is a time, so {self.line.words} needs a unit, as in '500ms'")
        elif not str(self.gauge).endswith("_s") and self.line.text and not self.line.text.strip().endswith("%"):
            raise ValueError(f"{self.gauge} is not a time, so {self.line.words} does not fit; write a number")
        return self


class Square(Model):
    """A fault that comes and goes: `on_s` on, `off_s` off, and again."""

    on_s: PositiveDuration = Field(alias="on")
    off_s: PositiveDuration = Field(alias="off")


class Event(_Sparse):
    """One entry of the timeline. `fix` marks the moment the trigger is gone; `id` is what others call it by."""

    id: Annotated[str | None, *_IDENTITY] = None
    at: Annotated[Moment | None, *_MOMENT] = None
    when: When | None = None
    do: Annotated[str, Field(pattern=r"^([a-z_]+\.[a-z_]+|pause)$")]
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")
    square: Square | None = None
    fix: bool = False

    @property
    def component(self) -> str:
        """The part before the dot; `pause` has none and is both."""
        return self.do.partition(".")[0]

    @property
    def verb(self) -> str:
        """The part after the dot."""
        return self.do.rpartition(".")[2]

    @property
    def moment(self) -> str:
        """When, in words."""
        return self.at.text if self.at is not None else "a `when:`"

    @model_validator(mode="after")
    def _one_moment(self) -> Event:
        if self.at is not None and self.when is not None:
            raise ValueError(f"{self.do} has both `at` and `when`; a moment is known or it is not, so keep one")
        if self.at is None and self.when is None:
            raise ValueError(
                f"{self.do} has neither `at` nor `when`; write `at: outage.start`, or `when: {{...}}` for a condition"
            )
        return self
