"""Services that were forked from one warm process, as children of ours: started together, watched one by one.

`mock_services.warm` imports once, forks once per component and ends. Its children are then orphans, and whoever is not
their parent can neither wait for them nor be told how they ended. A forking process that stays, and relays signals and
exit states, would be one more thing that can die between us and them. The kernel has the shorter way: a process may
ask to be given the orphans below it (a *subreaper*). We ask, start the warm process, wait for its end, and ask no more:

    before   orchestrator - warm - dns, kv, ...          after   orchestrator - dns, kv, ...

From then on each is our own child: its exit state is ours to read, its processor time is counted under its own process
id, and all hold the read end of a pipe whose write end is only here, so none outlives us.

A process is known here by a descriptor (pidfd) rather than by its number, which could be somebody else's by the time a
signal is sent. Leaves out: systems other than Linux; there (`possible`) services are started one by one.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import trio

from harness.errors import NotReady

WARM_S_MAX = 30.0  # interpreters start slowly when several do so on two cores
_PR_SET_CHILD_SUBREAPER = 36


class Forked:
    """One such process, with as much of `trio.Process` as a `Child` needs. `leash`: a write end of its stdin's pipe."""

    def __init__(self, pid: int, leash: int) -> None:
        self.pid = pid
        self.stdin = trio.lowlevel.FdStream(leash)
        self._fd = os.pidfd_open(pid)
        self._status: int | None = None
        self._waiting = trio.Lock()  # a descriptor has one waiter at a time

    def poll(self) -> int | None:
        """The exit status, or the negative number of the signal that killed it; None while it runs."""
        if self._status is None:
            ended = os.waitid(os.P_PIDFD, self._fd, os.WEXITED | os.WNOHANG)
            if ended is not None:
                self._status = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
        return self._status

    async def wait(self) -> int:
        """Wait for its end; what `poll` says then."""
        async with self._waiting:
            while (status := self.poll()) is None:
                await trio.lowlevel.wait_readable(self._fd)
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1
        return status

    def terminate(self) -> None:
        """SIGTERM, if it still runs."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._fd, signal.SIGTERM)


def possible() -> bool:
    """Whether this system has what it takes."""
    if not hasattr(os, "pidfd_open") or not sys.platform.startswith("linux"):
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
        with _reaping_orphans():
            return True
    except OSError:
        return False


async def start(names: Sequence[str], run: Path, env: Mapping[str, str]) -> dict[str, Forked]:
    """Start the services `names` of a run folder, logs in `<run>/logs`; {name: process}.

    `env` is their whole environment. Not to be cancelled, so that no process is there that nobody knows; it takes about
    a second. Raises NotReady with the log's last line when they could not be forked.
    """
    log = run / "logs" / "services.log"
    argv = [sys.executable, "-m", "mock_services", "--run", str(run), "--components", ",".join(names)]
    read_end, leash = os.pipe()
    with _closed(leash), trio.CancelScope(shield=True), _reaping_orphans():
        with log.open("ab") as said, _closed(read_end):
            process = await trio.lowlevel.open_process(
                argv, stdin=read_end, stdout=subprocess.PIPE, stderr=said, env=env, start_new_session=True
            )
        assert process.stdout is not None
        told = b""
        async with process.stdout:
            with trio.move_on_after(WARM_S_MAX):
                async for part in process.stdout:
                    told += part
                await process.wait()
        if process.poll() is None:
            process.kill()
        await process.wait()
        found = {name: int(pid) for name, pid in (line.split() for line in told.decode().splitlines())}
        forked = {name: Forked(pid, os.dup(leash)) for name, pid in found.items()}
    if process.returncode != 0 or set(found) != set(names):
        for each in forked.values():  # the last that hold them: they end by themselves
            await each.stdin.aclose()
            await each.wait()
        raise NotReady(f"the services could not be started (exit status {process.returncode}); {_tail(log)}")
    if not log.stat().st_size:
        log.unlink()
    return forked


@contextmanager
def _reaping_orphans() -> Iterator[None]:
    """Within, processes below us whose parent ends become our children. Raises OSError where that cannot be."""
    _reap_orphans(True)
    try:
        yield
    finally:
        _reap_orphans(False)


def _reap_orphans(on: bool) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(on), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "orphans cannot be asked for")


@contextmanager
def _closed(fd: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(fd)


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return f"its log, {log}, ends:\n  {lines[-1]}" if lines else f"its log, {log}, is empty"
