"""Which cells to run: every combination, or a sample of the space between the ends.

A grid shows a boundary and needs values^keys cells; more than two or three keys cost more than anybody has. A random
sample costs what you say, but clumps: of ten draws of one key, a third of its range is missed every other time. A Latin
hypercube cuts each key's range into as many slices as there are cells and uses each slice of each key exactly once.

    grid       the product of the axes, the last axis fastest
    random     `cells` independent draws from each axis
    lhs        one draw in each of `cells` slices of each axis, slices shuffled per axis

Draws come from one named stream of the sweep's seed, so the same command means the same cells.
Source of the hypercube: McKay, Beckman and Conover, Technometrics 1979.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Final, NamedTuple

from harness import seeds
from harness.errors import SpecError
from harness.study.axes import Axis, Value

KINDS: Final = ("grid", "random", "lhs")
RUNS_MAX: Final = 20_000_000


class Design(NamedTuple):
    """Cells as tuples of values, one per axis, in order of their numbers."""

    kind: str
    axes: tuple[Axis, ...]
    cells: tuple[tuple[Value, ...], ...]


def make_design(kind: str, axes: Sequence[Axis], cells: int | None, seed: int) -> Design:
    """The cells of a design. Raises SpecError for an unknown kind, no axes, keys named twice, or an empty design."""
    _check(kind, axes, cells)
    if kind == "grid":
        return Design(kind, tuple(axes), tuple(product(*(axis.values for axis in axes))))
    assert cells is not None
    columns = [_draw(kind, axis, cells, seed) for axis in axes]
    return Design(kind, tuple(axes), tuple(zip(*columns, strict=True)))


def _check(kind: str, axes: Sequence[Axis], cells: int | None) -> None:
    if kind not in KINDS:
        raise SpecError(f"unknown design {kind!r}; designs are {', '.join(KINDS)}")
    if not axes:
        raise SpecError("no axis; give --over KEY=VALUES, as in --over phases.outage=0.5s..2s:7")
    keys = [key for axis in axes for key in axis.keys]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise SpecError(f"{', '.join(twice)}: on two axes; a key takes one value at a time")
    if kind == "grid":
        if cells is not None:
            raise SpecError("--cells is for random and lhs designs; a grid has as many cells as its axes have values")
        count = math.prod(len(axis.values) for axis in axes)
        if count > RUNS_MAX:
            raise SpecError(f"the grid has {count:,} cells; at most {RUNS_MAX:,} can be numbered; use fewer values")
    elif cells is None or not 1 <= cells <= RUNS_MAX:
        raise SpecError(f"a {kind} design needs --cells between 1 and {RUNS_MAX:,}; {cells!r} was given")


def _draw(kind: str, axis: Axis, cells: int, seed: int) -> list[Value]:
    rng = seeds.rng(seed, f"study/{kind}/{axis.name}")
    slices = list(range(cells))
    if kind == "lhs":
        rng.shuffle(slices)
        shares = [(part + rng.random()) / cells for part in slices]
    else:
        shares = [rng.random() for _ in slices]
    if axis.span is not None:
        return [axis.span.at(share) for share in shares]
    return [axis.values[int(share * len(axis.values))] for share in shares]
