"""The results as tables: one row per run, and one row per cell with the chance of recovery and its interval.

    runs     variant, the axes, seed, and everything a run told
    cells    the axes, runs, invalid, recovered, chance, chance_low, chance_high (Wilson, 95 %, over valid runs),
             time_to_recover_s_median (of the runs that recovered), amplification_median, and the commonest verdict

CSV always; Parquet as well where pyarrow is installed. Rows stand in the order of the design and of the seeds, so the
same sweep gives the same bytes however many workers did it. A value that is not defined is an empty field in CSV and
null in Parquet. Cells that an adaptive sweep never ran are left out.
"""

from __future__ import annotations

import csv
import importlib
import importlib.util
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from harness.compare.chance import wilson
from harness.errors import RunError
from harness.study.engine import Told
from harness.study.journal import Book
from harness.study.sweep import Cell, Sweep, told_of

Row = dict[str, Any]


class Summed(NamedTuple):
    """One cell, over its runs."""

    cell: Cell
    runs: int
    invalid: int
    recovered: int
    chance: float | None  # None when no run was valid
    chance_low: float
    chance_high: float
    time_to_recover_s_median: float | None
    amplification_median: float | None
    verdict: str  # the commonest; of equally common ones the first in the alphabet


def summed(cell: Cell, told: Sequence[Told]) -> Summed:
    """One cell's runs, summed up. Needs at least one."""
    valid = [one for one in told if one.recovered is not None]
    recovered = [one for one in valid if one.recovered]
    low, high = wilson(len(recovered), len(valid))
    times = [one.time_to_recover_s for one in recovered if one.time_to_recover_s is not None]
    ratios = [one.amplification for one in valid if one.amplification is not None]
    counts = Counter(one.verdict for one in told)
    return Summed(
        cell, len(told), len(told) - len(valid), len(recovered), len(recovered) / len(valid) if valid else None,
        low, high, median(times) if times else None, median(ratios) if ratios else None,
        min(counts, key=lambda verdict: (-counts[verdict], verdict)),
    )  # fmt: skip


def cells_of(sweep: Sweep, journal: Book) -> list[Summed]:
    """Every cell that ran, in the order of the design; each cell once."""
    found = []
    for cell in dict.fromkeys(sweep.design.cells):
        told = [one for _, one in told_of(sweep, journal, cell)]
        if told:
            found.append(summed(cell, told))
    return found


def run_rows(sweep: Sweep, journal: Book) -> list[Row]:
    """One row per finished run."""
    names = [axis.name for axis in sweep.design.axes]
    return [
        {"variant": sweep.subject.variant, **dict(zip(names, cell, strict=True)), "seed": seed, **told._asdict()}
        for cell in dict.fromkeys(sweep.design.cells)
        for seed, told in told_of(sweep, journal, cell)
    ]


def cell_rows(sweep: Sweep, cells: Sequence[Summed]) -> list[Row]:
    """One row per cell."""
    names = [axis.name for axis in sweep.design.axes]
    rows = []
    for one in cells:
        rest = {name: value for name, value in one._asdict().items() if name != "cell"}
        rows.append({**dict(zip(names, one.cell, strict=True)), **rest})
    return rows


def write(rows: Sequence[Mapping[str, Any]], path: Path) -> list[Path]:
    """Write `<path>.csv`, and `<path>.parquet` where pyarrow is installed. Raises RunError when there is no room."""
    written = [path.with_suffix(".csv")]
    try:
        with written[0].open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
            writer.writeheader()
            writer.writerows({key: _shown(value) for key, value in row.items()} for row in rows)
        if importlib.util.find_spec("pyarrow") is not None:
            written.append(_write_parquet(rows, path.with_suffix(".parquet")))
    except OSError as error:
        raise RunError(
            f"{path}: the table cannot be written: {error.strerror or error}; the runs are kept in the journal beside "
            "it, so free some space and give the same command again"
        ) from error
    return written


def _shown(value: object) -> object:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else value


def _write_parquet(rows: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """The same as Parquet; a column of mixed kinds (words among numbers) is written as texts."""
    pyarrow: Any = importlib.import_module("pyarrow")
    parquet: Any = importlib.import_module("pyarrow.parquet")
    columns = {}
    for name in rows[0] if rows else ():
        values = [row[name] for row in rows]
        kinds = {type(value) for value in values if value is not None}
        numbers = kinds <= {int, float}
        columns[name] = values if len(kinds) < 2 or numbers else [None if v is None else str(_shown(v)) for v in values]
        if kinds == {int, float}:
            columns[name] = [None if v is None else float(v) for v in values]
    parquet.write_table(pyarrow.table(columns), path)
    return path
