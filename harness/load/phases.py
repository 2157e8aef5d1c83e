"""Which phase a run is in, for a shape or a user that behaves by it.

A run that carries out its timeline says so in its journal, as each phase begins. A region that is only served carries
out none; its phases are then those of its plan, counted from the start of the load.
"""

from __future__ import annotations

import json
from pathlib import Path

from harness.plan import Plan
from harness.record.folder import RunFolder


class Phases:
    """The phases of one run. `now` may be asked as often as one likes: only what is new in the journal is read."""

    def __init__(self, folder: RunFolder) -> None:
        """Raises RecordError for a folder without a plan."""
        self._phases = Plan.from_json(folder.read_json(folder.plan), str(folder.plan)).phases
        self._journal: Path = folder.journal
        self._read = 0  # bytes
        self._told: str | None = None

    def now(self, t_s: float) -> str:
        """The phase that began last, by the journal; before any has, the plan's `t_s` seconds from its zero."""
        self._follow()
        if self._told is not None:
            return self._told
        return next((phase.name for phase in self._phases if t_s < phase.end_s), self._phases[-1].name)

    def _follow(self) -> None:
        try:
            with self._journal.open("rb") as file:
                file.seek(self._read)
                new = file.read()
        except FileNotFoundError:
            return
        whole = new.rfind(b"\n") + 1  # a line being written is read when it is whole
        self._read += whole
        for line in new[:whole].splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and entry.get("kind") == "phase":
                self._told = str(entry.get("name"))
