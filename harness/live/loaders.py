"""How many Locust processes make the load of a run, and the commands that start them.

    1 process           locust --headless                            the usual case: some 2,000 operations a second
    N processes         locust --headless --processes N              Locust forks its workers and is their master
    and M elsewhere     locust --headless --master, expecting N + M; locust --worker --processes N, if N

Master and workers speak over TCP. Locust's own port is one for the whole machine, and its default is to listen on every
address of it. Here each run has an address of its own that is loopback (the one that its lock is on), so runs beside
each other do not meet and nobody else is let in. Workers on other hosts need an address that they can reach; it is
given by whoever runs (`bind`), and then anybody who can reach it may take part: Locust asks for no password.

A page (`blackstart web`) is there before any run, so its master and workers meet on a port of 127.0.0.1 that was free.

`--expect-workers-max-wait` is always given, because Locust's own patience with workers that never come is without end.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from harness.errors import SpecError
from harness.record.folder import RunFolder

HERE = "127.0.0.1"
PORT = 5557  # Locust's own default
WORKERS_MAX = 64
ELSEWHERE_S_MAX = 300.0  # for somebody to start a worker on another host
HERE_S_MAX = 60.0
HOME_S_MAX = 5.0  # for the last rows of workers, and for Locust to end them


class Loaders(NamedTuple):
    """`processes` on this host, and workers `elsewhere` that reach the master at `bind`, an address."""

    processes: int = 1
    elsewhere: int = 0
    bind: str | None = None

    @property
    def several(self) -> bool:
        """Whether there is a master with workers."""
        return self.processes != 1 or self.elsewhere > 0


ONE_PROCESS = Loaders()


def check(loaders: Loaders) -> Loaders:
    """The same. Raises SpecError when it cannot be."""
    if not 0 <= loaders.processes <= WORKERS_MAX or not 0 <= loaders.elsewhere <= WORKERS_MAX:
        raise SpecError(f"--processes and --elsewhere count Locust processes, 0 to {WORKERS_MAX}")
    if loaders.processes + loaders.elsewhere < 1:
        raise SpecError("--processes 0 leaves nobody to make the load; give --elsewhere, or one process at least")
    if loaders.elsewhere and loaders.bind is None:
        raise SpecError("--elsewhere needs --bind ADDRESS, an address of this host that those workers reach")
    if loaders.bind is not None and not loaders.elsewhere:
        raise SpecError("--bind is for workers on other hosts; say how many there will be with --elsewhere N")
    return loaders


def commands(loaders: Loaders, stories: Sequence[Path], net: int) -> list[tuple[str, list[str]]]:
    """(name, arguments to Python) of each process to start; the first is the one that knows when the load has ended."""
    files = ["-m", "locust", "-f", ",".join(map(str, stories))]
    head = [*files, "--headless", "--only-summary"]
    if not loaders.several:
        return [("load", [*head, "--users", "1", "--spawn-rate", "1"])]
    all_ = str(loaders.processes + loaders.elsewhere)
    address = loaders.bind or f"127.{net}.0.1"
    head += ["--users", all_, "--spawn-rate", all_, "--master-bind-host", address, "--master-bind-port", str(PORT)]
    meet = ["--master-host", _reached(address), "--master-port", str(PORT)]
    if not loaders.elsewhere:
        wait = ["--expect-workers-max-wait", f"{HERE_S_MAX:.0f}"]
        return [("load", [*head, *meet, *wait, "--processes", all_])]
    wait = ["--expect-workers", all_, "--expect-workers-max-wait", f"{ELSEWHERE_S_MAX:.0f}"]
    master = ("load", [*head, *wait, "--master"])
    if not loaders.processes:
        return [master]
    return [master, ("load-workers", [*files, *meet, "--worker", "--processes", str(loaders.processes)])]


def of_page(loaders: Loaders) -> list[str]:
    """What the command of a process with Locust's page has more, when it is to be the master of several.

    Its page is there before any run, so before there is a network of a run: master and workers meet on a free port.
    """
    if not loaders.several:
        return []
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HERE, 0))
        port = str(probe.getsockname()[1])
    meet = ["--master-bind-host", HERE, "--master-bind-port", port, "--master-host", HERE, "--master-port", port]
    return [*meet, "--expect-workers-max-wait", f"{HERE_S_MAX:.0f}", "--processes", str(loaders.processes)]


def invitation(loaders: Loaders, stories: Sequence[str]) -> str:
    """The command that starts a worker on another host."""
    files = ",".join(f"locustfiles/{story}.py" for story in stories)
    return f"locust -f {files} --worker --master-host {loaders.bind} --master-port {PORT}"


def pids(folder: RunFolder) -> dict[str, int]:
    """{name: process id} of the workers on this host, once the run has begun; empty when there are none."""
    workers = _read(folder).get("workers", ())
    here = [worker for worker in workers if worker["clock"]["shared"] and psutil.pid_exists(worker["pid"])]
    return {worker["name"]: worker["pid"] for worker in here}


def told(loaders: Loaders, folder: RunFolder) -> dict[str, Any]:
    """What the manifest says of the load: processes, and what became of each worker."""
    found = _read(folder)
    return {"processes": loaders.processes, "elsewhere": loaders.elsewhere, **found}


def _read(folder: RunFolder) -> dict[str, Any]:
    """`workers.json`, written by Locust's master; empty when there is none."""
    try:
        found: dict[str, Any] = json.loads((folder.path / "workers.json").read_text())
    except (OSError, ValueError):
        return {}
    return found


def _reached(address: str) -> str:
    """Where a worker on this host finds a master that listens there."""
    return HERE if address in ("*", "0.0.0.0") else address  # noqa: S104  # compared, not bound
