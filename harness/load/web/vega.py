"""The drawing library of the page, from the installed package that draws the reports: nothing comes from the net.

Making the bundle loads an engine for JavaScript and takes seconds of a core, and this process makes load: so another,
nice one makes it, once, when the page is opened by Locust and nothing runs yet. Who asks earlier waits, and only they.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import gevent
from gevent import subprocess

_MAKE = """
import os, sys
os.nice(10)
import vl_convert
sys.stdout.buffer.write(vl_convert.javascript_bundle().encode())
"""
PATIENCE_S = 60.0
_log = logging.getLogger(__name__)


class Bundle:
    """The bundle, made in the background from `start` on."""

    def __init__(self) -> None:
        self._making: Any = None
        self._process: Any = None

    def start(self) -> None:
        """Begin to make it, if nobody has."""
        if self._making is None:
            self._making = gevent.spawn(self._make)

    def text(self) -> bytes | None:
        """The script; None when it could not be made. Waits in the calling greenlet."""
        self.start()
        with gevent.Timeout(PATIENCE_S, exception=False):
            found: bytes | None = self._making.get()
            return found
        return None

    def stop(self) -> None:
        """End the process that makes it."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()

    def _make(self) -> bytes | None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _MAKE], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        try:
            made: bytes = self._process.communicate()[0]
        finally:
            self._process.stdout.close()
        if self._process.returncode != 0 or not made:
            _log.warning("the drawing library of the Recovery tab could not be made; its charts stay empty")
            return None
        return made
