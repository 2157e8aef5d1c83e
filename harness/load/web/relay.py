"""The process that follows runs (`harness.load.web.watching`), held from the load process: orders in, lines out.

It is started before there is a run, so that a run does not begin with an interpreter loading beside it. It holds a pipe
from here as standard input and ends when that closes, however this process ends. If it ends before, the page has no
charts any more and says so; the run and its record do not need it.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

import gevent
from gevent import subprocess

_log = logging.getLogger(__name__)
_MODULE = "harness.load.web.watching"
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

Take = Callable[[dict[str, Any]], None]


class Relay:
    """`take` is called with each line, as an object, in a greenlet of its own."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._process: Any = None
        self._reader: Any = None

    def start(self) -> None:
        """Start the process."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", _MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **_ONE_THREAD},
            start_new_session=True,
        )
        self._reader = gevent.spawn(self._read)

    def follow(self, path: str) -> None:
        """Follow this run folder, whose plan need not be written yet."""
        self._order({"follow": path})

    def whole(self, path: str) -> None:
        """Say all of a run that is over, once."""
        self._order({"rest": True})
        self._order({"whole": path})

    def rest(self) -> None:
        """Follow nothing."""
        self._order({"rest": True})

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.stdin.close()
            with gevent.Timeout(2.0, exception=False):
                self._process.wait()
            if self._process.poll() is None:
                self._process.kill()
            gevent.kill(self._reader)
            self._process.stdout.close()
            self._process = None

    @property
    def pid(self) -> int | None:
        """Of the process, None when there is none."""
        return None if self._process is None else int(self._process.pid)

    def _order(self, order: dict[str, Any]) -> None:
        if self._process is None:
            return
        try:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            _log.warning("the process that counts for the Recovery tab is gone; the run is recorded all the same")

    def _read(self) -> None:
        for line in self._process.stdout:
            try:
                self._take(json.loads(line))
            except Exception:  # one line that cannot be used must not end all that follow
                _log.exception("a line for the Recovery tab could not be used")
