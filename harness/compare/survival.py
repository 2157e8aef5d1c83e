"""Time to recover when some runs never did: Kaplan-Meier curves, and a log-rank test beside them.

A run that was not steady when the load ended has not recovered "in 25 s", nor "never": it was watched for 25 s and then
lost from sight. Leaving such runs out praises the variant that is stuck most often, and entering the horizon as a time
invents a recovery. Kaplan and Meier's estimate uses what is known of each: after every time t at which runs recovered,

    S(t) = S(t before) * (1 - recovered at t / still watched at t)

is the chance of not having recovered by t. It ends above zero when the longest-watched runs never recovered, and then
there is no mean, and no median unless it fell to one half. A run that never failed recovered at 0.

The log-rank test asks whether two such curves could be one. It knows nothing of pairs, so it stands beside the paired
tests as a description and decides nothing.

Estimate, intervals (log-log, which stay within 0 and 1) and test are scipy's.
Sources: Kaplan and Meier, JASA 1958; Mantel 1966.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from harness.compare.sides import Side


class Survival(NamedTuple):
    """One variant's curve: steps at `times_s`, the share not yet recovered from each on, and its 95 % interval.

    `low` and `high` hold None where the interval is undefined (nothing has happened, or everything). `censored_s` are
    the times at which runs were lost from sight. `median_s` is None where more than half never recovered.
    """

    variant: str
    runs: int
    times_s: tuple[float, ...]
    unrecovered: tuple[float, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    censored_s: tuple[float, ...]
    median_s: float | None


def survival(sides: Sequence[Side], variant: str) -> Survival | None:
    """The curve of one variant's valid runs; None without any."""
    times_s, recovered = watched(sides, variant)
    if not times_s.size:
        return None
    from scipy import stats  # half a second to import: only who draws curves pays for it

    found = stats.ecdf(_censored(times_s, recovered)).sf
    if recovered.any():
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a step to 0 has no such interval: nan, told as None
            bounds = found.confidence_interval(confidence_level=0.95, method="log-log")
        low, high = (_known(bound.probabilities) for bound in bounds)
    else:
        low = high = (None,) * found.quantiles.size
    below = found.quantiles[found.probabilities <= 0.5]
    return Survival(
        variant,
        int(times_s.size),
        tuple(map(float, found.quantiles)),
        tuple(map(float, found.probabilities)),
        low,
        high,
        tuple(sorted(map(float, times_s[~recovered]))),
        float(below[0]) if below.size else None,
    )


def log_rank(sides: Sequence[Side], a: str, b: str) -> float | None:
    """The two-sided p of "both variants recover alike"; None without runs on both sides or a recovery on any."""
    mine, theirs = watched(sides, a), watched(sides, b)
    if not mine[0].size or not theirs[0].size or not (mine[1].any() or theirs[1].any()):
        return None
    from scipy import stats

    with np.errstate(all="ignore"):
        p = float(stats.logrank(_censored(*mine), _censored(*theirs)).pvalue)
    return p if np.isfinite(p) else None


def watched(sides: Sequence[Side], variant: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """How long each valid run of a variant was watched from its fix, in seconds, and whether it ended in recovery."""
    found = []
    for side in sides:
        if side.variant != variant or side.recovered is None:
            continue
        time_s = side.measures.get("time_to_recover_s" if side.recovered else "horizon_s")
        if time_s is not None:
            found.append((float(time_s), bool(side.recovered)))
    return np.array([t for t, _ in found], dtype=np.float64), np.array([done for _, done in found], dtype=np.bool_)


def _censored(times_s: np.ndarray[Any, Any], recovered: np.ndarray[Any, Any]) -> Any:
    from scipy import stats

    return stats.CensoredData.right_censored(times_s, ~recovered)


def _known(values: np.ndarray[Any, Any]) -> tuple[float | None, ...]:
    return tuple(float(value) if np.isfinite(value) else None for value in values)
