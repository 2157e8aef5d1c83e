"""The garbage collector kept out of the measurements, within a bound.

A full collection walks every live object. In a service with tens of thousands of waiting requests it stalled the event
loop for 0.37 s, which looks exactly like an overloaded dependency; in a load generator it started operations 282 ms
late, which looks like a slow one. So what exists once a process is ready is frozen, automatic collection is off, and
reference counting does nearly all the work. Cycles (exceptions with their tracebacks, mostly) then pile up; when the
process has grown by `grow_bytes` since the last look back, one collection runs, and its pause shows in the loop lag or
the lateness like any other.

Leaves out: objects that are still in use; a process that really needs more memory than its machine has is not saved.
"""

from __future__ import annotations

import gc
import os
import resource
from pathlib import Path

GROW_BYTES = 192 << 20
_STATM = Path("/proc/self/statm")


def resident_bytes() -> int:
    """Memory this process holds now; on systems without /proc, the most it ever held."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class MemoryGuard:
    """Freezes the collector when made; `look` collects when the process has grown too much; `release` undoes it.

    `tidy` collects once before. Who runs often and briefly leaves that out: it costs more than it saves.
    """

    def __init__(self, grow_bytes: int = GROW_BYTES, *, tidy: bool = True) -> None:
        if tidy:
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
