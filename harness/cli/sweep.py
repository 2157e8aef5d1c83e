"""`blackstart sweep FILE --over KEY=VALUES ...`: many runs in virtual time, one table, one phase diagram.

Every finished run is in the journal of the sweep's folder at once, so the same command given again goes on where it was
stopped, whatever stopped it. The folder's name follows from what is swept, not from the time.

    runs/<experiment>/sweep-<variant>-<code>/    sweep.jsonl runs.csv cells.csv (and .parquet) phase.svg phase.png
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.errors import Exit, SpecError
from harness.units import show_s

if TYPE_CHECKING:
    from harness.study.crew import Done
    from harness.study.journal import Journal
    from harness.study.sweep import Sweep
    from harness.study.table import Summed

ASK_ABOVE_S = 1800.0
_SAY_EVERY_S = 5.0
_LINES_MOST = 40


class Design(StrEnum):
    """Which cells are run."""

    GRID = "grid"
    RANDOM = "random"
    LHS = "lhs"


class EngineName(StrEnum):
    """What runs a cell."""

    AUTO = "auto"
    KERNEL = "kernel"
    WORLD = "world"


def sweep(
    file: Annotated[Path, typer.Argument(help="experiment file (YAML)")],
    over: Annotated[
        list[str] | None,
        typer.Option(help="KEY=a,b,c or KEY=low..high:count[:log]; again for each axis; keys joined by + go together"),
    ] = None,
    design: Annotated[Design, typer.Option(help="every combination, or a sample of --cells of them")] = Design.GRID,
    cells: Annotated[int | None, typer.Option(help="cells of a random or lhs design")] = None,
    variant: Annotated[str | None, typer.Option(help="the variant to sweep (default: the file's first)")] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100_000, help="runs of each cell, with seeds s, s+1, ...")] = 5,
    seed: Annotated[int | None, typer.Option(help="the first seed (default: the file's)")] = None,
    engine: Annotated[EngineName, typer.Option(help="auto: the kernel where it can, else the world")] = EngineName.AUTO,
    workers: Annotated[int | None, typer.Option(min=1, help="processes (default: one per core)")] = None,
    cluster: Annotated[
        str | None, typer.Option(help="run on Dask instead: a scheduler's address, or `local`; the result is the same")
    ] = None,
    refine: Annotated[bool, typer.Option(help="only along the boundary, by bisection along the first axis")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="start even when it will take long")] = False,
    runs: Annotated[Path, typer.Option(help="where the sweep's folder goes")] = Path("runs"),
    out: Annotated[Path | None, typer.Option(help="the sweep's folder itself, instead")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the cells alone on stdout")] = False,
) -> int:
    """Run an experiment over settings and seeds, and draw where it recovers."""
    from harness.study import table
    from harness.study.axes import read_axis
    from harness.study.design import make_design
    from harness.study.journal import Journal, of
    from harness.study.refine import carry_out_refined
    from harness.study.subject import read_subject
    from harness.study.sweep import Sweep, carry_out, check

    subject = read_subject(file, variant)
    axes = [read_axis(text) for text in over or ()]
    first = subject.seed if seed is None else seed
    planned = Sweep(
        subject, make_design(design.value, axes, cells, first), tuple(range(first, first + seeds)), engine.value
    )
    check(planned)
    what = of(subject, engine.value, [axis.name for axis in axes])
    folder = out or runs / subject.name / f"sweep-{subject.variant}-{what.code()}"
    with Journal(folder / "sweep.jsonl", what) as journal:
        with hands(planned, workers, cluster) as (crew, count):
            ask(planned, journal, count, yes=yes, refine=refine)
            with Progress(planned, journal) as progress:
                carry = carry_out_refined if refine else carry_out
                carry(planned, journal, crew, progress.done)
        found = table.cells_of(planned, journal)
        written = table.write(table.run_rows(planned, journal), folder / "runs")
        written += table.write(table.cell_rows(planned, found), folder / "cells")
        written += _draw(planned, journal, found, folder)
    if as_json:
        typer.echo(json.dumps(table.cell_rows(planned, found), indent=1, allow_nan=False))
        return int(Exit.PASS)
    typer.echo("\n".join(_lines(planned, found)))
    typer.echo(f"  written {', '.join(str(path) for path in written)}")
    typer.echo(f"  journal {folder / 'sweep.jsonl'}: the same command, or one with more seeds, goes on from it")
    return int(Exit.PASS)


def hands(planned: Sweep, workers: int | None, cluster: str | None) -> Any:
    """A context manager giving who does the jobs, and how many of them there are."""
    from contextlib import contextmanager

    @contextmanager
    def given() -> Any:
        import os

        if cluster is not None:
            from harness.study.cluster import Cluster

            with Cluster(planned.subject, planned.engine, cluster) as group:
                yield group, group.size
            return
        from harness.study.crew import Crew

        count = workers or len(os.sched_getaffinity(0))
        with Crew(planned.subject, planned.engine, count) as crew:
            yield crew, count

    return given()


def ask(planned: Sweep, journal: Journal, workers: int, *, yes: bool, refine: bool = False) -> None:
    """Time one run, and refuse a sweep of more than half an hour unless told to go on. Raises SpecError."""
    from harness.live.clock import monotonic_ns
    from harness.study.sweep import one_run

    left = planned.runs - len(journal)
    if yes or left <= 200:
        return
    run = one_run(planned)
    run()  # compiles, if it must
    began_ns = monotonic_ns()
    run()
    each_s = (monotonic_ns() - began_ns) / 1e9
    took_s = each_s * left / workers
    if took_s > ASK_ABOVE_S:
        least = " at most, as --refine leaves most cells out" if refine else ""
        raise SpecError(
            f"{left:,} runs to do, about {show_s(each_s)} each: about {show_s(took_s)} on {workers} processes{least}; "
            "say --yes to start (it can be stopped and goes on later), or use fewer values, fewer seeds or --refine"
        )


class Progress:
    """One line on stderr: cells done, and the time left at the pace so far."""

    def __init__(self, planned: Sweep, journal: Journal, total: int | None = None) -> None:
        from harness.live.clock import monotonic_ns

        self._now_ns: Callable[[], int] = monotonic_ns
        self._journal = journal
        self._before = len(journal)
        self._total = planned.runs if total is None else total
        self._began_ns = self._said_ns = monotonic_ns()
        self._terminal = sys.stderr.isatty()

    def __enter__(self) -> Progress:
        if self._before:
            self._say(f"{self._before:,} finished runs were found in {self._journal.path}\n")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._terminal:
            self._say("\r\x1b[K")
        if kind is KeyboardInterrupt:
            self._say(f"stopped; {len(self._journal):,} finished runs are kept: the same command goes on from there\n")

    def done(self, done: Done) -> None:
        """A job ended."""
        now_ns = self._now_ns()
        if now_ns - self._said_ns < (0.2 if self._terminal else _SAY_EVERY_S) * 1e9:
            return
        self._said_ns = now_ns
        text = line_of(len(self._journal), self._before, self._total, (now_ns - self._began_ns) / 1e9)
        self._say(f"\r\x1b[K{text}" if self._terminal else f"{text}\n")

    def _say(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def line_of(runs: int, before: int, total: int, elapsed_s: float) -> str:
    """How far a sweep is, and how long it will take at the pace since it was started."""
    fresh = runs - before
    left = max(0, total - runs)
    rest = f"{show_s(elapsed_s / fresh * left)} left" if fresh else "no run finished yet"
    return f"{runs:,} of {total:,} runs, {fresh / elapsed_s if elapsed_s > 0 else 0.0:.3g} a second, {rest}"


def _draw(planned: Sweep, journal: Journal, found: list[Summed], folder: Path) -> list[Path]:
    """The phase diagram, when the design has one: a grid over two axes of numbers, the others at one value each."""
    from harness.study.axes import number_of

    axes = planned.design.axes
    plane = planned.design.kind == "grid" and len(axes) == 2
    if not plane or not found or any(number_of(value) is None for axis in axes for value in axis.values):
        return []
    from harness.report.phase import write_phase
    from harness.study.diagram import diagram_facts

    return write_phase(_diagram(planned, diagram_facts(planned, journal, found)), folder)


def _diagram(planned: Sweep, facts: Any) -> Any:
    from harness.report.phase import Border, Diagram, Tile, edges

    sides = [
        dict(zip(facts.numbers[n], edges(facts.numbers[n], log=facts.logs[n]), strict=True)) for n in (0, 1)
    ]
    tiles = []
    for (x, y), one in facts.cells:
        across, up = sides[0][x], sides[1][y]
        chance = (one.chance, one.chance_low, one.chance_high)
        typical = (one.time_to_recover_s_median, one.amplification_median, one.verdict)
        tiles.append(Tile(x, across[0], across[1], y, up[0], up[1], one.runs, *chance, *typical))
    borders = [Border(*border) for border in facts.borders]
    title = f"{planned.subject.name} / {planned.subject.variant}: where it recovers"
    return Diagram(title, facts.titles[0], facts.titles[1], tiles, borders, facts.expected, *facts.logs)


def _lines(planned: Sweep, found: list[Summed]) -> list[str]:
    """The cells as text, the first forty of them."""
    heads = [*(axis.name for axis in planned.design.axes), "recovered", "chance (95 %)", "time to recover", "attempts"]
    rows = []
    for one in found[:_LINES_MOST]:
        valid = one.runs - one.invalid
        chance = "-" if one.chance is None else f"{one.chance:.0%} ({one.chance_low:.0%} to {one.chance_high:.0%})"
        ratio = "-" if one.amplification_median is None else f"{one.amplification_median:.3g}x"
        rows.append(
            [*map(str, one.cell), f"{one.recovered}/{valid}", chance, show_s(one.time_to_recover_s_median), ratio]
        )
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in [heads, *rows]]
    invalid = sum(one.invalid for one in found)
    if len(found) > _LINES_MOST:
        lines.append(f"... and {len(found) - _LINES_MOST:,} more cells in cells.csv")
    if invalid:
        lines.append(f"{invalid:,} runs are invalid (baseline not healthy, say) and count for nothing")
    return lines
