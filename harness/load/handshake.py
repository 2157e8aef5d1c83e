"""What master and workers say to each other beside Locust's own messages, and who may take part.

    worker -> master                          master -> worker
    hello     versions, process, machine      welcome | refused   with the reason
    clock     a reading of its clock          clock               with two of the master's (`harness.load.offset`)
                                              prepare             number, of how many; plan and region
    prepared  its draw of the plan, offset
                                              begin               the run's zero
    rows      a piece of a file               got                 how far it has the file (`harness.load.shipping`)
                                              end                 before its time
    drained   its counts, files, offset
    failed    why it cannot go on

The hello is repeated until it is answered, since a master may still be starting. Locust lets workers of another version
take part with a warning; a run whose workers decide differently is no run, so here versions must be equal. Equal
versions may still draw differently (another NumPy, a changed file), so each worker also tells the digest of the whole
schedule it drew, and all must have drawn the same.

Whether two processes share a clock and a folder is found out, not told: the same boot and the same time namespace mean
one CLOCK_MONOTONIC, the same inode behind the same path means one folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import harness

HELLO: Final = "blackstart_hello"
WELCOME: Final = "blackstart_welcome"
REFUSED: Final = "blackstart_refused"
CLOCK: Final = "blackstart_clock"
PREPARE: Final = "blackstart_prepare"
PREPARED: Final = "blackstart_prepared"
BEGIN: Final = "blackstart_begin"
ROWS: Final = "blackstart_rows"
GOT: Final = "blackstart_got"
END: Final = "blackstart_end"
DRAINED: Final = "blackstart_drained"
FAILED: Final = "blackstart_failed"

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_TIME = Path("/proc/self/ns/time")


def machine() -> str:
    """Which clock this process reads, as text that is equal for two processes exactly when they read the same one."""
    try:
        boot = _BOOT.read_text().strip()
    except OSError:
        return ""  # equal to nothing: see `same_clock`
    try:
        return f"{boot} {_TIME.readlink()}"
    except OSError:
        return boot


def same_clock(ours: str, theirs: str) -> bool:
    """Whether two `machine` texts mean one CLOCK_MONOTONIC."""
    return bool(ours) and ours == theirs


def folder_mark(path: Path) -> list[int]:
    """What a folder is, beside its name: device and inode."""
    found = path.stat()
    return [found.st_dev, found.st_ino]


def is_here(path: str, mark: list[int]) -> bool:
    """Whether the folder that somebody else calls by this path and mark is ours too, to write in."""
    try:
        return folder_mark(Path(path)) == list(mark) and os.access(path, os.W_OK)
    except OSError:
        return False


def hello() -> dict[str, Any]:
    """What a worker says of itself."""
    versions = {"blackstart": harness.__version__, "locust": metadata.version("locust")}
    return {"versions": versions, "pid": os.getpid(), "parent": os.getppid(), "machine": machine()}


def objection(said: Mapping[str, Any]) -> str | None:
    """Why a worker that said this cannot take part, in words for both sides; None when it can."""
    theirs = said.get("versions")
    ours = hello()["versions"]
    if theirs == ours:
        return None
    return (
        f"a worker (process {said.get('pid')}) runs {_told(theirs)}, but the master runs {_told(ours)}; install the "
        "same versions on both hosts"
    )


def _told(versions: object) -> str:
    if not isinstance(versions, Mapping):
        return "no known version"
    return " and ".join(f"{name} {versions[name]}" for name in sorted(versions))
