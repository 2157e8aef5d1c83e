"""`blackstart doctor`: can this machine hold a run, and if not, what is missing?

Each check says what was found, whether that is good enough, and what to do if not. `bad` means that runs will fail
(exit 4); `doubt` means that they work but may come out invalid; nothing is changed on the machine.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import shutil
import sys
from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

import typer

from harness.errors import Exit, RunError

FILES_MIN = 4096  # a storm holds some thousand connections open, and each is a file
BACKLOG_MIN = 1024
PYTHON_MIN, PYTHON_END = (3, 11), (3, 14)
STEAL_MAX = 0.05
NEEDED = ("aiohttp", "dnspython", "gevent", "httpx", "locust", "numpy", "trio")


class Finding(NamedTuple):
    """One check."""

    name: str
    status: Literal["good", "doubt", "bad"]
    found: str
    advice: str = ""


def doctor(as_json: Annotated[bool, typer.Option("--json", help="print the findings as JSON")] = False) -> int:
    """Say whether this machine can hold a run, and what to do if it cannot."""
    findings = [check() for check in CHECKS]
    if as_json:
        typer.echo(json.dumps([finding._asdict() for finding in findings], indent=1))
    else:
        width = max(len(finding.name) for finding in findings)
        for name, status, found, advice in findings:
            typer.echo(f"{status:<5}  {name:<{width}}  {found}{f'; {advice}' if advice else ''}")
    return int(Exit.MACHINERY if any(finding.status == "bad" for finding in findings) else Exit.PASS)


def python() -> Finding:
    """The interpreter."""
    return judge_python(sys.version_info[:2], platform.python_implementation())


def judge_python(version: tuple[int, int], implementation: str) -> Finding:
    """Whether this Python can run us."""
    found = f"{implementation} {version[0]}.{version[1]}"
    if PYTHON_MIN <= version < PYTHON_END:
        return Finding("python", "good", found)
    return Finding("python", "bad", found, "use Python 3.11, 3.12 or 3.13")


def packages() -> Finding:
    """The installed versions of what a run needs."""
    from harness.live.manifest import versions

    found = versions()
    missing = [name for name in NEEDED if found.get(name) is None]
    if missing:
        return Finding("packages", "bad", f"missing: {', '.join(missing)}", "install with `make setup`")
    return Finding("packages", "good", ", ".join(f"{name} {found[name]}" for name in ("blackstart", *NEEDED)))


def files() -> Finding:
    """How many files a process may open; children raise their soft limit to the hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return judge_files(soft, hard)


def judge_files(soft: int, hard: int) -> Finding:
    """Whether that is enough for a storm."""
    most = hard if hard != resource.RLIM_INFINITY else sys.maxsize
    found = f"{soft} open files a process (may be raised to {'any number' if most == sys.maxsize else most})"
    if most >= FILES_MIN:
        return Finding("open files", "good", found)
    return Finding("open files", "doubt", found, f"allow at least {FILES_MIN}, as with `ulimit -n {FILES_MIN}`")


def backlog() -> Finding:
    """The kernel's cap on connections that wait to be accepted."""
    from harness.live.manifest import somaxconn

    return judge_backlog(somaxconn())


def judge_backlog(cap: int | None) -> Finding:
    """Whether that is enough for a storm."""
    if cap is None:
        return Finding("listen backlog", "doubt", "not known here", "runs are made for Linux")
    if cap >= BACKLOG_MIN:
        return Finding("listen backlog", "good", f"somaxconn {cap}")
    advice = f"raise it, as with `sysctl -w net.core.somaxconn={BACKLOG_MIN}`, or a storm loses connections unseen"
    return Finding("listen backlog", "doubt", f"somaxconn {cap}", advice)


def network() -> Finding:
    """Loopback addresses and ports: claims a network as a run does, and lets it go."""
    from harness.live.net import claim

    try:
        with claim({"dns": 1, "kv": 2, "mobile_banking": 1}) as held:
            return Finding("loopback", "good", f"127.{held.region.net}.0.0/16 and its ports are free")
    except RunError as error:
        return Finding("loopback", "bad", str(error))


def processors() -> Finding:
    """How many processors, and whether somebody else uses them."""
    import psutil

    share = psutil.cpu_times_percent(interval=0.2)
    return judge_processors(os.cpu_count() or 1, getattr(share, "steal", 0.0) / 100.0, 1.0 - share.idle / 100.0)


def judge_processors(count: int, steal: float, busy: float) -> Finding:
    """Whether load and region can have a core each."""
    found = f"{count}, {100 * busy:.0f} % busy now, {100 * steal:.1f} % taken by the host"
    if count < 2:
        return Finding("processors", "doubt", found, "use two or more, or lower the rates of the experiment")
    if steal > STEAL_MAX:
        return Finding("processors", "doubt", found, "a shared host; runs may come out invalid")
    if busy > 0.5:
        return Finding("processors", "doubt", found, "something else is running; runs may come out invalid")
    return Finding("processors", "good", found)


def clock() -> Finding:
    """How finely CLOCK_MONOTONIC ticks."""
    from harness.live.clock import resolution_s

    step_s = resolution_s()
    status: Literal["good", "bad"] = "good" if step_s <= 1e-4 else "bad"
    advice = "" if status == "good" else "use Linux"
    return Finding("clock", status, f"CLOCK_MONOTONIC in steps of {step_s:g} s", advice)


def chromium() -> Finding:
    """Only for looking at reports without a screen; nothing needs it."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return Finding("chromium", "good", path or "not installed (optional: only to look at reports without a screen)")


CHECKS: tuple[Callable[[], Finding], ...] = (
    python, packages, files, backlog, network, processors, clock, chromium,
)  # fmt: skip
