"""A published number beside ours: one line of the table that `blackstart reproduce` prints, and when they agree.

Agreement is decided by a rule stated with the line, never by eye: a relative band where the source is a rounded figure,
standard errors where both sides are samples, intervals for shares. What has no published tolerance is marked "stated"
and counts neither way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Final, NamedTuple

from harness.compare.chance import wilson

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
    mean = fmean(values)
    se = stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.inf
    near = abs(mean - published) <= Z * math.hypot(se, published_se) + slack
    low, high = mean - 1.96 * se, mean + 1.96 * se
    rule = f"within {Z:g} standard errors" + (f" + {slack:g}" if slack else "")
    interval = f"{low:.{digits}g} to {high:.{digits}g}"
    return Line(result, what, f"{published:.{digits}g}", f"{mean:.{digits}g}", interval, _word(near), rule)


def band(
    result: str, what: str, ours: float, published: float, share: float, *, low: float | None = None,
    high: float | None = None,
) -> Line:  # fmt: skip
    """A number against a published one: within a relative band, or the published one inside our interval."""
    near = abs(ours - published) <= share * abs(published)
    if low is None or high is None:
        return Line(result, what, f"{published:.4g}", f"{ours:.4g}", "-", _word(near), f"within {share:.2g} of it")
    rule = f"within {share:.2g} of it, or it in our interval"
    word = _word(near or low <= published <= high)
    return Line(result, what, f"{published:.4g}", f"{ours:.4g}", f"{low:.4g} to {high:.4g}", word, rule)


def factor(result: str, what: str, values: Sequence[float], published: float, times: float) -> Line:
    """The mean of some times against a published one, within a factor."""
    mean = fmean(values) if values else math.nan
    near = published / times <= mean <= published * times
    interval = f"{min(values):.3g} to {max(values):.3g} seen" if values else "-"
    return Line(result, what, f"{published:.4g}", f"{mean:.4g}", interval, _word(near), f"within a factor of {times:g}")


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


def _word(near: bool) -> str:
    return AGREES if near else DIFFERS
