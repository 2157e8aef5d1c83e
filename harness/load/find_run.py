"""Which run this load process belongs to.

    BLACKSTART_RUN=DIR in the environment    a run of the orchestrator: its plan, its zero, and its end
    otherwise                                the newest `runs/serve/*/` whose `blackstart serve` is still there

A region map of a run that has ended looks like any other, and its addresses may by now belong to another run. So a
served region counts only while somebody holds its lock port, which the kernel frees whatever way its holder ends.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from harness.errors import RecordError, RunError, SpecError
from harness.record.folder import RunFolder
from harness.record.region import LOCK_PORT, read_region

VARIABLE = "BLACKSTART_RUN"
SERVED = Path("runs") / "serve"


class Found(NamedTuple):
    """A run to load. `orchestrated`: an orchestrator started this process, and the plan says when the load ends."""

    folder: RunFolder
    orchestrated: bool


def find_run(environ: Mapping[str, str], served: Path = SERVED) -> Found:
    """The run to load. Raises RecordError for a folder that is none, and RunError when no region is being served."""
    named = environ.get(VARIABLE)
    if named:
        return Found(RunFolder.open(Path(named)), True)
    folders = sorted(served.glob("*/region.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in folders:
        try:
            net = read_region(path).net
            if is_held(net):
                return Found(RunFolder.open(path.parent), False)
        except RecordError:
            continue  # being written, or not a run: another may serve
    have = f"{len(folders)} regions were served before, none is now" if folders else "none was ever served here"
    raise RunError(
        f"{served}: no region is being served ({have}); start one with `blackstart serve EXPERIMENT` in this "
        f"directory, or name a run folder in {VARIABLE}"
    )


def listens(address: str, port: int, patience_s: float = 1.0) -> bool:
    """True when somebody accepts connections there."""
    try:
        with socket.create_connection((address, port), timeout=patience_s):
            return True
    except OSError:
        return False


def check_port(host: str, port: int, option: str = "--web-port") -> None:
    """Raise SpecError when nobody can listen there; "" is every address.

    Locust says so too, but ends with a traceback, or as if all were well.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            where = host or "every address"
            raise SpecError(
                f"port {port} on {where} cannot be opened ({error.strerror}); choose another with {option}"
            ) from error


def is_held(net: int) -> bool:
    """True while the orchestrator that claimed 127.<net>.0.0/16 lives."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((f"127.{net}.0.1", LOCK_PORT))
        except OSError:
            return True
    return False
