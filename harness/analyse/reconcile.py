"""Do the rows account for everything? Double entry for a load test.

A recorder that loses rows loses the slow ones first (their writers are the ones that die), so a run with gaps looks
healthier than it was. Three records of the same events must agree:

    operations   scheduled by the plan = rows = started + dropped, each once; unfinished ones are rows too
                 (turns of a closed loop are in no plan: the load process counts them as they come due)
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
from harness.record.folder import RunFolder
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
        self._answered: list[Ids] = []  # attempts that need a served row
        self._exempt: list[Ids] = []  # and those that do not
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
        result, cause = rows["result"], rows["cause"]
        unfinished = result == Result.UNFINISHED
        self._counts["attempts_unfinished"] += int(np.count_nonzero(unfinished))
        self._counts["outer"] += int(np.count_nonzero((rows["layer"] == 0) & (result != Result.UNSENT)))
        answered = ((result == Result.OK) | (cause == Cause.NONE)) & ~unfinished
        served = [i for i, name in enumerate(targets) if name in self._served_by]
        if len(served) < len(targets):
            answered &= np.isin(rows["target"], served)
        self._answered.append(rows["attempt"][answered])
        self._exempt.append(rows["attempt"][~answered])

    def feed_served(self, rows: Rows) -> None:
        """Note served rows."""
        self._served.append(rows["attempt"].copy())

    def balance(self, scheduled: int | None) -> Account:
        """Compare the three records."""
        operations, distinct, highest = _tally(self._ops)
        answered, exempt, served = _joined(self._answered), _joined(self._exempt), _joined(self._served)
        unserved, orphans = _unmatched(answered, exempt, served)
        due = scheduled if scheduled is not None else highest if highest <= _BITMAP_MOST else distinct
        return Account(
            scheduled,
            operations,
            self._counts["started"],
            self._counts["dropped"],
            self._counts["unfinished"],
            max(0, due - distinct),
            operations - distinct,
            int(answered.size + exempt.size),
            self._counts["of_operations"],
            self._counts["outer"],
            int(served.size),
            unserved,
            orphans,
            self._counts["attempts_unfinished"],
        )


def scheduled(plan: dict[str, Any], until_s: float | None, told: int | None = None) -> int | None:
    """How many operations the plan schedules (before `until_s`, where a run was cut); None if it cannot be drawn.

    The turns of a closed loop are in no plan. With one, it is what the load processes say was due (`told`).
    """
    try:
        read = Plan.from_json(plan)
    except RecordError:  # a plan of another version is still worth analysing
        return None
    if read.experiment.crowds():
        return told
    schedule = read.schedule()
    if until_s is None:
        return int(schedule.op.size)
    return int(np.count_nonzero(schedule.intended_s < until_s))


def told(folder: RunFolder) -> int | None:
    """How many operations were due, as the load processes' summaries say; None when there is none to be read."""
    found = []
    for path in folder.path.glob("load-*.json"):
        try:
            found.append(folder.read_json(path).get("scheduled"))
        except RecordError:  # being cut off while it wrote
            return None
    counts = [count for count in found if isinstance(count, int)]
    return sum(counts) if counts and len(counts) == len(found) else None


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


def _joined(parts: list[Ids]) -> Ids:
    """All ids in one; the parts are let go."""
    ids = np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint64)
    parts.clear()
    return ids


def _unmatched(answered: Ids, exempt: Ids, served: Ids) -> tuple[int, int]:
    """How many answered attempts have no served row, and how many served rows have no attempt.

    Records that agree hold the same ids in another order. Two sums of them say so without sorting, but for a chance of
    2^-64 and less: ids are hashes. Only records that differ are sorted and counted.
    """
    exempt.sort()
    rest = served[~_among(served, exempt)] if exempt.size else served
    if rest.size == answered.size and _sums(rest) == _sums(answered):
        return 0, 0
    answered.sort()
    served.sort()
    unserved = int(np.count_nonzero(~_among(answered, served)))
    return unserved, int(np.count_nonzero(~(_among(served, answered) | _among(served, exempt))))


def _sums(ids: Ids) -> tuple[int, int]:
    """Two sums modulo 2^64 that do not depend on the order."""
    mixed = (ids ^ (ids >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
    return int(ids.sum()), int((mixed ^ (mixed >> np.uint64(29))).sum())


def _among(ids: Ids, others: Ids) -> NDArray[np.bool_]:
    """Which of the ids are among the sorted others."""
    if not others.size:
        return np.zeros(ids.size, dtype=np.bool_)
    at = np.minimum(np.searchsorted(others, ids), others.size - 1)
    return np.asarray(others[at] == ids)
