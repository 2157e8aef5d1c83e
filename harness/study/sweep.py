"""Cells times seeds: what of it is still to do, doing it, and writing each run down as it ends.

The seeds are the same for every cell (s, s+1, ...), so cells meet the same luck and can be compared in pairs. A cell is
checked before anything runs: a design with a wrong value in its last row should say so at once, not after a night.

    sweep = Sweep(subject, design, seeds, "auto")
    with Journal(...) as journal, Crew(...) as crew:
        carry_out(sweep, journal, crew, on)

Leaves out: the order of finishing, which differs from run to run and shows nowhere but in the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from harness.errors import SpecError
from harness.plan import make_plan
from harness.study.axes import Value, number_of
from harness.study.crew import Done, Hands, Job
from harness.study.design import RUNS_MAX, Design
from harness.study.engine import Told, prepare, why_no_kernel
from harness.study.journal import Book
from harness.study.subject import Subject

CHECKED_MOST: Final = 5_000  # cells checked one by one; beyond, each value of each axis
JOB_SEEDS: Final = 20  # kernel runs of one cell that go to a worker together
Cell = tuple[Value, ...]


class Sweep(NamedTuple):
    """A design over one subject, with its seeds and the engine asked for."""

    subject: Subject
    design: Design
    seeds: tuple[int, ...]
    engine: str

    @property
    def keys(self) -> tuple[tuple[str, ...], ...]:
        """The keys of each axis."""
        return tuple(axis.keys for axis in self.design.axes)

    @property
    def runs(self) -> int:
        """How many runs the whole design takes."""
        return len(self.design.cells) * len(self.seeds)

    def job(self, cell: Cell, seeds: Iterable[int]) -> Job:
        """Some runs of one cell."""
        return Job(self.keys, cell, tuple(seeds))


def check(sweep: Sweep) -> None:
    """Every cell is a correct experiment that the engine can run. Raises SpecError naming the first that is not."""
    if sweep.runs > RUNS_MAX:
        raise SpecError(f"{sweep.runs:,} runs; at most {RUNS_MAX:,} can be kept; use fewer values or seeds")
    for cell in _to_check(sweep.design):
        prepared = sweep.subject.file(sweep.job(cell, ()).settings())
        if sweep.engine == "kernel":
            reason = why_no_kernel(make_plan(prepared, sweep.subject.variant, engine="world"))
            if reason is not None:
                raise SpecError(f"{prepared.source}: {reason}, or sweep it with --engine world")


def _to_check(design: Design) -> Sequence[Cell]:
    if len(design.cells) <= CHECKED_MOST or design.kind != "grid":
        return design.cells[:CHECKED_MOST]
    first = design.cells[0]
    return [
        (*first[:number], value, *first[number + 1 :])
        for number, axis in enumerate(design.axes)
        for value in axis.values
    ]


def missing(sweep: Sweep, journal: Book, cells: Iterable[Cell], seeds: Sequence[int]) -> list[Job]:
    """Jobs for the runs of these cells that are not written down yet, in order."""
    jobs = []
    sizes: dict[Cell, int] = {}
    for cell in cells:
        left = [seed for seed in seeds if journal.get(cell, seed) is None]
        if left:
            words = tuple(value if number_of(value) is None else 0 for value in cell)
            if words not in sizes:
                sizes[words] = _job_size(sweep, cell)
            jobs += [sweep.job(cell, left[at : at + sizes[words]]) for at in range(0, len(left), sizes[words])]
    return jobs


def _job_size(sweep: Sweep, cell: Cell) -> int:
    """How many runs make one job: several of milliseconds, one of seconds. Cells that differ in numbers are alike."""
    return JOB_SEEDS if sweep.engine != "world" and engine_of(sweep, cell) == "kernel" else 1


def engine_of(sweep: Sweep, cell: Cell) -> str:
    """Which engine runs a cell."""
    plan = make_plan(sweep.subject.file(sweep.job(cell, ()).settings()), sweep.subject.variant, engine="world")
    return "world" if why_no_kernel(plan) else "kernel"


def carry_out(
    sweep: Sweep, journal: Book, crew: Hands, on: Callable[[Done], None], cells: Iterable[Cell] | None = None,
    seeds: Sequence[int] | None = None,
) -> None:  # fmt: skip
    """Do what is missing of these cells (default: all) and write it down; `on` hears of each finished job."""
    jobs = missing(sweep, journal, sweep.design.cells if cells is None else cells, seeds or sweep.seeds)
    for done in crew.run(jobs):
        for seed, told in zip(done.job.seeds, done.told, strict=True):
            journal.add(done.job.values, seed, told)
        on(done)


def told_of(sweep: Sweep, journal: Book, cell: Cell) -> list[tuple[int, Told]]:
    """The finished runs of a cell, by seed."""
    return [(seed, told) for seed in sweep.seeds if (told := journal.get(cell, seed)) is not None]


def one_run(sweep: Sweep) -> Callable[[], Told]:
    """A run of the middle cell, ready to be timed."""
    cell = sweep.design.cells[len(sweep.design.cells) // 2]
    runner = prepare(sweep.subject.file(sweep.job(cell, ()).settings()), sweep.engine)
    return lambda: runner.tell(sweep.seeds[0])
