"""Exact tests for a handful of paired runs.

Runs of two variants with the same seed met the same arrivals and the same luck, so only their difference counts. With
few pairs the usual methods lie: a percentile bootstrap of three pairs calls a difference real in a quarter of all cases
without one. Exact tests do not, because they count instead of approximating:

    sign-flip   if the variants were alike, each difference could as well have had the other sign; p is the share of
                all 2^n sign patterns whose mean is at least as far from 0 as the one observed
    McNemar     of the pairs in which exactly one recovered, how lopsided is the split: a fair coin's two-sided p
    Holm        k answers at once: the i-th smallest p (from 0) times k - i, never less than the one before

With n pairs no p is smaller than 2 / 2^n, so under six pairs nothing can reach 5 % and the answer is "unsure".
The interval of the mean difference is the sign-flip test inverted: all shifts it does not reject at 5 %.

Beyond 12 pairs 2^n is too many; then 20,000 patterns are drawn, with a fixed seed, and the observed one is counted in.
Sources: Fisher 1935; McNemar 1947; Holm 1979; Phipson and Smyth 2010 for counting the observed pattern.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PAIRS_LEAST = 6
ALPHA = 0.05
_EXACT_MOST = 12
_PATTERNS = 20_000
_TINY = 1e-12


def signs(n: int) -> Floats:
    """Sign patterns for n differences, one a row: all of them up to 12, else a fixed sample with the observed one."""
    if n <= _EXACT_MOST:
        bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        return np.asarray(1.0 - 2.0 * bits)
    drawn = np.random.Generator(np.random.PCG64(n)).integers(0, 2, (_PATTERNS, n))
    drawn[0] = 0
    return np.asarray(1.0 - 2.0 * drawn)


def sign_flip(differences: Floats) -> float:
    """The two-sided p of "the variants are alike"; 1 without differences."""
    return _p(differences, signs(differences.size)) if differences.size else 1.0


def _p(differences: Floats, patterns: Floats) -> float:
    sums = np.abs(patterns @ differences)
    observed = abs(float(differences.sum()))
    return float(np.mean(sums >= observed - _TINY * max(1.0, observed)))


def interval(differences: Floats, alpha: float = ALPHA) -> tuple[float, float]:
    """The interval of the mean difference: the shifts that the sign-flip test does not reject at level `alpha`."""
    n = differences.size
    if n < PAIRS_LEAST or alpha < 2.0 / 2.0**n:
        return -math.inf, math.inf
    middle = float(differences.mean())
    patterns = signs(n)
    reach = 2.0 * n * float(np.abs(differences - middle).max()) + _TINY
    bounds = []
    for sign in (-1.0, 1.0):
        kept, gone = 0.0, reach  # a shift of `kept` is not rejected, one of `gone` is
        for _ in range(40):  # to a millionth of a millionth of the reach
            trial = (kept + gone) / 2.0
            if _p(differences - middle - sign * trial, patterns) > alpha:
                kept = trial
            else:
                gone = trial
        bounds.append(middle + sign * kept)
    return bounds[0], bounds[1]


def mcnemar(only_first: int, only_second: int) -> float:
    """The exact two-sided p of a split of discordant pairs; 1 when there are none."""
    n = only_first + only_second
    tail = sum(math.comb(n, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, float(2 * tail) / float(2**n))


def holm(ps: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given."""
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    adjusted: list[Any] = [0.0] * len(ps)
    highest = 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, ps[i] * (len(ps) - rank)))
        adjusted[i] = highest
    return adjusted
