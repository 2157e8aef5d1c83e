"""Does a series rise or fall, or is it only noise? Kendall's trend test, and the slope it is asked together with.

A backlog that stands still wanders, and over a few seconds it always wanders somewhere: a slope alone calls that a
trend. A test alone calls one healthy series in a hundred sick, and a tiny trend in a long series real. So a trend is
both: a slope that matters, and an order of values that chance seldom makes.

    S       = pairs in rising order - pairs in falling order
    rises   = the chance of an S so high, were all orders alike, is under 1 % (one-sided)

It is asked of means of one second: readings a quarter of a second apart follow each other, and each would count as
news. With fewer than five values even perfect order happens by chance more often than that, and the test says no.
Leaves out: means of one second that follow each other too; a slow wave passes for a trend.
Sources: Mann 1945; Kendall 1948; Sen, JASA 1968 (the slope).
"""

from __future__ import annotations

import math

import numpy as np

from harness.analyse.percentiles import Floats

TREND_P = 0.01
LEAST_MEANS = 5  # the fewest values the test can tell anything of
_Z_1_PERCENT = 2.326
_EXACT_MOST = 40
_POINTS_MOST = 400  # 80,000 pairs; more points do not move a median


def slope_per_s(t_s: Floats, values: Floats) -> float:
    """The Theil-Sen slope of values over time; 0 with fewer than two points."""
    if t_s.size > _POINTS_MOST:
        keep = np.linspace(0, t_s.size - 1, _POINTS_MOST).astype(np.int64)
        t_s, values = t_s[keep], values[keep]
    i, j = np.triu_indices(t_s.size, 1)
    if not i.size:
        return 0.0
    return float(np.median((values[j] - values[i]) / (t_s[j] - t_s[i])))


def rises(values: Floats) -> bool:
    """Kendall's one-sided trend test at 1 %: exact up to 40 values, by the normal approximation beyond."""
    n = values.size
    if n < 2:
        return False
    i, j = np.triu_indices(n, 1)
    s = float(np.sign(values[j] - values[i]).sum())
    if n > _EXACT_MOST:
        return (s - 1.0) / math.sqrt(n * (n - 1) * (2 * n + 5) / 18.0) > _Z_1_PERCENT
    return _at_most(n, (i.size - s) / 2.0) < TREND_P


def second_means(values: Floats, width_s: float) -> Floats:
    """Means of one second each of values `width_s` apart; a rest of less than a second is left out."""
    per_s = max(1, round(1.0 / width_s))
    seconds = values.size // per_s
    return np.asarray(values[: seconds * per_s].reshape(seconds, per_s).mean(axis=1), dtype=np.float64)


def _at_most(n: int, discordant: float) -> float:
    """The chance that a random order of n values has at most so many discordant pairs."""
    share = np.ones(1)
    for size in range(2, n + 1):  # the value put in as number `size` makes 0 to size - 1 new inversions, each as likely
        share = np.convolve(share, np.full(size, 1.0 / size))
    return float(share[: math.floor(discordant) + 1].sum())
