"""Why a run leaves, decided once: the first reason wins, and every other task is then only cleaning up.

A run can end because its plan is done, a stop condition fired, a process died, a signal came, or a service refused what
the plan wanted, and often several of these within a millisecond of each other, the later ones being consequences. If
each task raised its own error, which one a person reads would be a race between tasks. So tasks report here, the first
report is kept, and the scope of the run is cancelled.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

import trio

from harness.errors import Exit, HarnessError, RunError

E = TypeVar("E", bound=Exception)


class RunState(NamedTuple):
    """How a run ended. `state` is completed, stopped, interrupted, terminated or failed; `message` says why."""

    state: str
    exit_code: Exit
    message: str


_OF_SIGNAL = {
    signal.SIGINT: RunState("interrupted", Exit.INTERRUPTED, "interrupted by Ctrl-C (SIGINT)"),
    signal.SIGTERM: RunState("terminated", Exit.TERMINATED, "ended by SIGTERM"),
    signal.SIGHUP: RunState("terminated", Exit.TERMINATED, "its terminal went away (SIGHUP)"),
}
SIGNALS = tuple(_OF_SIGNAL)
DONE = RunState("completed", Exit.PASS, "the plan is done")


def disk_error(error: OSError) -> RunError:
    """What a person is told when a file of the run could not be written."""
    where = error.filename or "a file of the run"
    return RunError(f"{where}: {error.strerror or error}; see that the disk has room and may be written")


def _first(group: BaseExceptionGroup[E]) -> E:
    found: E | BaseExceptionGroup[E] = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


class WayOut:
    """Holds the first reason to leave, and the scope to leave."""

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.state: RunState | None = None

    def leave(self, state: RunState) -> None:
        """Leave for this reason, unless there already is one."""
        if self.state is None:
            self.state = state
            self.scope.cancel()

    def failed(self, error: HarnessError) -> None:
        """Leave because of an error a person is meant to read."""
        self.leave(RunState("failed", error.exit_code, str(error)))

    async def guard(self, task: Callable[..., Awaitable[Any]], *arguments: Any) -> None:
        """Run `task`; an error a person is meant to read, or a disk that is full, becomes the reason to leave."""
        try:
            await task(*arguments)
        except* HarnessError as group:  # a task with a nursery of its own raises its errors in groups
            self.failed(_first(group))
        except* OSError as group:
            self.failed(disk_error(_first(group)))

    async def on_signals(self, signals: AsyncIterable[int]) -> None:
        """Leave at the first signal; later ones change nothing, because undoing is bounded anyway."""
        async for number in signals:
            self.leave(_OF_SIGNAL[signal.Signals(number)])
