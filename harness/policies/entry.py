"""What a policy says about itself: its name, its parameters with units and bounds, its rule and its source.

Without this, the same facts live in four places (the reader of the experiment file, the docs, the command line and the
code) and drift apart. Here each policy module states them once, as data, in `ENTRIES`; everything else reads that.

    Param    one parameter: unit, default, bounds. Names carry no unit, because values in a file do ("500ms").
    Entry    one kind of policy in one slot of the client or the server. `build` takes SI values by parameter name and
             gives the spec; `check` looks at parameters together and says what cannot work, or None.
    resolve  fills defaults and refuses bad values with a sentence: where, what was found, what is allowed.

Leaves out: reading text such as "500ms" (that is `harness.units`, used by `harness.spec`).
"""

from __future__ import annotations

import difflib
import importlib
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple, Protocol


class _Required:
    """The type of REQUIRED: a parameter with no sensible default."""

    def __repr__(self) -> str:
        return "required"


REQUIRED: Final = _Required()
UNITS: Final = ("s", "per_s", "share", "count", "number", "flag", "choice")


class Param(NamedTuple):
    """One parameter. Bounds are inclusive, except the lower one when `low_open`; `choices` is for unit "choice"."""

    name: str
    unit: str
    default: object
    low: float
    high: float
    low_open: bool
    choices: tuple[str, ...]
    help: str

    def complaint(self, value: object) -> str | None:
        """Why `value` (in SI units) cannot be this parameter, or None when it can."""
        if self.unit == "choice":
            if value in self.choices:
                return None
            return f"{value!r} is not one of {', '.join(self.choices)}{did_you_mean(str(value), self.choices)}"
        if self.unit == "flag":
            return None if isinstance(value, bool) else f"{value!r} is not true or false"
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            return f"{value!r} is not a number"
        if self.unit == "count" and value != math.floor(value):
            return f"{value!r} is not a whole number"
        if value < self.low or value > self.high or (self.low_open and value == self.low):
            return f"{value:g} is out of bounds; it must be {self.allowed()}"
        return None

    def allowed(self) -> str:
        """The accepted values in words, as in "above 0 s" or "from 0 to 1"."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        if self.unit == "flag":
            return "true or false"
        unit = {"s": " s", "per_s": "/s"}.get(self.unit, "")
        if self.high == math.inf:
            return f"above {self.low:g}{unit}" if self.low_open else f"at least {self.low:g}{unit}"
        return f"{'above' if self.low_open else 'from'} {self.low:g} to {self.high:g}{unit}"


class Entry(NamedTuple):
    """One kind of policy that can fill one slot of one side."""

    kind: str
    side: str  # "client" or "server"
    slot: str
    rule: str  # one line
    params: tuple[Param, ...]
    source: str
    build: Callable[..., Any]  # keyword arguments by parameter name, SI values -> a NamedTuple spec
    check: Callable[[Mapping[str, Any]], str | None] = lambda _params: None


def seconds(name: str, default: object, text: str, *, low: float = 0.0, open_: bool = True) -> Param:
    """A duration, above 0 s unless told otherwise."""
    return Param(name, "s", default, low, math.inf, open_, (), text)


def rate(name: str, default: object, text: str, *, low: float = 0.0, open_: bool = True) -> Param:
    """A rate per second, above 0/s unless told otherwise."""
    return Param(name, "per_s", default, low, math.inf, open_, (), text)


def share(name: str, default: object, text: str, *, low: float = 0.0, high: float = 1.0, open_: bool = False) -> Param:
    """A share of a whole, from 0 to 1 unless told otherwise."""
    return Param(name, "share", default, low, high, open_, (), text)


def count(name: str, default: object, text: str, *, low: float = 1.0, high: float = math.inf) -> Param:
    """A whole number, at least 1 unless told otherwise."""
    return Param(name, "count", default, low, high, False, (), text)


def number(
    name: str, default: object, text: str, *, low: float = 0.0, high: float = math.inf, open_: bool = True
) -> Param:
    """A plain number, above 0 unless told otherwise."""
    return Param(name, "number", default, low, high, open_, (), text)


def choice(name: str, default: object, choices: tuple[str, ...], text: str) -> Param:
    """One of a few words."""
    return Param(name, "choice", default, -math.inf, math.inf, False, choices, text)


def flag(name: str, default: object, text: str) -> Param:
    """True or false."""
    return Param(name, "flag", default, -math.inf, math.inf, False, (), text)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ "; did you mean 'x'?" for the nearest known word, or "" when nothing is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def resolve(entry: Entry, given: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters of `entry`, SI values: those given, defaults for the rest.

    Raises ValueError naming the slot, the kind and the parameter for an unknown name, a missing value, a value out of
    bounds, or a combination that `entry.check` refuses.
    """
    where = f"{entry.slot} {entry.kind}"
    names = [param.name for param in entry.params]
    for name in given:
        if name not in names:
            known = f"it has {', '.join(names)}" if names else "it has no parameters"
            raise ValueError(f"{where}: unknown parameter {name!r}; {known}{did_you_mean(name, names)}")
    resolved: dict[str, Any] = {}
    for param in entry.params:
        value = given.get(param.name, param.default)
        if value is REQUIRED:
            raise ValueError(f"{where}: {param.name} is missing; give it a value {param.allowed()} ({param.help})")
        problem = param.complaint(value)
        if problem is not None:
            raise ValueError(f"{where}: {param.name}: {problem}")
        resolved[param.name] = value
    problem = entry.check(resolved)
    if problem is not None:
        raise ValueError(f"{where}: {problem}")
    return resolved


def make(entry: Entry, given: Mapping[str, Any]) -> Any:
    """The spec of `entry` for the given parameters. Raises ValueError as `resolve` does."""
    return entry.build(**resolve(entry, given))


class BackoffSteps(Protocol):
    """How long to wait before a retry."""

    def delay_s(self, spec: Any, n: int, prev_s: float, u: float, throttled: bool) -> float:
        """Seconds before retry `n` (1, 2, ...); `prev_s` is the wait before the last one, 0 for none."""


class BudgetSteps(Protocol):
    """Whether one more retry may be sent."""

    def start(self, spec: Any, now_s: float) -> Any:
        """The state at `now_s`, before anything was sent."""

    def on_first(self, spec: Any, state: Any, now_s: float) -> Any:
        """A first try is being sent."""

    def take(self, spec: Any, state: Any, now_s: float, timed_out: bool, throttled: bool) -> tuple[Any, bool]:
        """Ask for one retry (or hedge) after a failure of the given sort."""

    def on_result(self, spec: Any, state: Any, now_s: float, n: int, ok: bool, timed_out: bool, throttled: bool) -> Any:
        """Attempt `n` ended. With `ok` the two flags describe the failure that attempt `n` retried."""

    def on_cancel(self, spec: Any, state: Any, now_s: float, n: int, sent: bool) -> Any:
        """Attempt `n` ended and teaches nothing: granted but never sent, or `sent` and abandoned or not retryable."""


class BreakerSteps(Protocol):
    """Whether anything may be sent to a target."""

    def start(self, spec: Any, now_s: float) -> Any:
        """The state at `now_s`: closed."""

    def may_send(self, spec: Any, state: Any, now_s: float) -> tuple[Any, bool]:
        """Ask for one attempt."""

    def on_result(self, spec: Any, state: Any, now_s: float, ok: bool) -> Any:
        """An attempt that was let through ended."""


class LimiterSteps(Protocol):
    """When an attempt may leave this process."""

    def start(self, spec: Any, now_s: float) -> Any:
        """The state at `now_s`."""

    def admit(self, spec: Any, state: Any, now_s: float, u: float) -> tuple[Any, float]:
        """0 go now; above 0 wait that many seconds and ask again; below 0 refused."""

    def on_result(self, spec: Any, state: Any, now_s: float, accepted: bool, throttled: bool) -> Any:
        """An attempt ended: did the backend take it, and did it say it was overloaded?"""


def steps_of(spec: object) -> Any:
    """The module whose functions are the steps of a spec: the one that defines its type."""
    return importlib.import_module(type(spec).__module__)
