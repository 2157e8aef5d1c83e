"""Sweeps: the journal, the crew, the tables, and refinement along the boundary."""

from __future__ import annotations

import csv
import errno
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import CancelledError
from pathlib import Path
from typing import BinaryIO

import pytest

from harness.errors import HarnessError, RecordError, RunError, SpecError
from harness.study import crew as crew_module
from harness.study import table
from harness.study.axes import number_of, read_axis
from harness.study.cluster import Cluster, check_versions, version_here
from harness.study.crew import Crew, Job
from harness.study.design import make_design
from harness.study.journal import Journal, of
from harness.study.refine import carry_out_refined, crossings
from harness.study.subject import Subject
from harness.study.sweep import Sweep, carry_out, check, missing
from tests.study.hands import Answering, told


def planned(subject: Subject, *over: str, seeds: int = 3, engine: str = "world") -> Sweep:
    design = make_design("grid", [read_axis(text) for text in over], None, 1)
    return Sweep(subject, design, tuple(range(1, 1 + seeds)), engine)


def journal_of(folder: Path, sweep: Sweep) -> Journal:
    return Journal(folder / "sweep.jsonl", of(sweep.subject, sweep.engine, [axis.name for axis in sweep.design.axes]))


def quiet(_: object) -> None: ...


def steep(settings: dict[str, object], seed: int) -> object:
    """Recovers below an outage of 0.63 s at 50/s, of less under more load; luck moves it by up to 0.02 s."""
    length_s, rate = (number_of(settings[key]) for key in ("phases.outage", "load.kv_reads.arrivals.rate"))
    return told(length_s < 0.63 * 50.0 / rate + 0.01 * (seed % 5 - 2))


MAIN = "from harness.cli import main; __name__ == '__main__' and main()"
OVER = ("phases.outage=0.4s..1s:25", "load.kv_reads.arrivals.rate=40/s..60/s:5")


def test_a_killed_sweep_goes_on_where_it_stopped(tmp_path: Path, subject: Subject) -> None:
    sweep = planned(subject, *OVER)

    class Killed(Exception): ...

    heard: list[object] = []

    def die_at_thirty(done: object) -> None:
        heard.append(done)
        if len(heard) == 30:
            raise Killed

    first, second = Answering(steep), Answering(steep)
    with pytest.raises(Killed), journal_of(tmp_path, sweep) as journal:
        carry_out(sweep, journal, first, die_at_thirty)
    with (tmp_path / "sweep.jsonl").open("ab") as file:
        file.write(b'{"values": ["0.4s", "40.0')  # cut off in the middle of a line
    with journal_of(tmp_path, sweep) as journal:
        assert len(journal) == 30
        carry_out(sweep, journal, second, quiet)
        assert len(journal) == sweep.runs == 375
        whole = table.run_rows(sweep, journal)
    assert not set(first.done[:30]) & set(second.done), "nothing is run twice"
    with journal_of(tmp_path / "uninterrupted", sweep) as journal:
        carry_out(sweep, journal, Answering(steep), quiet)
        assert table.run_rows(sweep, journal) == whole


def test_a_finer_grid_uses_the_runs_of_the_coarser_one(tmp_path: Path, subject: Subject) -> None:
    coarse = planned(subject, "phases.outage=0.4s..0.8s:3")
    fine = planned(subject, "phases.outage=0.4s..0.8s:5", seeds=4)
    always = Answering(lambda settings, seed: told(True))
    with journal_of(tmp_path, coarse) as journal:
        carry_out(coarse, journal, always, quiet)
    with journal_of(tmp_path, fine) as journal:
        jobs = missing(fine, journal, fine.design.cells, fine.seeds)
        left = [(job.values, seed) for job in jobs for seed in job.seeds]
    assert len(left) == 5 * 4 - 3 * 3
    assert (("0.6s",), 4) in left
    assert (("0.6s",), 3) not in left


def test_a_journal_of_something_else_is_refused_and_left_alone(tmp_path: Path, subject: Subject) -> None:
    sweep = planned(subject, "phases.outage=0.4s,0.5s")
    with journal_of(tmp_path, sweep) as journal:
        journal.add(("0.4s",), 1, told(True))
    before = (tmp_path / "sweep.jsonl").read_bytes()
    for other in (planned(subject, "phases.recovery=5s,6s"), sweep._replace(engine="kernel")):
        with pytest.raises(RecordError, match="holds runs of something else"):
            journal_of(tmp_path, other)
    changed = subject._replace(raw={**subject.raw, "phases": {**subject.raw["phases"], "drain": "2s"}})
    with pytest.raises(RecordError, match="fingerprint"):
        journal_of(tmp_path, sweep._replace(subject=changed))
    assert (tmp_path / "sweep.jsonl").read_bytes() == before


def test_a_damaged_line_in_the_middle_is_reported_with_its_number(tmp_path: Path, subject: Subject) -> None:
    sweep = planned(subject, "phases.outage=0.4s,0.5s")
    with journal_of(tmp_path, sweep) as journal:
        journal.add(("0.4s",), 1, told(True))
    path = tmp_path / "sweep.jsonl"
    path.write_bytes(path.read_bytes() + b"scribble\n")
    with pytest.raises(RecordError, match=r"sweep\.jsonl:3: not a line"):
        journal_of(tmp_path, sweep)


def test_two_sweeps_never_write_to_one_journal(tmp_path: Path, subject: Subject) -> None:
    sweep = planned(subject, "phases.outage=0.4s,0.5s")
    with journal_of(tmp_path, sweep), pytest.raises(RunError, match="another sweep writes to it"):
        journal_of(tmp_path, sweep)


class Full:
    """A file on a disk that has no room left."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)


def test_a_full_disk_ends_the_sweep_and_keeps_what_is_done(tmp_path: Path, subject: Subject) -> None:
    sweep = planned(subject, "phases.outage=0.4s,0.5s")
    always = Answering(lambda settings, seed: told(True))
    with journal_of(tmp_path, sweep) as journal:
        journal.add(("0.4s",), 1, told(True))
        journal._file = Full(journal._file)
        with pytest.raises(RunError, match=r"No space left.*1 finished runs are kept"):
            carry_out(sweep, journal, always, quiet)
    with journal_of(tmp_path, sweep) as journal:
        assert len(journal) == 1
        carry_out(sweep, journal, always, quiet)
        assert len(journal) == sweep.runs


def test_a_disk_that_fills_within_a_line_leaves_whole_lines(tmp_path: Path, subject: Subject) -> None:
    """Not a stand-in: the system itself takes twenty bytes more and then no more."""
    sweep = planned(subject, "phases.outage=0.4s,0.5s")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        full = pytest.raises(RunError, match="too large; 2 finished runs are kept")
        with full, journal_of(tmp_path, sweep) as journal:
            journal.add(("0.4s",), 1, told(True))
            journal.add(("0.4s",), 2, told(True))
            size = (tmp_path / "sweep.jsonl").stat().st_size
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, limits[1]))
            journal.add(("0.4s",), 3, told(True))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "sweep.jsonl").stat().st_size == size + 20
    with journal_of(tmp_path, sweep) as journal:
        assert len(journal) == 2
        carry_out(sweep, journal, Answering(lambda settings, seed: told(True)), quiet)
    lines = (tmp_path / "sweep.jsonl").read_text().splitlines()
    assert len([json.loads(line) for line in lines]) == 1 + sweep.runs


def test_every_cell_is_checked_before_anything_runs(subject: Subject) -> None:
    with pytest.raises(SpecError, match=r"client\.attempts=21"):
        check(planned(subject, "phases.outage=0.4s,0.5s", "client.attempts=19..21"))
    with pytest.raises(SpecError, match="the kernel cannot express"):
        check(planned(subject, "region.kv.discipline=fifo,fair", engine="kernel"))
    check(planned(subject, *OVER))


def test_the_world_tells_the_same_whatever_does_it(tmp_path: Path, subject: Subject) -> None:
    """One process, two processes: equal tables, byte for byte."""
    sweep = planned(subject, "phases.outage=0.4s,0.9s", seeds=2)
    for workers in (1, 2):
        with journal_of(tmp_path / f"{workers}", sweep) as journal, Crew(subject, "world", workers) as crew:
            carry_out(sweep, journal, crew, quiet)
            table.write(table.run_rows(sweep, journal), tmp_path / f"{workers}" / "runs")
            cells = table.cells_of(sweep, journal)
    one, two = ((tmp_path / name / "runs.csv").read_bytes() for name in ("1", "2"))
    assert one == two
    assert [cell.chance for cell in cells] == [1.0, 0.0]


@pytest.fixture
def deadly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seed 13 takes its worker with it."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    module = importlib.import_module("deadly")
    monkeypatch.setattr(crew_module, "_work", module.work)
    monkeypatch.setattr(crew_module, "do", lambda subject, engine, job: module.work(job))


@pytest.mark.usefixtures("deadly")
def test_a_job_that_takes_its_worker_with_it_is_named_and_costs_no_other(subject: Subject) -> None:
    jobs = [Job((("phases.outage",),), ("0.4s",), (seed,)) for seed in (1, 2, 3, 13, 5, 6)]
    finished = []
    named = r"phases\.outage=0\.4s \(seeds 13\) was lost 2 times"
    with pytest.raises(RunError, match=named), Crew(subject, "world", 2) as crew:  # noqa: PT012
        for done in crew.run(jobs):
            finished += done.job.seeds
    assert sorted(finished) in ([1, 2, 3], [1, 2, 3, 5], [1, 2, 3, 5, 6])
    assert len(set(finished)) == len(finished)


def test_a_worker_killed_from_outside_costs_nothing(tmp_path: Path, subject: Subject) -> None:
    sweep = planned(subject, "phases.outage=0.4s,0.5s", seeds=3)
    killed = []
    with journal_of(tmp_path, sweep) as journal, Crew(subject, "world", 2) as crew:

        def kill_one(done: object) -> None:
            if crew._pool is not None and not killed:
                killed.append(next(iter(crew._pool._processes)))
                os.kill(killed[0], signal.SIGKILL)

        carry_out(sweep, journal, crew, kill_one)
        assert len(killed) == 1
        assert len(journal) == sweep.runs


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")  # Dask's own
@pytest.mark.parametrize("engine", ["world", "auto"])
def test_a_cluster_tells_the_same_bit_for_bit(tmp_path: Path, subject: Subject, engine: str) -> None:
    pytest.importorskip("distributed")
    sweep = planned(subject, "phases.outage=0.4s,0.9s", seeds=2, engine=engine)
    written = []
    for name, hands in (("crew", Crew(subject, engine, 1)), ("cluster", Cluster(subject, engine, "local"))):
        with journal_of(tmp_path / name, sweep) as journal, hands as crew:
            carry_out(sweep, journal, crew, quiet)
            paths = table.write(table.run_rows(sweep, journal), tmp_path / name / "runs")
            paths += table.write(table.cell_rows(sweep, table.cells_of(sweep, journal)), tmp_path / name / "cells")
            written.append([(path.name, path.read_bytes()) for path in paths])
    assert written[0] == written[1]


class Answered:
    """A future of a cluster: a result, or an error."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def result(self) -> object:
        raise self._error


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (CancelledError("scheduler-connection-lost"), "scheduler at tcp://far:8786 was lost; finished runs are kept"),
        (KeyError("worker"), "gave up on a job after losing its workers"),  # stands in for Dask's KilledWorker
        (SpecError("client.attempts=99"), "client.attempts=99"),
    ],
)
def test_what_a_cluster_loses_is_said_in_words(
    subject: Subject, monkeypatch: pytest.MonkeyPatch, error: Exception, says: str
) -> None:
    class Dask:
        KilledWorker = KeyError

        @staticmethod
        def as_completed() -> Dask:
            return Dask()

        def add(self, future: Answered) -> None:
            self.future = future

        def __next__(self) -> Answered:
            return self.future

        def submit(self, *_: object, **__: object) -> Answered:
            return Answered(error)

    monkeypatch.setitem(sys.modules, "distributed", Dask)
    cluster = Cluster(subject, "world", "tcp://far:8786")
    cluster._client = Dask()
    with pytest.raises(HarnessError, match=says):
        list(cluster.run([Job((("phases.outage",),), ("0.4s",), (1,))]))


def test_a_worker_of_another_version_is_refused() -> None:
    check_versions({"tcp://one": version_here()})
    with pytest.raises(RunError, match=r"the worker at tcp://two has blackstart 0\.0\.1"):
        check_versions({"tcp://one": version_here(), "tcp://two": "0.0.1"})


@pytest.mark.long
def test_a_sweep_killed_with_all_its_process_goes_on_and_ends_in_the_same_bytes(tmp_path: Path, small: Path) -> None:
    """SIGKILL from outside, no clean-up: the workers end by themselves, and nothing that was finished is run again."""

    def command(out: str) -> list[str]:
        over = ["--over", "phases.outage=0.4s..1s:4", "--over", "load.kv_reads.arrivals.rate=40/s..60/s:3"]
        words = ["sweep", str(small), *over, "--engine", "world", "--workers", "2", "--seeds", "3"]
        return [sys.executable, "-c", MAIN, *words, "--out", str(tmp_path / out)]

    journal = tmp_path / "killed" / "sweep.jsonl"
    process = subprocess.Popen(command("killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < 8):
        time.sleep(0.01)
    children = [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    process.kill()
    assert process.wait() == -signal.SIGKILL, "it was killed before it was done"
    kept = journal.read_bytes()
    for out in ("killed", "whole"):
        assert subprocess.run(command(out), capture_output=True, check=False).returncode == 0
    assert journal.read_bytes().startswith(kept[: kept.rindex(b"\n") + 1])
    assert journal.read_bytes().count(b"\n") == 1 + 4 * 3 * 3
    for name in ("runs.csv", "cells.csv", "phase.svg"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert len(children) >= 2
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()], "no worker outlives its parent"


def test_refinement_finds_the_full_grids_boundary_with_a_fraction_of_its_runs(tmp_path: Path, subject: Subject) -> None:
    sweep = planned(subject, *OVER, seeds=20)
    hands = Answering(steep)
    with journal_of(tmp_path / "refined", sweep) as journal:
        carry_out_refined(sweep, journal, hands, quiet)
        found = crossings(sweep, journal)
    with journal_of(tmp_path / "full", sweep) as journal:
        carry_out(sweep, journal, Answering(steep), quiet)
        full = crossings(sweep, journal)
    assert [one.row for one in found] == [one.row for one in full]
    assert [one.row for one in full] == [(f"{rate}.0/s",) for rate in (40, 45, 50, 55, 60)]
    for one, other in zip(found, full, strict=True):
        assert one.low <= other.at <= one.high
        assert abs(one.at - other.at) <= 0.025  # a cell of the grid
    assert len(hands.done) < 0.25 * sweep.runs


def test_refinement_leaves_rows_without_a_boundary_after_their_ends(tmp_path: Path, subject: Subject) -> None:
    sweep = planned(subject, *OVER, seeds=10)
    hands = Answering(lambda settings, seed: told(True))
    with journal_of(tmp_path, sweep) as journal:
        carry_out_refined(sweep, journal, hands, quiet)
        assert crossings(sweep, journal) == []
    assert len(hands.done) == 5 * 2 * 5


def test_refinement_wants_numbers_to_bisect(tmp_path: Path, subject: Subject) -> None:
    sweep = planned(subject, "region.kv.discipline=fifo,lifo", "phases.outage=0.4s..1s:3")
    with journal_of(tmp_path, sweep) as journal, pytest.raises(SpecError, match="must have numbers"):
        carry_out_refined(sweep, journal, Answering(steep), quiet)


def test_a_cell_counts_valid_runs_only(tmp_path: Path, subject: Subject) -> None:
    sweep = planned(subject, "phases.outage=0.4s,0.5s", seeds=5)
    kinds = {1: told(True, ttr_s=2.0), 2: told(True, ttr_s=4.0), 3: told(False), 4: told(None), 5: told(None)}
    with journal_of(tmp_path, sweep) as journal:
        carry_out(sweep, journal, Answering(lambda settings, seed: kinds[seed]), quiet)
        cell = table.cells_of(sweep, journal)[0]
        paths = table.write(table.cell_rows(sweep, table.cells_of(sweep, journal)), tmp_path / "cells")
    assert (cell.runs, cell.invalid, cell.recovered, cell.time_to_recover_s_median) == (5, 2, 2, 3.0)
    assert cell.chance == 2 / 3
    with paths[0].open() as file:
        rows = list(csv.DictReader(file))
    assert [row["phases.outage"] for row in rows] == ["0.4s", "0.5s"]
    assert rows[0]["verdict"] == "invalid"  # as common as recovered, and first in the alphabet


def test_parquet_holds_what_csv_holds(tmp_path: Path, subject: Subject) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    sweep = planned(subject, "phases.outage=0.4s,0.5s")
    with journal_of(tmp_path, sweep) as journal:
        carry_out(sweep, journal, Answering(lambda settings, seed: told(seed > 1)), quiet)
        rows = table.run_rows(sweep, journal)
        table.write(rows, tmp_path / "runs")
    assert parquet.read_table(tmp_path / "runs.parquet").to_pylist() == rows


def test_the_journal_is_lines_of_json(tmp_path: Path, subject: Subject) -> None:
    sweep = planned(subject, "phases.outage=0.4s,0.5s", seeds=1)
    with journal_of(tmp_path, sweep) as journal:
        carry_out(sweep, journal, Answering(lambda settings, seed: told(True)), quiet)
    lines = [json.loads(line) for line in (tmp_path / "sweep.jsonl").read_text().splitlines()]
    assert lines[0]["of"]["keys"] == ["phases.outage"]
    assert [(line["values"], line["seed"]) for line in lines[1:]] == [(["0.4s"], 1), (["0.5s"], 1)]
