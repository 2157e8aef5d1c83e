"""The critical value of one key: where the chance of recovery passes one half, with an interval.

One seed's tipping point is one draw; and bisecting with one run per value walks off in the wrong direction whenever a
run near the boundary says what few of its kind say. So each value is tried with a few seeds, and with more while the
Wilson interval of its chance holds 1/2; bisection then narrows the range on the side that is more likely.

    the verdict depends on the value alone   the interval is the last bracket: all runs below one way, all above the other
    it depends on luck as well               chance = 1 / (1 + exp(-(x - m) / w)) is fitted to all runs tried, and the
                                             interval of m holds every m whose best fit is not 1.92 log-likelihood worse

Both hold at 95 %. Needs a single change of sides between the ends. Leaves out: the dependence of seeds across values
(they share their luck, which narrows nothing here).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, xlogy

from harness.compare.chance import wilson
from harness.errors import SpecError
from harness.study.axes import Axis, Span, Value, number_of
from harness.study.crew import Done, Hands
from harness.study.engine import Told
from harness.study.journal import Journal
from harness.study.sweep import Sweep, missing

FIRST_SEEDS: Final = 5
EVENTS: Final = ("recovered", "metastable")
_WORSE: Final = 1.920729410347062  # half of the 95 % point of chi-squared with one degree of freedom
_PROBES_MOST: Final = 60


class Probe(NamedTuple):
    """One value tried: how many of its runs showed the event. Invalid runs count for nothing."""

    value: Value
    number: float
    hits: int
    runs: int

    @property
    def above(self) -> bool:
        """More likely than not."""
        return 2 * self.hits >= self.runs > 0

    @property
    def pure(self) -> bool:
        """All runs alike."""
        return self.hits in (0, self.runs)


class Threshold(NamedTuple):
    """The critical value and its 95 % interval, in numbers (seconds, per second); None when the ends agree."""

    axis: str
    event: str
    at: float | None
    low: float | None
    high: float | None
    rising: bool | None  # the event becomes likelier as the value grows
    how: str  # "bracket", "logistic" or why there is none
    probes: tuple[Probe, ...]

    @property
    def runs(self) -> int:
        """Valid runs it rests on."""
        return sum(probe.runs for probe in self.probes)


def happened(event: str, told: Told) -> bool | None:
    """Whether a run showed the event; None for an invalid run."""
    if told.recovered is None:
        return None
    return told.recovered if event == "recovered" else told.verdict == event


def find(
    sweep: Sweep, journal: Journal, crew: Hands, on: Callable[[Done], None], *, event: str = "recovered",
    tolerance: float | None = None, first: int = FIRST_SEEDS,
) -> Threshold:  # fmt: skip
    """Look for it along the sweep's only axis. Without a tolerance: 1 for whole numbers, else 1/64 of the range."""
    axis = _only_axis(sweep, event)
    assert axis.span is not None, "_only_axis checked"
    span, probes = axis.span, {}
    narrow = tolerance or (1.0 if span.scale.whole else (span.high - span.low) / 64)
    first = min(first, len(sweep.seeds))

    def probe(share: float) -> Probe:
        value = span.at(share)
        count = first
        while True:
            _run(sweep, journal, crew, on, value, count)
            told = [journal.get((value,), seed) for seed in sweep.seeds[:count]]
            found = [happened(event, one) for one in told if one is not None]
            hits, runs = sum(one is True for one in found), sum(one is not None for one in found)
            low, high = wilson(hits, runs)
            if count == len(sweep.seeds) or not low <= 0.5 <= high:
                number = number_of(value)
                assert number is not None, "a span holds numbers"
                probes[number] = Probe(value, number, hits, runs)
                return probes[number]
            count = min(len(sweep.seeds), count + first)

    low, high = probe(0.0), probe(1.0)
    if low.above == high.above:
        both = f"{low.hits} of {low.runs} and {high.hits} of {high.runs}"
        return _none(axis, event, probes.values(), f"both ends agree ({event} in {both} runs); widen the range")
    ends = (0.0, 1.0)
    while probes_apart(span, ends) > narrow * (1 + 1e-9) and len(probes) < _PROBES_MOST:
        middle = _middle(span, ends)
        if middle is None:
            break
        ends = (middle, ends[1]) if probe(middle).above == low.above else (ends[0], middle)
    return _judge(axis, event, span, ends, sorted(probes.values(), key=lambda one: one.number), rising=high.above)


def probes_apart(span: Span, ends: tuple[float, float]) -> float:
    """The distance between two shares of a range, in its numbers."""
    return span.number(ends[1]) - span.number(ends[0])


def _middle(span: Span, ends: tuple[float, float]) -> float | None:
    """A share between two others with a value of its own; None when there is none left."""
    middle = (ends[0] + ends[1]) / 2
    values = [span.at(share) for share in (*ends, middle)]
    return middle if values[2] not in values[:2] else None


def _only_axis(sweep: Sweep, event: str) -> Axis:
    if event not in EVENTS:
        raise SpecError(f"unknown event {event!r}; a threshold is of {' or '.join(EVENTS)}")
    axes = sweep.design.axes
    if len(axes) != 1 or axes[0].span is None:
        raise SpecError("a threshold is looked for along one range; give --over KEY=low..high, as in phases.outage=0.1s..3s")
    return axes[0]


def _run(
    sweep: Sweep, journal: Journal, crew: Hands, on: Callable[[Done], None], value: Value, count: int
) -> None:
    for done in crew.run(missing(sweep, journal, [(value,)], sweep.seeds[:count])):
        for seed, told in zip(done.job.seeds, done.told, strict=True):
            journal.add(done.job.values, seed, told)
        on(done)


def _none(axis: Axis, event: str, probes: Sequence[Probe] | object, how: str) -> Threshold:
    found = tuple(sorted(probes, key=lambda one: one.number))  # type: ignore[call-overload]
    return Threshold(axis.name, event, None, None, None, None, how, found)


def _judge(
    axis: Axis, event: str, span: Span, ends: tuple[float, float], probes: Sequence[Probe], *, rising: bool
) -> Threshold:
    numbers = (span.number(ends[0]), span.number(ends[1]))
    below = [probe for probe in probes if probe.number <= numbers[0] + 1e-12]
    above = [probe for probe in probes if probe.number >= numbers[1] - 1e-12]
    split = all(probe.pure for probe in probes) and all(p.above != rising for p in below)
    if split and all(p.above == rising for p in above):
        return Threshold(axis.name, event, sum(numbers) / 2, *numbers, rising, "bracket", tuple(probes))
    at, low, high = logistic(probes, rising=rising, log=span.log)
    return Threshold(axis.name, event, at, low, high, rising, "logistic", tuple(probes))


def logistic(probes: Sequence[Probe], *, rising: bool, log: bool = False) -> tuple[float, float, float]:
    """The value where a fitted chance is 1/2, and its 95 % interval by profile likelihood, within the range tried."""
    x = np.array([math.log(probe.number) if log else probe.number for probe in probes])
    hits, runs = (np.array([getattr(probe, name) for probe in probes], dtype=np.float64) for name in ("hits", "runs"))
    sign = 1.0 if rising else -1.0
    reach = float(x.max() - x.min())
    least, most = math.log(reach * 1e-4), math.log(reach * 10)

    def loss(middle: float, log_width: float) -> float:
        chance = expit(sign * (x - middle) / math.exp(log_width))
        return -float(np.sum(xlogy(hits, chance) + xlogy(runs - hits, 1.0 - chance)))

    def best(middle: float) -> float:
        found = minimize_scalar(lambda width: loss(middle, width), bounds=(least, most), method="bounded")
        return float(found.fun)

    grid = np.linspace(x.min(), x.max(), 401)
    losses = np.array([best(float(middle)) for middle in grid])
    at = int(np.argmin(losses))
    inside = np.flatnonzero(losses <= losses[at] + _WORSE)
    ends = (float(grid[at]), float(grid[inside[0]]), float(grid[inside[-1]]))
    return (math.exp(ends[0]), math.exp(ends[1]), math.exp(ends[2])) if log else ends
