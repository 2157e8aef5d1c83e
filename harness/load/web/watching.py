"""A process of its own that follows a run and prints what is new, one JSON object a line, twice a second.

    in     {"follow": "<run folder>"} | {"whole": "<run folder>"} | {"rest": true}       end of file: end
    out    {"run": "<run folder>", "tick": {...}, "whole": bool} | {"run": ..., "error": "..."}

Counting rows and judging them takes tens of milliseconds every time, and in the load process every one of them would
make an operation late that the rows then call late. Here it takes them from nobody: this process is nice, and its
interpreter and numpy are loaded before there is a run to follow.

Leaves out: gevent and Locust; this is an ordinary process, and it ends with its parent.
"""

from __future__ import annotations

import json
import os
import select
import sys
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.load.clock import monotonic_ns
from harness.load.web.follow import Follower
from harness.record.folder import RunFolder

EVERY_S = 0.5
NICE = 5


class Watching:
    """One run at a time; `turn` says what is new of it."""

    def __init__(self) -> None:
        self._path = ""
        self._follower: Follower | None = None

    def told(self, order: dict[str, Any]) -> list[dict[str, Any]]:
        """Do as told; lines to print now."""
        if "whole" in order:
            path = str(order["whole"])
            self._follower = None
            return [self._safely(path, lambda: self._whole(path))]
        self._path, self._follower = str(order.get("follow", "")), None
        return []

    def turn(self) -> list[dict[str, Any]]:
        """What is new, if a run is followed and has begun."""
        if not self._path:
            return []
        try:
            facts = RunFolder(Path(self._path)).read_json(RunFolder(Path(self._path)).plan)
        except HarnessError:
            return []  # not written yet
        zero_ns = facts.get("zero_monotonic_ns")
        if self._follower is None:
            path = self._path
            try:
                self._follower = Follower(RunFolder(Path(path)), facts)
            except HarnessError as error:
                self._path = ""
                return [{"run": path, "error": str(error)}]
        if not isinstance(zero_ns, int):
            return []
        now_s = (monotonic_ns() - zero_ns) * 1e-9
        if now_s < 0.0:
            return []
        follower = self._follower
        return [self._safely(self._path, lambda: follower.tick(now_s), whole=False)]

    def _whole(self, path: str) -> dict[str, Any]:
        folder = RunFolder(Path(path))
        facts = folder.read_json(folder.plan)
        return Follower(folder, facts, whole=True).tick(float(facts["end_s"]))

    def _safely(self, path: str, work: Any, *, whole: bool = True) -> dict[str, Any]:
        try:
            return {"run": path, "tick": work(), "whole": whole}
        except Exception as error:  # a page without charts is better than a run without its page
            if not whole:
                self._path = ""
            return {"run": path, "error": f"{type(error).__name__}: {error}"}


def main() -> None:
    """Follow what standard input names until it ends."""
    os.nice(NICE)
    watching, pending = Watching(), b""
    next_ns = monotonic_ns()
    while True:
        wait_s = max(0.0, (next_ns - monotonic_ns()) * 1e-9)
        if select.select([0], [], [], wait_s)[0]:
            data = os.read(0, 65536)
            if not data:
                return
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                _say(watching.told(json.loads(line)))
            continue
        _say(watching.turn())
        next_ns = max(next_ns + round(EVERY_S * 1e9), monotonic_ns())


def _say(found: list[dict[str, Any]]) -> None:
    for value in found:
        sys.stdout.write(json.dumps(value, allow_nan=False, separators=(",", ":")) + "\n")
    if found:
        sys.stdout.flush()


if __name__ == "__main__":
    main()
