"""The garbage collector kept away from the pacer, within a bound.

A full collection walks every live object: with the collector on, operations started up to 282 ms late; with it off,
5 ms. So what exists once the process is ready is frozen and automatic collection is off; reference counting frees
nearly everything. What is left, cycles, is bounded: when the process has grown by `grow_bytes`, one collection runs,
and its pause shows in the lateness like any other. The summary says how many there were.
"""

from __future__ import annotations

import gc
import os
from pathlib import Path

GROW_BYTES = 256 << 20
_STATM = Path("/proc/self/statm")


def resident_bytes() -> int:
    """Memory this process holds now; 0 where /proc does not say, which leaves the bound without effect."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


class MemoryGuard:
    """Freezes the collector when made; `look` collects when the process has grown too much; `release` undoes it."""

    def __init__(self, grow_bytes: int = GROW_BYTES) -> None:
        gc.collect()
        gc.freeze()
        gc.disable()
        self._grow_bytes = grow_bytes
        self._floor_bytes = resident_bytes()
        self.collections = 0

    def look(self) -> bool:
        """Collect if due; True when it did."""
        if resident_bytes() - self._floor_bytes < self._grow_bytes:
            return False
        gc.collect()
        self.collections += 1
        self._floor_bytes = resident_bytes()
        return True

    def release(self) -> None:
        """Give the collector back to the process."""
        gc.unfreeze()
        gc.enable()
