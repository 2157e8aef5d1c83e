"""Wasted work: service time spent after the caller had given up.

A server that is stuck in a retry storm is busy all the time and useful none of it; its CPU and its throughput look
splendid. Only the join of two records shows it: the server knows when it worked, the caller knows when it stopped
waiting. For each attempt with a service interval [began, began + service) and a caller who ended without success at g:

    wasted += length of [max(began, g), began + service)

The caller is the direct one. Work for a caller that is itself working for somebody gone counts as useful here, because
its effect (a committed transfer) may still be wanted; the audit tells. Attempts still open at the end wasted nothing.

Source: the wasted-work ratio of `policies.md` section 4; 1.0 in the stuck state of Isaacs et al., HotOS 2025.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analyse.load_run import Rows
from harness.analyse.percentiles import Ints
from harness.analyse.windows import Windows
from harness.flows.wants import Result


class GivenUp:
    """Attempts that ended without success, and when their callers stopped waiting."""

    def __init__(self) -> None:
        self._ids: list[NDArray[Any]] = []
        self._ended: list[Ints] = []

    def feed(self, rows: Rows) -> None:
        """Remember from attempt rows what waste can come from."""
        result, ended = rows["result"], rows["ended_ns"]
        gave_up = (result != Result.OK) & (result != Result.UNSENT) & (ended >= 0)
        if gave_up.any():
            self._ids.append(rows["attempt"][gave_up])
            self._ended.append(ended[gave_up])

    def table(self) -> tuple[NDArray[Any], Ints]:
        """Attempt ids in order, and the moment each was given up."""
        if not self._ids:
            return np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64)
        ids, ended = np.concatenate(self._ids), np.concatenate(self._ended)
        order = np.argsort(ids, kind="stable")
        return ids[order], ended[order]


def feed_served(windows: Windows, table: tuple[NDArray[Any], Ints], rows: Rows, components: Sequence[str]) -> None:
    """Add the spans of service in served rows that nobody waited for, as `wasted` of their component."""
    ids, gave_up_ns = table
    rows = rows[rows["began_ns"] >= 0]
    if not ids.size or not rows.size:
        return
    at = np.minimum(np.searchsorted(ids, rows["attempt"]), ids.size - 1)
    known = ids[at] == rows["attempt"]
    began = rows["began_ns"][known]
    stop = began + rows["service_ns"][known]
    start = np.maximum(began, gave_up_ns[at[known]])
    component = rows["component"][known]
    for number in np.unique(component):
        mine = (stop > start) & (component == number)
        name = components[number] if number < len(components) else f"component-{number}"
        windows.add_spans("wasted", name, start[mine], stop[mine])
