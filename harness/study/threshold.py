"""The critical value of one key: where the chance of recovery passes one half, with an interval.

One seed's tipping point is one draw; and bisecting with one run per value walks off in the wrong direction whenever a
run near the boundary says what few of its kind say. So each value is tried with a few seeds, and with more while the
Wilson interval of its chance holds 1/2; bisection then narrows the range on the side that is more likely. Stopping as
soon as a value looks decided flatters it, so in the end every value near the boundary gets all its seeds.

    bracket    the verdict depends on the value alone: all runs below go one way, all above the other; the interval is
               the last bracket
    logistic   it depends on luck as well: chance = 1 / (1 + exp(-(x - m) / w)) is fitted to all runs tried, and the
               interval of m holds every m whose best fit is not 1.92 worse in log-likelihood

Both are 95 % intervals. Needs a single change of sides between the ends. Leaves out: that values share their seeds and
so their luck, of which the fit makes no use.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from harness.compare.chance import wilson
from harness.errors import SpecError
from harness.study.axes import Axis, Value, number_of
from harness.study.crew import Done, Hands
from harness.study.engine import Told
from harness.study.journal import Book
from harness.study.sweep import Sweep, missing

FIRST_SEEDS: Final = 5
EVENTS: Final = ("recovered", "metastable")
_WORSE: Final = 1.920729410347062  # half of the 95 % point of chi-squared with one degree of freedom
_PROBES_MOST: Final = 60
_MIDDLES, _WIDTHS = 801, 121


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
    sweep: Sweep, journal: Book, crew: Hands, on: Callable[[Done], None], *, event: str = "recovered",
    tolerance: float | None = None, first: int = FIRST_SEEDS,
) -> Threshold:  # fmt: skip
    """Look for it along the sweep's only axis. Without a tolerance: 1 for whole numbers, else 1/64 of the range."""
    axis = _only_axis(sweep, event)
    assert axis.span is not None, "_only_axis checked"
    span = axis.span
    probes: dict[float, Probe] = {}
    narrow = tolerance or (1.0 if span.scale.whole else (span.high - span.low) / 64)
    first = min(first, len(sweep.seeds))

    shares: dict[float, float] = {}

    def probe(share: float, *, all_seeds: bool = False) -> Probe:
        value = span.at(share)
        count = len(sweep.seeds) if all_seeds else first
        while True:
            _run(sweep, journal, crew, on, value, count)
            told = [journal.get((value,), seed) for seed in sweep.seeds[:count]]
            found = [happened(event, one) for one in told if one is not None]
            hits, runs = sum(one is True for one in found), sum(one is not None for one in found)
            low, high = wilson(hits, runs)
            if count == len(sweep.seeds) or not low <= 0.5 <= high:
                number = number_of(value)
                assert number is not None, "a span holds numbers"
                shares[number] = share
                probes[number] = Probe(value, number, hits, runs)
                return probes[number]
            count = min(len(sweep.seeds), count + first)

    low, high = (0.0, probe(0.0)), (1.0, probe(1.0))
    rising = high[1].above
    if low[1].above == rising:
        both = f"{low[1].hits} of {low[1].runs} and {high[1].hits} of {high[1].runs}"
        return _none(axis, event, probes.values(), f"both ends agree ({event} in {both} runs); widen the range")
    while high[1].number - low[1].number > narrow * (1 + 1e-9) and len(probes) < _PROBES_MOST:
        share = (low[0] + high[0]) / 2
        if span.at(share) in (low[1].value, high[1].value):
            break  # no value of its own is left between them
        middle = (share, probe(share))
        low, high = (low, middle) if middle[1].above == rising else (middle, high)
    for share in _unsure(shares, probes):
        probe(share, all_seeds=True)
    return _judge(axis, event, (low[1].number, high[1].number), sorted(probes.values(), key=_number), rising=rising)


def _unsure(shares: Mapping[float, float], probes: Mapping[float, Probe]) -> list[float]:
    """Shares of the values whose runs differ, and of the next value on either side."""
    numbers = sorted(probes)
    mixed = [at for at, number in enumerate(numbers) if not probes[number].pure]
    near = {at + step for at in mixed for step in (-1, 0, 1)} & set(range(len(numbers)))
    return [shares[numbers[at]] for at in sorted(near)]


def _number(probe: Probe) -> float:
    return probe.number


def _only_axis(sweep: Sweep, event: str) -> Axis:
    if event not in EVENTS:
        raise SpecError(f"unknown event {event!r}; a threshold is of {' or '.join(EVENTS)}")
    axes = sweep.design.axes
    if len(axes) != 1 or axes[0].span is None:
        raise SpecError("a threshold lies on one range; give --over KEY=low..high, as in phases.outage=0.1s..3s")
    return axes[0]


def _run(
    sweep: Sweep, journal: Book, crew: Hands, on: Callable[[Done], None], value: Value, count: int
) -> None:
    for done in crew.run(missing(sweep, journal, [(value,)], sweep.seeds[:count])):
        for seed, told in zip(done.job.seeds, done.told, strict=True):
            journal.add(done.job.values, seed, told)
        on(done)


def _none(axis: Axis, event: str, probes: Iterable[Probe], how: str) -> Threshold:
    found = tuple(sorted(probes, key=_number))
    return Threshold(axis.name, event, None, None, None, None, how, found)


def _judge(
    axis: Axis, event: str, ends: tuple[float, float], probes: Sequence[Probe], *, rising: bool
) -> Threshold:
    if all(probe.pure and probe.above == (rising == (probe.number >= ends[1])) for probe in probes):
        return Threshold(axis.name, event, sum(ends) / 2, *ends, rising, "bracket", tuple(probes))
    at, low, high = logistic(probes, rising=rising, log=bool(axis.span and axis.span.log))
    return Threshold(axis.name, event, at, low, high, rising, "logistic", tuple(probes))


def logistic(probes: Sequence[Probe], *, rising: bool, log: bool = False) -> tuple[float, float, float]:
    """The value where a fitted chance is 1/2, and its 95 % interval by profile likelihood, within the range tried.

    The best width is looked for anew for each middle, on a grid: the likelihood has plateaus, and climbers stop there.
    """
    x = np.array([math.log(probe.number) if log else probe.number for probe in probes])
    hits, runs = (np.array([getattr(probe, name) for probe in probes], dtype=np.float64) for name in ("hits", "runs"))
    middles = np.linspace(x.min(), x.max(), _MIDDLES)
    widths = np.geomspace(1e-4, 10.0, _WIDTHS) * (x.max() - x.min())
    z = (x - middles[:, None, None]) / widths[:, None] * (1.0 if rising else -1.0)
    losses = (hits * np.logaddexp(0.0, -z) + (runs - hits) * np.logaddexp(0.0, z)).sum(axis=2).min(axis=1)
    inside = middles[losses <= losses.min() + _WORSE]
    found = (float(middles[np.argmin(losses)]), float(inside[0]), float(inside[-1]))
    return (math.exp(found[0]), math.exp(found[1]), math.exp(found[2])) if log else found
