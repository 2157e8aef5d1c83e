"""Wasted work: service time spent after the caller had given up.

A server that is stuck in a retry storm is busy all the time and useful none of it; its CPU and its throughput look
splendid. Only the join of two records shows it: the server knows when it worked, the caller knows when it stopped
waiting. For each attempt with a service interval [began, began + service) and a caller who ended without success at g:

    wasted += length of [max(began, g), began + service)

The caller is the direct one. Work for a caller that is itself working for somebody gone counts as useful here, because
its effect (a committed transfer) may still be wanted; the audit tells. Attempts still open at the end wasted nothing.

Where late replies count, an attempt whose late reply was taken keeps the row of its timeout, yet its work was of use.
No row says which one that was, but it can be told for operations: one that succeeded without any attempt that ended
well was answered late, by an attempt that had timed out and was served before the operation finished. Such attempts
are exempt. Left out: the same among the calls a service makes, whose ends no row holds.

Source: Isaacs et al., HotOS 2025: the ratio is 1.0 in their stuck state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.analyse.load_run import Rows
from harness.analyse.percentiles import Ints
from harness.analyse.windows import Windows
from harness.flows.wants import Cause, Result
from harness.record.layouts import Outcome


class Table(NamedTuple):
    """Attempts by id (in order), when each was given up, and when its operation was answered late after all (or -1)."""

    ids: NDArray[Any]
    gave_up_ns: Ints
    late_until_ns: Ints


class GivenUp:
    """Attempts that ended without success, and when their callers stopped waiting.

    With `late_replies`, feed the operations too: those answered late are told from the rest by them.
    """

    def __init__(self, *, late_replies: bool = False) -> None:
        self._late_replies = late_replies
        self._ids: list[NDArray[Any]] = []
        self._ended: list[Ints] = []
        self._timed_out_of: list[NDArray[Any]] = []  # the operation of each, 0 for those that cannot be exempt
        self._answered: list[NDArray[Any]] = []  # operations with an attempt that ended well
        self._succeeded: list[tuple[NDArray[Any], Ints]] = []  # operations, and when they finished

    def feed_operations(self, rows: Rows) -> None:
        """Remember which operations succeeded, and when."""
        if self._late_replies:
            rows = rows[(rows["outcome"] == Outcome.GOOD) | (rows["outcome"] == Outcome.LATE)]
            self._succeeded.append((rows["op"].copy(), rows["finished_ns"].copy()))

    def feed(self, rows: Rows) -> None:
        """Remember from attempt rows what waste can come from."""
        result, ended = rows["result"], rows["ended_ns"]
        gave_up = (result != Result.OK) & (result != Result.UNSENT) & (ended >= 0)
        if gave_up.any():
            self._ids.append(rows["attempt"][gave_up])
            self._ended.append(ended[gave_up])
        if self._late_replies:
            outer = rows["layer"] == 0
            self._answered.append(rows["op"][outer & (result == Result.OK)])
            timed_out = outer & (result == Result.TIMEOUT) & (rows["cause"] == Cause.TIMEOUT)
            self._timed_out_of.append(np.where(timed_out, rows["op"], np.uint64(0))[gave_up])

    def table(self) -> Table:
        """All of them, in order of their ids."""
        if not self._ids:
            return Table(np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
        ids, ended = np.concatenate(self._ids), np.concatenate(self._ended)
        order = np.argsort(ids, kind="stable")
        return Table(ids[order], ended[order], self._finished(ids.size)[order])

    def _finished(self, n: int) -> Ints:
        """For each attempt, when its operation was answered late; -1 where it was not."""
        if not self._succeeded:
            return np.full(n, -1, dtype=np.int64)
        ops = np.concatenate([part for part, _ in self._succeeded])
        finished = np.concatenate([part for _, part in self._succeeded])
        late = ~np.isin(ops, np.concatenate(self._answered))
        ops, finished = ops[late], finished[late]
        order = np.argsort(ops, kind="stable")
        ops, finished = ops[order], finished[order]
        timed_out_of = np.concatenate(self._timed_out_of)
        if not ops.size:
            return np.full(n, -1, dtype=np.int64)
        at = np.minimum(np.searchsorted(ops, timed_out_of), ops.size - 1)
        return np.where(ops[at] == timed_out_of, finished[at], -1)


def feed_served(windows: Windows, table: Table, rows: Rows, components: Sequence[str]) -> None:
    """Add the spans of service in served rows that nobody waited for, as `wasted` of their component."""
    ids, gave_up_ns, late_until_ns = table
    if not ids.size:
        return
    rows = rows[rows["began_ns"] >= 0]
    at = np.minimum(np.searchsorted(ids, rows["attempt"]), ids.size - 1)
    in_time = (rows["ended_ns"] >= 0) & (rows["ended_ns"] <= late_until_ns[at])  # its late reply was taken
    known = (ids[at] == rows["attempt"]) & ~in_time
    began = rows["began_ns"][known]
    stop = began + rows["service_ns"][known]
    start = np.maximum(began, gave_up_ns[at[known]])
    component = rows["component"][known]
    for number in np.unique(component):
        mine = (stop > start) & (component == number)
        name = components[number] if number < len(components) else f"component-{number}"
        windows.add_spans("wasted", name, start[mine], stop[mine])
