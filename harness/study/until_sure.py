"""Adaptive repetition: pairs of runs are added until every answer is sure, or as many as were allowed have been done.

A fixed number of repetitions is wrong twice: it goes on when the answer has long been plain, or it stops just short of
it. Here runs are added a few seeds at a time, each with every variant, and judged at the looks of
`harness.compare.looks`, which keep the chance of a false finding over all looks under what was asked for. It ends

    when nothing is unsure,   when the most pairs are done,   or when a run fails, with what there is until then.

Invalid runs are not done again: they make fewer pairs, and the record says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import comb
from typing import NamedTuple

from harness.compare import pairs_of
from harness.compare.judgement import PRIMARY, Pair
from harness.compare.looks import Look, looks, settle, unsure
from harness.record.folder import RunFolder

More = Callable[[int, int], Sequence[RunFolder] | None]  # seeds done, seeds to add -> their runs; None if one failed


class Sure(NamedTuple):
    """What adaptive repetition ended with."""

    folders: list[RunFolder]
    pairs: list[Pair]
    taken: list[Look]
    open: int  # answers that stayed unsure


def until_sure(more: More, variants: int, most: int, alpha: float, tell: Callable[[Look, int], None]) -> Sure:
    """Add runs by `more` until sure; `tell` hears each look and how many answers are open after it.

    Raises ValueError where so few pairs can settle nothing.
    """
    answers = len(PRIMARY) * comb(variants, 2)
    folders: list[RunFolder] = []
    pairs: list[Pair] = []
    taken: list[Look] = []
    done = 0
    for look in looks(most, alpha, answers):
        found = more(done, look.pairs - done)
        if found is None:
            break
        folders += found
        done = look.pairs
        pairs = settle(pairs, pairs_of(folders, alpha=look.level))
        taken.append(look)
        tell(look, unsure(pairs))
        if not unsure(pairs):
            break
    return Sure(folders, pairs, taken, unsure(pairs))
