"""One worker as the master knows it: what it said, what it was given, and what came of that.

    welcome -> ready -> playing -> drained           what is wanted
    refused                                          another version
    failed                                           it said why it cannot go on
    lost                                             it died, fell silent, or was not home in time

A drained worker may still be short: it was told to end by somebody else, and closed its rows properly over half of its
share. So a state is not the last word; scheduled operations, rows, and the share are compared, and what they differ by
is `missing`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import Exit, HarnessError, RecordError
from harness.load.clock import monotonic_ns
from harness.load.shipping import Landing
from harness.policies.crowd import MARK
from harness.record.folder import RunFolder
from harness.record.rows import read_rows

KINDS = ("operation", "attempt", "gauge")
_COUNTS = ("scheduled", "started", "dropped")


class State(Enum):
    """Where a worker is in its run."""

    WELCOME = "welcome"
    REFUSED = "refused"
    READY = "ready"
    PLAYING = "playing"
    DRAINED = "drained"
    FAILED = "failed"
    LOST = "lost"


class Member:
    """One worker; `said` is its hello."""

    def __init__(self, client_id: str, said: Mapping[str, Any], state: State = State.WELCOME, why: str = "") -> None:
        self.client_id = client_id
        self.pid = int(said.get("pid", 0))
        self.parent = int(said.get("parent", 0)) if said.get("machine") else 0
        self.state = state
        self.why = why
        self.code: Exit | None = None
        self.prepared: dict[str, Any] = {}
        self.landing: Landing | None = None
        self.seen_ns = monotonic_ns()
        self.told = False  # that it is lost
        self.place = 0
        self.number = 0
        self.missing: int | None = None
        self.rows: int | None = None
        self._brought: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """As its row files are called."""
        return f"load-{self.number}"

    @property
    def share(self) -> int:
        """Operations of the schedule that are its own."""
        return int(self.prepared.get("share", 0))

    @property
    def is_open(self) -> bool:
        """Whether there is still something to hear from it in this run."""
        return self.state in (State.WELCOME, State.READY, State.PLAYING)

    def enlist(self, place: int, first: int) -> None:
        """Take part in a run as number `place` of its workers, whose row files begin with number `first`."""
        self.state, self.why, self.code, self.told = State.WELCOME, "", None, False
        self.place, self.number = place, first + place
        self.prepared, self._brought, self.landing = {}, {}, None
        self.missing = self.rows = None
        self.seen_ns = monotonic_ns()

    def land(self, rows: Path) -> None:
        """Take its row files as they are shipped."""
        self.landing = Landing(rows, [f"{self.name}-{kind}.rows" for kind in KINDS])

    def home(self, brought: dict[str, Any]) -> None:
        """It says that it is drained, and what it has."""
        self._brought = brought
        differences = [] if self.landing is None else self.landing.differences(brought["files"])
        if differences:
            self.lose("; ".join(differences))
        else:
            self.state = State.DRAINED

    def lose(self, why: str) -> None:
        """It is gone, and what it has not brought home with it."""
        self.state, self.why = State.LOST, why

    def fail(self, why: str, code: Exit) -> None:
        """It cannot go on."""
        self.state, self.why, self.code = State.FAILED, why, code

    def error(self) -> HarnessError:
        """What is wrong with it, for the master's own end."""
        error = HarnessError(f"{self.name}: {self.why}")
        error.exit_code = self.code or Exit.MACHINERY
        return error

    def settle(self, folder: RunFolder, *, cut: bool) -> list[str]:
        """Count its rows as they are in the folder; sentences about what is not there though it should be.

        `cut`: the run had no end of its own, so a share that was not all scheduled is nothing to complain of.
        """
        if self.landing is not None:
            self.landing.close()
        summary = self._brought.get("summary")
        if self.landing is not None and summary is not None:
            folder.write_json(folder.path / f"{self.name}.json", summary)
        try:
            ops = read_rows(folder.rows / f"{self.name}-operation.rows").rows["op"]
        except RecordError:
            ops = np.zeros(0, dtype=np.uint64)
        self.rows = int(ops.size)
        if cut and summary is not None:
            self.missing = max(0, int(summary["scheduled"]) - self.rows)
        else:  # a crowd's turns are in no schedule
            self.missing = max(0, self.share - int(np.count_nonzero(ops < MARK)))
        if self.state is not State.DRAINED or not self.missing:
            return []
        missing = f"{self.missing} of the {self.share} operations of its share are missing"
        return [f"{self.name} ended before its time: {missing}"]

    def to_json(self) -> dict[str, Any]:
        """What `workers.json` says of it; counts are null as long as they are not known."""
        summary = self._brought.get("summary") or {}
        prepared = self.prepared
        at_end = self._brought.get("clock")
        clock = {**prepared.get("clock", {}), "shared": prepared.get("same_clock"), "at_end": at_end}
        return {
            "name": self.name,
            "pid": self.pid,
            "state": self.state.value,
            "why": self.why or None,
            "share": self.share,
            **{key: summary.get(key) for key in _COUNTS},
            "rows": self.rows,
            "missing": self.missing,
            "shipped": self.landing is not None,
            "clock": clock,
        }
