"""No process outlives its parent: end when the pipe on standard input closes.

A child that only waits for a signal lives on when its parent is killed with `kill -9`, holding ports and faults that
nobody will heal. The orchestrator gives every child a pipe as standard input and never writes to it; when the parent
is gone, for whatever reason, the kernel closes the pipe and the child reads the end of file.

Standard input that is not a pipe (a terminal, /dev/null, a file) says nothing about a parent and is not watched.
"""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import Callable


def has_parent_pipe() -> bool:
    """True when standard input is a pipe or socket, so that its end means that the parent is gone."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError, AttributeError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def on_parent_gone(loop: asyncio.AbstractEventLoop, end: Callable[[], object]) -> None:
    """Call `end` from the loop when the parent's pipe closes; does nothing without such a pipe."""
    if not has_parent_pipe():
        return
    fd = sys.stdin.fileno()

    def readable() -> None:
        if not os.read(fd, 4096):
            loop.remove_reader(fd)
            end()

    loop.add_reader(fd, readable)
