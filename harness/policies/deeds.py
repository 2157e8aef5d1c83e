"""What a fault or an operator's deed may be given, in one place for the file that plans it and the port that does it.

An experiment file is read long before its run, and the component reads the same texts again when they are sent to it.
Two readers with two rules disagree in the worst place: what the check let pass is refused in the middle of a run, or
what a component would gladly do cannot be written down. So each argument is one `Quantity`: its unit, its bounds and
its words. The file asks `read`; a component asks `of`, which names the argument, because no line and column does.

    rates       above 0/s: an intake of 0/s is an outage, for which there are faults. A ramp may start at 0/s
    shares      above 0%: a fault that hits nobody is none. What operators leave to background work may be 0%
    slots       a capacity fault may leave none; added ones are at least one. Never over 100,000

Not here: what needs two arguments (a ramp that falls), which is `ramp_complaint`'s, and which arguments a deed takes,
which is the data of `harness.spec.components`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from harness import units

SLOTS_MAX: Final = 100_000
RATE_PER_S_MAX: Final = 1e9
LENGTH_S_MAX: Final = 1e9  # thirty years; the clock of a run counts nanoseconds in 64 bits


class Quantity(NamedTuple):
    """One argument. Bounds are inclusive, the lower one not when `low_open`. Units: s, per_s, share, count, number."""

    name: str
    unit: str
    low: float
    high: float
    low_open: bool = False

    def read(self, value: object) -> float | int:
        """The value in SI units. Raises ValueError with what was found and what is allowed."""
        found = self._number(value)
        if found is None:
            if self.unit in ("count", "number"):
                raise ValueError(f"{value!r} is not {self.allowed(sentence=False)}")
            raise ValueError(f"{value!r} is out of bounds; it {self.allowed()}")
        return found

    def of(self, params: Mapping[str, Any]) -> Any:
        """The same of its name in `params`. Raises ValueError that begins with the name."""
        value = params.get(self.name)
        try:
            found = self._number(value)
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from error
        if found is None:
            raise ValueError(f"{self.name} is {value}; it {self.allowed()}")
        return found

    def allowed(self, *, sentence: bool = True) -> str:
        """What is allowed, in words; as the rest of a sentence that begins with "it"."""
        if self.unit == "share":
            return f"lies between 0% and 100%{', and is above 0%' if self.low_open else ''}"
        unit = {"s": " s", "per_s": "/s"}.get(self.unit, "")
        what = {"count": "a whole number of ", "number": "a number "}.get(self.unit, "")
        least = f"{'above' if self.low_open else 'at least'} {self.low:g}{unit}"
        return f"{'must be ' if sentence else ''}{what}{least} and at most {_plain(self.high)}{unit}"

    def _number(self, value: object) -> float | int | None:
        """The number that is there, None when it is out of bounds. Raises ValueError when it is no quantity."""
        found: float | int
        if self.unit in _READ:
            found = _READ[self.unit](value)
        elif isinstance(value, bool) or not isinstance(value, int if self.unit == "count" else int | float):
            return None
        else:
            found = value
        inside = self.low <= found <= self.high and not (self.low_open and found == self.low)
        if not inside:
            return None
        return found if self.unit == "count" else float(found)


_READ: Final[dict[str, Callable[[object], float]]] = {
    "s": units.duration_s,
    "per_s": units.rate_per_s,
    "share": units.fraction,
}


def _plain(value: float) -> str:
    return f"{int(value):,}" if float(value).is_integer() else f"{value:g}"


def _rate(name: str, *, or_zero: bool = False) -> Quantity:
    return Quantity(name, "per_s", 0.0, RATE_PER_S_MAX, low_open=not or_zero)


def _length(name: str) -> Quantity:
    return Quantity(name, "s", 0.0, LENGTH_S_MAX, low_open=True)


LENGTH: Final = _length("for")
# of `latency`
MEAN: Final = _length("mean")
FACTOR: Final = Quantity("factor", "number", 0.0, 1e6, low_open=True)
# of `capacity` and `add_capacity`
SLOTS_LEFT: Final = Quantity("slots", "count", 0, SLOTS_MAX)
SLOTS_MORE: Final = Quantity("slots", "count", 1, SLOTS_MAX)
# of `errors` and `flap`, and of what is left for background work
SHARE: Final = Quantity("share", "share", 0.0, 1.0, low_open=True)
SHARE_LEFT: Final = Quantity("share", "share", 0.0, 1.0)
# of the valve
RATE: Final = _rate("rate")
FROM: Final = _rate("from", or_zero=True)
TO: Final = _rate("to")
OVER: Final = _length("over")
ABOVE: Final = Quantity("above", "count", 0, 1000)
# of single components: how many may stand in the line for leases, or wait in the network
CAP: Final = Quantity("cap", "count", 1, 100_000)
LIMIT: Final = Quantity("limit", "count", 0, 1_000_000)


def ramp_complaint(from_per_s: float, to_per_s: float) -> str | None:
    """Why no ramp goes from one rate to the other, or None."""
    if from_per_s > to_per_s:
        return f"from is {from_per_s:g}/s and to is {to_per_s:g}/s; a ramp grows, so from is at most to"
    return None
