"""A published number beside ours: one line of the table that `blackstart reproduce` prints, and when they agree.

Agreement is decided by a rule stated with the line, never by eye: standard errors where either side is a mean, the
range of single runs where a single run was published, intervals for shares, a band where the source gives one. `slack`
is for the rounding of the published figure, and for what is said beside it. What a source leaves too open for a rule
is marked "stated" and counts neither way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Final, NamedTuple

from harness.compare.chance import Z_95, wilson

AGREES, DIFFERS, STATED = "agrees", "differs", "stated"
Z: Final = 3.0  # standard errors allowed between two samples


class Line(NamedTuple):
    """One published number. `interval` is that of ours; `rule` says when they agree."""

    result: str
    what: str
    published: str
    ours: str
    interval: str
    verdict: str
    rule: str


class Effort(NamedTuple):
    """How much to spend: seeds (or repeats) for each number, and where the experiment files lie."""

    seeds: int
    files: Path


class Claim(NamedTuple):
    """A published result: its name, its source, and what finds it again."""

    result: str
    source: str
    lines: Callable[[Effort], Iterator[Line]]


def sample(
    result: str, what: str, values: Sequence[float], published: float, *, published_se: float = 0.0, slack: float = 0.0,
    digits: int = 4,
) -> Line:  # fmt: skip
    """A mean over independent repeats against a published mean, within three standard errors of both plus `slack`."""
    se = stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.inf
    return estimate(
        result, what, fmean(values), se, published, published_se=published_se, slack=slack, digits=digits
    )


def estimate(
    result: str, what: str, ours: float, se: float, published: float, *, published_se: float = 0.0, slack: float = 0.0,
    digits: int = 4,
) -> Line:  # fmt: skip
    """A number with a standard error of its own, by the same rule as `sample`."""
    near = abs(ours - published) <= Z * math.hypot(se, published_se) + slack
    rule = f"within {Z:g} standard errors" + (f" + {slack:g}" if slack else "")
    interval = f"{shown(ours - 1.96 * se, digits)} to {shown(ours + 1.96 * se, digits)}"
    return Line(result, what, shown(published, digits), shown(ours, digits), interval, _word(near), rule)


def one_run(
    result: str, what: str, values: Sequence[float], published: float, *, slack: float = 0.0, digits: int = 3
) -> Line:
    """A published single run against many of ours: within the middle 95 % of them. More cannot be asked of one run."""
    ordered = sorted(values)
    low, high = (ordered[math.ceil(q * len(ordered)) - 1] for q in (0.025, 0.975))
    near = low - slack <= published <= high + slack
    interval = f"{shown(low, digits)} to {shown(high, digits)} in 95 % of runs"
    rule = f"one run there; within 95 % of our {len(ordered)}" + (f" + {slack:g}" if slack else "")
    return Line(result, what, shown(published, digits), shown(fmean(ordered), digits), interval, _word(near), rule)


def band(
    result: str, what: str, ours: float, published: float, share: float, *, low: float, high: float
) -> Line:
    """A number, with its interval, against a published one, within a relative band however wide the interval is."""
    near = abs(ours - published) <= share * abs(published)
    interval = f"{shown(low)} to {shown(high)}"
    return Line(result, what, shown(published), shown(ours), interval, _word(near), f"within {share:.0%}")


def factor(result: str, what: str, total_s: float, events: int, published_s: float, times: float) -> Line:
    """A mean time between events against a published one, within a factor; the interval is the exponential's."""
    mean_s = total_s / events if events else math.inf
    near = published_s / times <= mean_s <= published_s * times
    interval = "-"
    if events:  # the cube root of a gamma variable is nearly normal (Wilson and Hilferty)
        low, high = (total_s / _gamma_point(events + more, z) for more, z in ((1, Z_95), (0, -Z_95)))
        interval = f"{shown(low, 3)} to {shown(high, 3)}"
    return Line(result, what, shown(published_s), shown(mean_s), interval, _word(near), f"within a factor of {times:g}")


def _gamma_point(shape: float, z: float) -> float:
    """The point of a gamma distribution of this shape that lies z standard deviations from its middle."""
    return float(shape * (1.0 - 1.0 / (9.0 * shape) + z / (3.0 * math.sqrt(shape))) ** 3)


def share(result: str, what: str, hits: int, runs: int, published_hits: int, published_runs: int) -> Line:
    """A share of runs against a published one: their 95 % intervals overlap."""
    ours, theirs = wilson(hits, runs), wilson(published_hits, published_runs)
    near = ours[0] <= theirs[1] and theirs[0] <= ours[1]
    return Line(
        result, what, f"{published_hits}/{published_runs}", f"{hits}/{runs}", f"{ours[0]:.0%} to {ours[1]:.0%}",
        _word(near), "95 % intervals overlap",
    )  # fmt: skip


def ruled(result: str, what: str, ours: str, published: str, near: bool, rule: str) -> Line:
    """A number that agrees by a rule of its own."""
    return Line(result, what, published, ours, "-", _word(near), rule)


def stated(result: str, what: str, ours: str, published: str, why: str) -> Line:
    """A number shown beside a published one that no rule compares."""
    return Line(result, what, published, ours, "-", STATED, why)


def shown(value: float, digits: int = 4) -> str:
    """A number with so many digits that count, and never with a power of ten."""
    return f"{value:.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:.{digits}g}"


def _word(near: bool) -> str:
    return AGREES if near else DIFFERS
