"""The manifest: what ran where, so that an old run can be judged and repeated.

Written twice. At the start with state `running`, so that even a run whose orchestrator was killed says what it was; and
at the end with how it ended. Wall time appears here and nowhere else.
"""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from harness import __version__

_PACKAGES = (
    "aiodns", "aiohttp", "dnspython", "gevent", "geventhttpclient", "httpx", "locust", "numpy", "psutil", "pydantic",
    "pycares", "trio",
)  # fmt: skip


def versions() -> dict[str, str | None]:
    """Versions of what a run depends on; None for a package that is not installed."""
    found: dict[str, str | None] = {"blackstart": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def host() -> dict[str, Any]:
    """The machine, without its name: what matters to a measurement, nothing that identifies a person."""
    return {
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "somaxconn": somaxconn(),
    }


def somaxconn() -> int | None:
    """The kernel's cap on listen backlogs; None where there is no such file."""
    try:
        return int(Path("/proc/sys/net/core/somaxconn").read_text())
    except (OSError, ValueError):
        return None


def begin(facts: dict[str, Any], net: int, started: str) -> dict[str, Any]:
    """The manifest of a run that starts at `started` (RFC 3339); `facts` is plan.json."""
    return {
        "schema_version": 1,
        "state": "running",
        "experiment": facts["experiment"],
        "variant": facts["variant"],
        "seed": facts["seed"],
        "fingerprint": facts["fingerprint"],
        "engine": facts["engine"],
        "started": started,
        "ended": None,
        "exit_code": None,
        "message": None,
        "clock": "CLOCK_MONOTONIC",
        "zero_monotonic_ns": None,
        "network": f"127.{net}.0.0/16",
        "versions": versions(),
        "host": host(),
    }
