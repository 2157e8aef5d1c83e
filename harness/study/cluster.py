"""The same jobs on Dask, when one machine is not enough.

Dask is an existing engine with its own scheduler, and does here what the crew does: it is handed the crew's own
function and jobs, so the results are the same, bit for bit; only where they are computed differs. Lost workers are
Dask's to replace; a job that it gives up on, or a scheduler that is gone, ends the sweep, with everything finished
already written down. Workers of another version would answer another question, so they are asked first.

    with Cluster(subject, "auto", "tcp://10.0.0.1:8786") as cluster: ...      or "local" for one on this machine

Needs the extra `cluster` (dask[distributed]), and this package at the same version on every worker.
"""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from types import TracebackType
from typing import Any, Final

import harness
from harness.errors import HarnessError, RunError
from harness.study.crew import Done, Job, do
from harness.study.subject import Subject

LOCAL: Final = "local"
_AHEAD: Final = 4  # jobs handed out per thread of the cluster


class Cluster:
    """Hands on a Dask cluster. Use as a context manager. Raises RunError when there is none to be had."""

    def __init__(self, subject: Subject, engine: str, address: str) -> None:
        self._subject = subject
        self._engine = engine
        self._address = address
        self._client: Any = None
        self.size = 1

    def __enter__(self) -> Cluster:
        try:
            distributed: Any = importlib.import_module("distributed")
        except ImportError as error:
            raise RunError(
                "--cluster needs Dask, which is not installed; pip install blackstart[cluster], or leave it out to use "
                "this machine's cores"
            ) from error
        try:
            if self._address == LOCAL:
                self._client = distributed.Client(
                    processes=True, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
                )
            else:
                self._client = distributed.Client(self._address, timeout="10s")
        except (OSError, ValueError) as error:
            raise RunError(
                f"--cluster {self._address}: no Dask scheduler answers there ({error}); give its address as "
                "tcp://HOST:8786, or `local`"
            ) from error
        try:
            check_versions(self._client.run(version_here))
        except BaseException:
            self._client.close()
            raise
        self.size = max(1, sum(self._client.nthreads().values()))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._client is not None:
            self._client.close()

    def run(self, jobs: Iterable[Job]) -> Iterator[Done]:
        """Do the jobs, in the order of finishing. Raises RunError for one that the cluster gave up on."""
        distributed: Any = importlib.import_module("distributed")
        waiting = deque(jobs)
        under_way = distributed.as_completed()
        out = 0
        while waiting or out:
            while waiting and out < _AHEAD * self.size:
                under_way.add(self._client.submit(do, self._subject, self._engine, waiting.popleft(), pure=False))
                out += 1
            future = next(under_way)
            out -= 1
            try:
                done: Done = future.result()
            except HarnessError:
                raise
            except distributed.KilledWorker as error:
                raise RunError(
                    f"the cluster gave up on a job after losing its workers: {error}; finished runs are kept, and the "
                    "same command goes on from here"
                ) from error
            except CancelledError as error:
                raise RunError(
                    f"the cluster's scheduler at {self._address} was lost; finished runs are kept: start it again, and "
                    "the same command goes on from here"
                ) from error
            yield done


def version_here() -> str:
    """The version of this package in the process that is asked."""
    return harness.__version__


def check_versions(found: Mapping[str, str]) -> None:
    """Every worker has this version. Raises RunError naming the first that has not."""
    for worker, version in sorted(found.items()):
        if version != harness.__version__:
            raise RunError(
                f"the worker at {worker} has blackstart {version}, and {harness.__version__} is here; install one "
                "version everywhere, or their results would differ"
            )
