"""Journal entries of the orchestrator, also those made before the run's zero is known.

Children start, and may die, before anybody can say when zero is. Those entries are kept with their clock reading and
written, with negative times, as soon as zero is set; a run that ends without a zero gets the moment of its end as zero.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.live.clock import RunClock
from harness.record.journal import Journal


class RunLog:
    """Writes the orchestrator's journal entries, stamped by the run's clock."""

    def __init__(self, path: Path, clock: RunClock) -> None:
        self._journal = Journal(path, "orchestrator")
        self._clock = clock
        self._early: list[tuple[int, str, dict[str, Any]]] = []
        self.leaving = False  # on the way out an entry that cannot be written must not hold up undoing and ending

    def write(self, kind: str, **fields: Any) -> None:
        """Append one entry as of now. Raises OSError when it cannot be, unless `leaving`."""
        if self._clock.zero_ns is None:
            self._early.append((self._clock.read_ns(), kind, fields))
        else:
            try:
                self._journal.write(self._clock.now_s(), kind, **fields)
            except OSError:
                if not self.leaving:
                    raise

    def flush(self) -> None:
        """Write the entries made before zero, once it is known."""
        zero_ns = self._clock.zero_ns
        assert zero_ns is not None, "the run's zero is not set yet"
        for at_ns, kind, fields in self._early:
            self._journal.write((at_ns - zero_ns) / 1e9, kind, **fields)
        self._early.clear()

    def close(self) -> None:
        """Write what is held back and release the file."""
        if self._clock.zero_ns is None:
            self._clock.set_zero(self._clock.read_ns())
        self.flush()
        self._journal.close()
