"""How many more pairs of runs an "unsure" would need, so that nobody repeats blindly or gives up one seed too early.

"Unsure" has two ways out, and the nearer one is told:

    to show a difference   as many pairs as give the test four chances in five, were the truth what was seen so far
    to show likeness       as many pairs as bring the 95 % interval within the margin, were the scatter what was seen

For `recovered` the first is worked out exactly: of n pairs the split ones are binomial, their direction is binomial
again, and McNemar's test says which outcomes it would call. For other measures the paired t-test stands for the exact
one, whose power it shares for scatter without wild tails; the answer is never less than the least number of pairs with
which the exact test can reach the level at all, 2 / 2^n <= level. The level is 5 % divided by the number of answers
asked for, which is what Holm asks of the first.

What was seen in few pairs is itself uncertain, so the number is a plan and no promise; over 1,000 it is not told.
Sources: Connor, Biometrics 1987 (power of McNemar's test); Cohen 1988 for 80 %.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from harness.compare.paired import ALPHA, PAIRS_LEAST, Floats

POWER = 0.8
MOST = 1000
_NORMAL = NormalDist()


def least_pairs(level: float) -> int:
    """The fewest pairs with which a two-sided exact test can reach a level."""
    return max(PAIRS_LEAST, math.ceil(1 - math.log2(level) - 1e-12))


def pairs_for_means(differences: Floats, margin: float, answers: int = 1) -> int | None:
    """Pairs in all that would settle a measure, from the differences seen; None when over 1,000.

    Args:
        differences: paired differences, at least two.
        margin: the largest difference that counts as none.
        answers: how many answers are asked for at once.
    """
    if differences.size < 2:
        return None
    level = ALPHA / answers
    mean, scatter = abs(float(differences.mean())), float(differences.std(ddof=1))
    if scatter == 0.0:
        return least_pairs(level if mean > 0 else ALPHA)
    candidates = []
    if mean > 0:
        reach = _NORMAL.inv_cdf(1 - level / 2) + _NORMAL.inv_cdf(POWER)
        n = max(least_pairs(level), math.ceil((reach * scatter / mean) ** 2))
        while n <= MOST and t_power(n, mean / scatter, level) < POWER:
            n += 1
        candidates.append(n)
    if mean < margin:
        reach = _NORMAL.inv_cdf(1 - ALPHA / 2)
        candidates.append(max(PAIRS_LEAST, math.ceil((reach * scatter / (margin - mean)) ** 2)))
    needed = min(candidates, default=MOST + 1)
    return needed if needed <= MOST else None


def t_power(pairs: int, effect: float, level: float = ALPHA) -> float:
    """The chance that a paired t-test reaches a level; `effect` is the mean difference over its scatter."""
    from scipy.stats import nct, t

    bound = float(t.isf(level / 2, pairs - 1))
    return float(nct.sf(bound, pairs - 1, effect * math.sqrt(pairs)))


def pairs_for_recovery(only_a: int, only_b: int, pairs: int, same_pairs: int, answers: int = 1) -> int | None:
    """Pairs in all that would settle `recovered`, from how many were split which way; None when over 1,000."""
    if not pairs:
        return None
    if not only_a and not only_b:
        return same_pairs
    split, first = (only_a + only_b) / pairs, only_a / (only_a + only_b)
    level = ALPHA / answers
    n = least_pairs(level)
    while n <= MOST:
        if mcnemar_power(n, split, first, level) >= POWER:
            return n
        n = math.ceil(n * 1.1)
    return None


def mcnemar_power(pairs: int, split: float, first: float, level: float = ALPHA) -> float:
    """The chance that McNemar's exact test reaches a level.

    Args:
        pairs: pairs of runs.
        split: the chance that exactly one run of a pair recovers.
        first: of split pairs, the chance that it is the first.
        level: of the test, two-sided.
    """
    import numpy as np
    from scipy.stats import binom  # half a second to import: only comparisons with split pairs pay for it

    splits = np.arange(1, pairs + 1)
    weight = binom.pmf(splits, pairs, split)
    splits, weight = splits[weight > 1e-12], weight[weight > 1e-12]
    most = binom.ppf(level / 2, splits, 0.5)  # of the weaker side: so few are still significant
    most -= 2 * binom.cdf(most, splits, 0.5) > level
    called = binom.cdf(most, splits, first) + binom.cdf(most, splits, 1 - first)
    return float(weight @ called)
