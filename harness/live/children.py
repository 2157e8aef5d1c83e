"""Start, watch and end the processes of a run, and only those.

A child must not outlive the orchestrator, not even after `kill -9`, which runs no clean-up code. So each child holds
the read end of a pipe whose only write end is here: when this process dies in any way the kernel closes it, the child
reads end of file and ends itself. Each child leads a session of its own, so Ctrl-C at the terminal reaches the
orchestrator alone, which then undoes faults before it ends anybody. Ending is asked for by SIGTERM (row files get
their closing count) and after a bound enforced by SIGKILL on the child's process group.

Services of a region are started together, from one process that has imported everything and is gone then (`forked`).

Leaves out: children that ignore the end of their stdin; ours do not, and a test holds each to it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import trio

from harness.errors import NotReady, RunError
from harness.live import forked
from harness.live.forked import Forked

STOP_S_MAX = 5.0  # a service flushes its rows in far less; after this its process group is killed
POLL_S = 0.05
LOG_TAIL_LINES = 5
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class ChildDied(RunError):
    """A process of the run ended while it was needed."""


class Child:
    """One process of the run. `stopping` is set once its end was asked for, so that it is not reported as a death."""

    def __init__(self, name: str, process: trio.Process | Forked, log: Path) -> None:
        self.name = name
        self.process = process
        self.log = log
        self.stopping = False

    @property
    def pid(self) -> int:
        """The process id, also that of its process group."""
        return self.process.pid

    @property
    def alive(self) -> bool:
        """False once the process has ended."""
        return self.process.poll() is None

    def how_it_ended(self) -> str:
        """The exit status or signal in words, as in "exit status 1" or "killed by SIGSEGV"."""
        status = self.process.poll()
        if status is None:
            return "still running"
        if status < 0:
            return f"killed by {signal.Signals(-status).name}"
        return f"exit status {status}"

    def death(self) -> ChildDied:
        """The error that reports this child's death, with the last lines of its log."""
        return ChildDied(f"{self.name} (process {self.pid}) ended: {self.how_it_ended()}; {self.last_words()}")

    def last_words(self) -> str:
        """Where the child's log is, and its last lines."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        tail = [line.strip() for line in lines if line.strip()][-LOG_TAIL_LINES:]
        return f"its log, {self.log}, ends:\n  " + "\n  ".join(tail) if tail else f"its log, {self.log}, is empty"


async def start(name: str, argv: Sequence[str], log: Path, env: Mapping[str, str]) -> Child:
    """Start one child with `env` added to this process's environment; stdout and stderr go to `log`."""
    with log.open("ab") as out:
        try:
            process = await trio.lowlevel.open_process(
                list(argv),
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                env=_environment(env),
                start_new_session=True,
            )
        except OSError as error:
            raise RunError(f"{name}: cannot be started ({' '.join(argv)}): {error.strerror}") from error
    return Child(name, process, log)


async def start_services(names: Sequence[str], run: Path, env: Mapping[str, str]) -> list[Child]:
    """Start the services `names` of a run folder, with `env` as in `start`; logs in `<run>/logs`."""
    logs = {name: run / "logs" / f"{name}.log" for name in names}
    if forked.possible():
        processes = await forked.start(names, run, _environment(env))
        return [Child(name, processes[name], logs[name]) for name in names]
    argv = python("-m", "mock_services", "--run", str(run), "--component")
    return [await start(name, [*argv, name], logs[name], env) for name in names]


def _environment(env: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, **_ONE_THREAD, "PYTHONUNBUFFERED": "1", **env}


def python(*arguments: str) -> list[str]:
    """The command that runs this interpreter with `arguments`."""
    return [sys.executable, *arguments]


async def until_ready(child: Child, ready: Callable[[], Awaitable[bool]], patience_s: float) -> None:
    """Ask `ready` until it says yes. Raises NotReady when the child ends first or the patience is over."""
    with trio.move_on_after(patience_s):
        while not await ready():
            if not child.alive:
                raise NotReady(f"{child.name} ended before it was ready: {child.how_it_ended()}; {child.last_words()}")
            await trio.sleep(POLL_S)
        return
    raise NotReady(f"{child.name} was not ready within {patience_s:g} s; {child.last_words()}")


async def watch(child: Child, may_end: Callable[[int], bool]) -> None:
    """Wait for the child's end. Raises ChildDied unless it was asked to end or `may_end(status)` allows it."""
    status = await child.process.wait()
    if not child.stopping and not may_end(status):
        raise child.death()


async def stop(child: Child, patience_s: float = STOP_S_MAX) -> bool:
    """End one child: SIGTERM, then SIGKILL to its group after `patience_s`. True when it ended by itself in time."""
    child.stopping = True
    in_time = True
    if child.alive:
        child.process.terminate()
        with trio.move_on_after(patience_s):
            await child.process.wait()
        if child.alive:
            in_time = False
            os.killpg(child.pid, signal.SIGKILL)  # not reaped yet, so the group is still this child's
            await child.process.wait()
    if child.process.stdin is not None:
        await child.process.stdin.aclose()
    return in_time


async def stop_all(children: Sequence[Child], patience_s: float = STOP_S_MAX) -> list[str]:
    """End all children side by side; the names of those that had to be killed."""
    killed: list[str] = []

    async def end(child: Child) -> None:
        if not await stop(child, patience_s):
            killed.append(child.name)

    async with trio.open_nursery() as nursery:
        for child in children:
            nursery.start_soon(end, child)
    return sorted(killed)
