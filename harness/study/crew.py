"""All cores at work on many runs, by processes; a lost worker costs its job, not the sweep.

A process pool that loses one worker (killed for its memory, say) fails everything that was in it. Here the jobs that
were under way are started again in their order, one at a time so that the guilty one is known; a job that takes its
worker with it twice, alone, ends the sweep with its settings named. Results do not depend on who computed them or when:
a run is a function of its settings and seed.

Workers end when their parent does, however it ended: each waits on the parent's sentinel beside its work. Interrupts go
to the parent alone, which then ends them.

    with Crew(subject, "auto", workers=2) as crew:
        for job, told in crew.run(jobs): ...              in the order of finishing

With one worker everything happens in this process. Before the others start, the first job is done here, so that what it
compiles is on disk for all of them.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Final, NamedTuple, Protocol

from harness.errors import RunError
from harness.study.axes import Value
from harness.study.engine import Told, prepare
from harness.study.subject import Subject

ALONE_MOST: Final = 2  # times a job may take its worker with it while nothing else runs
_AHEAD: Final = 3  # jobs handed out per worker


class Job(NamedTuple):
    """Some runs of one cell: the axes' keys, their values, and the seeds."""

    keys: tuple[tuple[str, ...], ...]
    values: tuple[Value, ...]
    seeds: tuple[int, ...]

    def settings(self) -> dict[str, Value]:
        """Each key with its value."""
        return {key: value for keys, value in zip(self.keys, self.values, strict=True) for key in keys}


class Done(NamedTuple):
    """A finished job: one answer per seed, in their order."""

    job: Job
    told: tuple[Told, ...]


class Hands(Protocol):
    """Whatever does jobs: processes here, or a cluster."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Done]:
        """Do the jobs, yielding each when it is finished."""


def do(subject: Subject, engine: str, job: Job) -> Done:
    """Do one job in this process."""
    runner = prepare(subject.file(job.settings()), engine)
    return Done(job, runner.tell_all(job.seeds))


class Crew:
    """`workers` processes for one subject. Use as a context manager."""

    def __init__(self, subject: Subject, engine: str, workers: int) -> None:
        self._subject = subject
        self._engine = engine
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None
        self._warm = False

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._end(at_once=error is not None)

    def run(self, jobs: Iterable[Job]) -> Iterator[Done]:
        """Do the jobs. Raises RunError naming a job that repeatedly lost its worker; SpecError for a wrong one."""
        waiting = deque(jobs)
        if waiting and (self._workers <= 1 or not self._warm):
            self._warm = True
            yield do(self._subject, self._engine, waiting.popleft())
        while waiting and self._workers <= 1:
            yield do(self._subject, self._engine, waiting.popleft())
        suspects: deque[Job] = deque()
        strikes: dict[Job, int] = {}
        under_way: dict[Future[Done], Job] = {}
        while waiting or suspects or under_way:
            self._hand_out(waiting, suspects, under_way)
            finished, _ = wait(under_way, return_when=FIRST_COMPLETED)
            alone = len(under_way) == 1
            lost = False
            for future in [each for each in under_way if each in finished]:
                try:
                    done = future.result()
                except BrokenProcessPool:
                    lost = True
                else:
                    del under_way[future]
                    yield done
            if lost:
                self._end(at_once=True)
                suspects.extendleft(reversed(under_way.values()))
                under_way.clear()
                if alone:
                    self._strike(suspects[0], strikes)

    def _hand_out(self, waiting: deque[Job], suspects: deque[Job], under_way: dict[Future[Done], Job]) -> None:
        if suspects:
            if not under_way:
                job = suspects.popleft()
                under_way[self._submit(job)] = job
            return
        while waiting and len(under_way) < _AHEAD * self._workers:
            job = waiting.popleft()
            under_way[self._submit(job)] = job

    def _submit(self, job: Job) -> Future[Done]:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self._workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_begin,
                initargs=(self._subject, self._engine),
            )
        try:
            return self._pool.submit(_work, job)
        except BrokenProcessPool as error:
            future: Future[Done] = Future()
            future.set_exception(error)
            return future

    def _strike(self, job: Job, strikes: dict[Job, int]) -> None:
        strikes[job] = strikes.get(job, 0) + 1
        if strikes[job] >= ALONE_MOST:
            settings = ", ".join(f"{key}={value}" for key, value in job.settings().items())
            raise RunError(
                f"the worker that ran {settings} (seeds {_shown(job.seeds)}) was lost {ALONE_MOST} times; it was "
                "probably killed for its memory, so lower the load or the length of the run. Finished runs are kept: "
                "the same command goes on from here"
            )

    def _end(self, *, at_once: bool) -> None:
        pool, self._pool = self._pool, None
        if pool is None:
            return
        processes = list((getattr(pool, "_processes", None) or {}).values()) if at_once else []
        pool.shutdown(wait=not at_once, cancel_futures=True)
        for process in processes:
            process.terminate()


def _shown(seeds: Sequence[int]) -> str:
    return f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc's mallopt
_KEPT_BYTES: Final = 256 << 20

_here: tuple[Subject, str] | None = None  # of a worker process


def _begin(subject: Subject, engine: str) -> None:
    """Start of a worker: remember the subject, leave interrupts to the parent, and end with it."""
    global _here
    _here = (subject, engine)
    _keep_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _keep_memory() -> None:
    """Keep freed memory for the next run: tables given back and fetched anew, page by page, cost a fifth of a run."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_M_MMAP_THRESHOLD, _KEPT_BYTES)
        set_option(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker has a parent"
    parent.join()
    os._exit(1)


def _work(job: Job) -> Done:
    assert _here is not None, "the worker has begun"
    return do(*_here, job)
