"""Runs where the answer is uncertain, and none where it is plain: bisection along the boundary of a grid.

Most cells of a phase diagram lie deep in one colour, and say nothing that their neighbours did not. Along the first
axis, in every row of the others, the boundary is looked for by bisection, and seeds are spent where it is:

    1. both ends of the row, with a few seeds each
    2. while neighbours on either side of P = 1/2 are not adjacent: the cell half-way between them
    3. the two at the boundary, and outwards every cell that is mixed: more seeds while the Wilson interval holds 1/2,
       and the next cell further out, until one is all of one kind

All rows advance together, a wave at a time, so that every core has work. Bisection assumes that a row changes sides
once; a row that changes back in between would show one boundary only (a full grid shows both). Leaves out: rows whose
ends agree; they are taken to have no boundary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise, product
from typing import Final, NamedTuple

from harness.errors import SpecError
from harness.study.axes import number_of
from harness.study.crew import Done, Hands
from harness.study.journal import Book
from harness.study.sweep import Cell, Sweep, missing, told_of
from harness.study.table import Summed, summed

FIRST_SEEDS: Final = 5


class Crossing(NamedTuple):
    """Where a row crosses P = 1/2, in numbers of the first axis; `low` and `high` are the cells that are sure."""

    row: Cell
    at: float
    low: float
    high: float


def carry_out_refined(
    sweep: Sweep, journal: Book, crew: Hands, on: Callable[[Done], None], first: int = FIRST_SEEDS
) -> None:
    """Do what the boundary needs, waves of at most one step per row. Raises SpecError unless the design is a grid."""
    if sweep.design.kind != "grid" or any(number_of(value) is None for value in sweep.design.axes[0].values):
        raise SpecError("--refine bisects along the first axis of a grid, which must have numbers in order")
    rows = rows_of(sweep)
    while True:
        jobs = []
        for row in rows:
            for cell, seeds in wanted(row, _table(sweep, journal, row), min(first, len(sweep.seeds)), len(sweep.seeds)):
                jobs += missing(sweep, journal, [cell], sweep.seeds[:seeds])
        if not jobs:
            return
        for done in crew.run(jobs):
            for seed, told in zip(done.job.seeds, done.told, strict=True):
                journal.add(done.job.values, seed, told)
            on(done)


def rows_of(sweep: Sweep) -> list[tuple[Cell, ...]]:
    """The cells along the first axis, for every combination of the others."""
    along, *others = (axis.values for axis in sweep.design.axes)
    return [tuple((value, *rest) for value in along) for rest in product(*others)]


def wanted(row: Sequence[Cell], known: dict[int, Summed], first: int, most: int) -> list[tuple[Cell, int]]:
    """The next cells of a row and how many seeds each should have; empty when the row is finished."""
    ends = (0, len(row) - 1)
    unknown = [at for at in ends if at not in known]
    if unknown:
        return [(row[at], first) for at in unknown]
    pair = _pair(known)
    if pair is None:
        return _more(row, known, [at for at in dict.fromkeys(ends) if _mixed(known[at])], first, most)
    low, high = pair
    if high - low > 1:
        return [(row[(low + high) // 2], first)]
    near = [low, high]
    for at, step in ((low, -1), (high, 1)):
        here = at
        while here in known and _mixed(known[here]) and 0 <= here + step < len(row):
            here += step
            near.append(here)
    return _more(row, known, near, first, most)


def _more(
    row: Sequence[Cell], known: dict[int, Summed], near: Sequence[int], first: int, most: int
) -> list[tuple[Cell, int]]:
    """Seeds for cells near the boundary: the first few, then more while it is unsure on which side they lie."""
    found = []
    for at in near:
        if at not in known:
            found.append((row[at], first))
        elif known[at].runs < most and known[at].chance_low <= 0.5 <= known[at].chance_high:
            found.append((row[at], min(most, known[at].runs + first)))
    return found


def _side(one: Summed) -> bool:
    return one.chance is not None and one.chance >= 0.5


def _mixed(one: Summed) -> bool:
    return one.chance is not None and 0.0 < one.chance < 1.0


def _pair(known: dict[int, Summed]) -> tuple[int, int] | None:
    """The first two known neighbours on different sides."""
    order = sorted(known)
    return next(((a, b) for a, b in pairwise(order) if _side(known[a]) != _side(known[b])), None)


def _table(sweep: Sweep, journal: Book, row: Sequence[Cell]) -> dict[int, Summed]:
    found = {}
    for at, cell in enumerate(row):
        told = [one for _, one in told_of(sweep, journal, cell)]
        if told:
            found[at] = summed(cell, told)
    return found


def crossings(sweep: Sweep, journal: Book) -> list[Crossing]:
    """The boundary of every row that has one: P = 1/2 on the straight line between the two cells beside it."""
    found = []
    for row in rows_of(sweep):
        known = _table(sweep, journal, row)
        pair = _pair(known)
        if pair is None:
            continue
        numbers = [number_of(cell[0]) for cell in row]
        if any(number is None for number in numbers):
            continue
        x = [number for number in numbers if number is not None]
        a, b = (known[at].chance or 0.0 for at in pair)
        at = x[pair[0]] + (a - 0.5) / (a - b) * (x[pair[1]] - x[pair[0]])
        order = sorted(known)
        left = _side(known[pair[0]])
        sure_low = [i for i in order if i <= pair[0] and _sure(known[i]) is left]
        sure_high = [i for i in order if i >= pair[1] and _sure(known[i]) is (not left)]
        low, high = x[max(sure_low, default=order[0])], x[min(sure_high, default=order[-1])]
        found.append(Crossing(row[0][1:], at, low, high))
    return found


def _sure(one: Summed) -> bool | None:
    """On which side of 1/2 the whole interval lies; None when it holds 1/2."""
    if one.chance_low > 0.5:
        return True
    return False if one.chance_high < 0.5 else None
