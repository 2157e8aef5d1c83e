"""Which stretch of a run an `expect` line looks at: `over`, `for` and `within`.

    {series: p99, is: "<= 300ms", over: recovery}            one value over a whole phase, or over 10s after the fix
    {series: p99, is: "<= 300ms", for: baseline}             in every rolling window of a phase
    {series: p99, is: "<= 300ms", for: 3s, within: 8s}       in all of 3 s on end, begun within 8 s of the fix

A number over a whole phase hides a bad second; every single window fails a healthy system that had one slow moment. So
the file says which is meant. Rolling windows are those of the steady state: at least 1 s and 200 operations due.
Lengths count from the fix; `from: fault` or a moment of the timeline (`from: outage.start`) says otherwise.

Leaves out: what the series are worth in a run (`harness.analyse.held`).
"""

from __future__ import annotations

from typing import Annotated, Any, Final, NamedTuple

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from harness.policies.entry import did_you_mean
from harness.spec.moments import Moment, read_moment
from harness.spec.values import read_duration
from harness.spec.vocabulary import PHASES

# What can be looked at in windows, and the sort of its values.
SERIES: Final[dict[str, str]] = {
    "goodput": "share",  # of the operations due, those that met their deadline
    "goodput_per_s": "rate",  # good operations, by finish
    "attempts_per_s": "rate",  # leaving the outermost client
    "p50": "time",  # of good operations, by intended start
    "p95": "time",
    "p99": "time",
    "queue_delay": "time",  # mean wait of what began service
    "amplification": "ratio",  # attempts per operation
    "waiting": "count",  # waiting work at the end of the window
}
# Those that exist once for each component, or each "caller->callee"; `of` picks one, without it the worst counts.
PARTED: Final = ("queue_delay", "amplification", "waiting")
LOADED: Final = tuple(phase for phase in PHASES if phase != "drain")  # phases with load
ANCHORS: Final = ("fix", "fault")


class Stretch(NamedTuple):
    """A phase, or a length of time; `phase` is "" for a length."""

    text: str
    phase: str
    length_s: float


class Anchor(NamedTuple):
    """What lengths count from: "fix", "fault", or a moment known in advance."""

    text: str
    moment: Moment | None

    @property
    def words(self) -> str:
        """In a sentence."""
        return self.text if self.moment is not None else f"the {self.text}"


def read_stretch(value: object) -> Stretch:
    """A phase or a length. Raises ValueError with what is allowed."""
    if isinstance(value, Stretch):
        return value
    if isinstance(value, str) and value in LOADED:
        return Stretch(value, value, 0.0)
    try:
        return Stretch(str(value), "", read_duration(value, above_zero=True))
    except ValueError:
        near = did_you_mean(value, LOADED) if isinstance(value, str) else ""
        raise ValueError(
            f"{value!r} is neither a phase with load ({', '.join(LOADED)}) nor a length, as in 3s{near}"
        ) from None


def read_anchor(value: object) -> Anchor:
    """A beginning. Raises ValueError with what is allowed."""
    if isinstance(value, Anchor):
        return value
    if isinstance(value, str) and value in ANCHORS:
        return Anchor(value, None)
    try:
        return Anchor(str(value), read_moment(value))
    except ValueError as error:
        raise ValueError(f"{error}; `from` also takes {' and '.join(ANCHORS)}") from None


def _text(value: Any) -> str | None:
    return None if value is None else str(value.text)


def _or_none(read: Any) -> BeforeValidator:
    return BeforeValidator(lambda value: None if value is None else read(value))


MaybeStretch = Annotated[
    Stretch | None,
    _or_none(read_stretch),
    PlainSerializer(_text),
    WithJsonSchema({"type": "string", "examples": ["recovery", "3s"]}),
]
MaybeAnchor = Annotated[
    Anchor | None,
    _or_none(read_anchor),
    PlainSerializer(_text),
    WithJsonSchema({"type": "string", "examples": ["fix", "fault", "outage.start + 2s"]}),
]
