"""Do the rows account for everything? Double entry for a load test.

A recorder that loses rows loses the slow ones first (their writers are the ones that die), so a run with gaps looks
healthier than it was. Three records of the same events must agree:

    operations   scheduled by the plan = rows = started + dropped, each once; unfinished ones are rows too
    attempts     one that got an answer, or has no cause of failure, has a served row at its server
    served       each served row has the attempt row of its caller

Only servers that write served rows can be held to the second line. Leaves out: what happened inside a timed-out
attempt; it has a cause (TIMEOUT) and is indeterminate until the audit reads the stores.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.analyse.load_run import Rows
from harness.errors import RecordError
from harness.flows.wants import Cause, Result
from harness.plan import Plan
from harness.record.layouts import Outcome

Ids = NDArray[np.uint64]
_BITMAP_MOST = 1 << 28  # operations; a bitmap of 256 MB


class Account(NamedTuple):
    """What agrees and what does not; counts of rows."""

    scheduled: int | None  # None when the plan cannot be drawn again here; then the highest operation id stands for it
    operations: int
    started: int
    dropped: int
    unfinished: int
    missing: int  # scheduled, but no row
    repeated: int  # more than one row
    attempts: int
    attempts_of_operations: int  # as the operations themselves counted them
    outer_attempts: int  # rows that left the outermost client
    served: int
    attempts_without_served: int
    served_without_attempt: int
    attempts_unfinished: int

    @property
    def unmatched_share(self) -> float:
        """Unmatched rows per row on either side."""
        rows = self.attempts + self.served
        return (self.attempts_without_served + self.served_without_attempt) / rows if rows else 0.0


class Ledger:
    """Collects ids from all row files, then balances them."""

    def __init__(self, served_by: frozenset[str]) -> None:
        self._served_by = served_by  # components that write served rows
        self._ops: list[Ids] = []
        self._attempts: list[Ids] = []
        self._exempt: list[Ids] = []  # attempts that need no served row
        self._served: list[Ids] = []
        self._counts = dict.fromkeys(
            ("started", "dropped", "unfinished", "of_operations", "outer", "attempts_unfinished"), 0
        )

    def feed_operations(self, rows: Rows) -> None:
        """Note operation rows."""
        self._ops.append(rows["op"].copy())
        outcome = rows["outcome"]
        self._counts["started"] += int(np.count_nonzero(rows["started_ns"] >= 0))
        self._counts["dropped"] += int(np.count_nonzero(outcome == Outcome.DROPPED))
        self._counts["unfinished"] += int(np.count_nonzero(outcome == Outcome.UNFINISHED))
        self._counts["of_operations"] += int(rows["attempts"].sum(dtype=np.int64))

    def feed_attempts(self, rows: Rows, targets: list[str]) -> None:
        """Note attempt rows."""
        self._attempts.append(rows["attempt"].copy())
        result, cause = rows["result"], rows["cause"]
        unfinished = result == Result.UNFINISHED
        self._counts["attempts_unfinished"] += int(np.count_nonzero(unfinished))
        self._counts["outer"] += int(np.count_nonzero((rows["layer"] == 0) & (result != Result.UNSENT)))
        answered = ((result == Result.OK) | (cause == Cause.NONE)) & ~unfinished
        served = [i for i, name in enumerate(targets) if name in self._served_by]
        if len(served) < len(targets):
            answered &= np.isin(rows["target"], served)
        self._exempt.append(rows["attempt"][~answered])

    def feed_served(self, rows: Rows) -> None:
        """Note served rows."""
        self._served.append(rows["attempt"].copy())

    def balance(self, scheduled: int | None) -> Account:
        """Compare the three records."""
        operations, distinct, highest = _tally(self._ops)
        attempts, served = _sorted(self._attempts), _sorted(self._served)
        due = scheduled if scheduled is not None else highest
        return Account(
            scheduled,
            operations,
            self._counts["started"],
            self._counts["dropped"],
            self._counts["unfinished"],
            max(0, due - distinct),
            operations - distinct,
            int(attempts.size),
            self._counts["of_operations"],
            self._counts["outer"],
            int(served.size),
            _absent(attempts, served) - _absent(_sorted(self._exempt), served),
            _absent(served, attempts),
            self._counts["attempts_unfinished"],
        )


def scheduled(plan: dict[str, Any], until_s: float | None) -> int | None:
    """How many operations the plan schedules (before `until_s`, where a run was cut); None if it cannot be drawn."""
    try:
        schedule = Plan.from_json(plan).schedule()
    except RecordError:  # a plan of another version is still worth analysing
        return None
    if until_s is None:
        return int(schedule.op.size)
    return int(np.count_nonzero(schedule.intended_s < until_s))


def _tally(parts: list[Ids]) -> tuple[int, int, int]:
    """How many operation ids, how many distinct ones, and the highest. Ids count from 1, so a bitmap will do."""
    if not parts:
        return 0, 0, 0
    rows, highest = sum(int(ids.size) for ids in parts), max(int(ids.max()) for ids in parts)
    if highest > _BITMAP_MOST:  # no plan schedules so many: the ids are foreign or damaged
        return rows, int(np.unique(np.concatenate(parts)).size), highest
    seen = np.zeros(highest + 1, dtype=np.bool_)
    for ids in parts:
        seen[ids] = True
    return rows, int(np.count_nonzero(seen)), highest


def _sorted(parts: list[Ids]) -> Ids:
    """All ids in order; the parts are let go as they are taken."""
    if not parts:
        return np.zeros(0, dtype=np.uint64)
    ids = np.concatenate(parts)
    parts.clear()
    ids.sort()
    return ids


def _absent(ids: Ids, among: Ids) -> int:
    """How many of the sorted `ids` are not among the sorted others."""
    if not ids.size or not among.size:
        return int(ids.size)
    at = np.minimum(np.searchsorted(among, ids), among.size - 1)
    return int(np.count_nonzero(among[at] != ids))
