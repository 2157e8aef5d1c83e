"""Many service processes from one that is warm: import once, fork once per component, be gone.

An interpreter that imports what a service needs takes 0.7 s of processor time, nearly all of it for the same modules as
the next one. For a region of eleven services that is most of the wait for it, and eleven copies of the same in memory.

    python -m mock_services --run DIR --components dns,kv,...
        imports what these components need (what cannot be imported is told by the process of who needs it)
        forks once per component and prints `<component> <pid>`, a line each
        ends with status 0: what is left are the services, and nothing between them and who started them

Each child is then as one that was started alone: it leads a session of its own, its log is its standard output and
error, and `ps` and `top` have its name. Standard input stays the pipe of the starter, for all of them the same: its end
tells each of them that the starter is gone (`parent.py`).

Forking is safe because nothing runs yet: no thread, no event loop, no socket. Leaves out: who reaps the children. The
kernel gives them to the nearest ancestor that asks for orphans (`harness.live.forked`), else to init.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from harness.errors import HarnessError
from mock_services.shell import find_component


def fork_each(run: Path, names: Sequence[str]) -> str | None:
    """Fork once per component; returns the component's name in each child, and None in the parent."""
    warm(names)
    for name in names:
        pid = os.fork()
        if pid == 0:
            _on_its_own(run, name)
            return name
        sys.stdout.write(f"{name} {pid}\n")
        sys.stdout.flush()
    return None


def warm(names: Sequence[str]) -> None:
    """Import what the components need, and keep the collector from ever touching it, so that its pages stay shared."""
    for name in names:
        with suppress(HarnessError, ImportError):
            find_component(name)
            importlib.import_module(f"harness.build.{name}")
    gc.collect()
    gc.freeze()


def _on_its_own(run: Path, name: str) -> None:
    os.setsid()
    log = os.open(run / "logs" / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    with suppress(OSError):  # only systems with /proc let a process rename itself so
        Path("/proc/self/comm").write_text(name)
