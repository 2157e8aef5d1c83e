"""Adding runs until the answer is sure, without becoming surer for having looked often.

Look after every pair and stop at the first p under 5 %: with thirty looks, one comparison in four of variants that
are alike then ends in a "difference". Each look is a chance to be wrong, so the looks must share the 5 %, here in
proportion to the pairs they add:

    level of look j = alpha * (pairs[j] - pairs[j-1]) / most pairs

The levels sum to alpha, so by the union bound the chance of any false finding over all looks is at most alpha, whatever
the looks have in common; within a look Holm's correction and the exact tests are as ever. What one look has settled
stays settled. Looks are spaced by a factor of 1.4, because a look at two new pairs costs level and shows little.

Leaves out: giving up early where no number of pairs in reach would do; `enough` tells that in the result.
Sources: Pocock 1977 on repeated looks; Lan and DeMets, Biometrika 1983, on spending.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness.compare.judgement import Judged, Pair
from harness.compare.paired import PAIRS_LEAST

_STEP = 1.4


class Look(NamedTuple):
    """One look: judge after this many pairs, at this level."""

    pairs: int
    level: float


def looks(most: int, alpha: float, answers: int) -> tuple[Look, ...]:
    """The looks of a comparison of at most so many pairs with so many answers to give.

    The first look is where an exact test of that many pairs can first settle anything. Raises ValueError when that is
    beyond `most`.
    """
    first = next((n for n in range(PAIRS_LEAST, most + 1) if answers * 2.0 / 2.0**n <= alpha * n / most), None)
    if first is None:
        raise ValueError(f"{most} pairs cannot settle {answers} answers at {alpha:.3g}: an exact test needs more")
    at = [first]
    while at[-1] < most:
        following = max(at[-1] + 2, round(at[-1] * _STEP))
        at.append(most if following + 2 > most else following)
    return tuple(Look(n, alpha * (n - before) / most) for n, before in zip(at, [0, *at[:-1]], strict=True))


def settle(before: Sequence[Pair], now: Sequence[Pair]) -> list[Pair]:
    """The judgement of this look, with what earlier looks settled kept."""
    if not before:
        return list(now)
    return [
        pair._replace(judged=tuple(map(_kept, old.judged, pair.judged))) for old, pair in zip(before, now, strict=True)
    ]


def unsure(pairs: Sequence[Pair]) -> int:
    """How many answers are still open."""
    return sum(one.verdict == "unsure" for pair in pairs for one in pair.judged)


def _kept(old: Judged, new: Judged) -> Judged:
    if old.verdict == "unsure":
        return new
    return new._replace(verdict=old.verdict, why=f"{old.why}; settled then, and more pairs do not unsettle it")
