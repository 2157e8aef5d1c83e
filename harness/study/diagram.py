"""The facts of a phase diagram: cells by their numbers, the boundary per row, and the fluid model's expectation.

Leaves out: how they are drawn (`harness.report.phase`).
"""

from __future__ import annotations

from typing import NamedTuple

from harness.spec import ExperimentFile
from harness.study import fluid
from harness.study.axes import Axis, Span, Value, number_of
from harness.study.journal import Book
from harness.study.refine import crossings
from harness.study.sweep import Sweep
from harness.study.table import Summed

_UNITS = {"s": "s", "/s": "per second"}


class Facts(NamedTuple):
    """A grid over two axes of numbers. `borders` are (y, x, x_low, x_high), `expected` (x, y)."""

    titles: tuple[str, str]
    numbers: tuple[list[float], list[float]]
    logs: tuple[bool, bool]
    cells: list[tuple[tuple[float, float], Summed]]
    borders: list[tuple[float, float, float, float]]
    expected: list[tuple[float, float]]


def diagram_facts(sweep: Sweep, journal: Book, found: list[Summed]) -> Facts:
    """What the diagram of a two-axis grid shows."""
    along, rows = sweep.design.axes
    cells = [((_number(one.cell[0]), _number(one.cell[1])), one) for one in found]
    borders = [(_number(cross.row[0]), cross.at, cross.low, cross.high) for cross in crossings(sweep, journal)]
    return Facts(
        (_title(along), _title(rows)),
        (_numbers(along), _numbers(rows)),
        (bool(along.span and along.span.log), bool(rows.span and rows.span.log)),
        cells,
        borders,
        expectation(sweep),
    )


def expectation(sweep: Sweep) -> list[tuple[float, float]]:
    """Where the fluid model sees the change along the first axis, for each value of the second; (x, y) in numbers."""
    along, rows = sweep.design.axes
    span = along.span
    if span is None:  # between the values of a list there is nothing to bisect
        return []
    found = []
    for row in rows.values:

        def at(share: float, row: Value = row, span: Span = span) -> ExperimentFile:
            return sweep.subject.file(sweep.job((span.at(share), row), ()).settings())

        x = fluid.crossing(at, span)
        if x is not None:
            found.append((x, _number(row)))
    return found


def _number(value: Value) -> float:
    found = number_of(value)
    assert found is not None, "a diagram's axes hold numbers"
    return found


def _numbers(axis: Axis) -> list[float]:
    return sorted({_number(value) for value in axis.values})


def _title(axis: Axis) -> str:
    if axis.span is None or not axis.span.scale.suffix:
        return axis.name
    return f"{axis.name} ({_UNITS[axis.span.scale.suffix]})"
