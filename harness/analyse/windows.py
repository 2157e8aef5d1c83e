"""Counts per fixed window of time, fed rows as they come: the one accumulator behind live progress and final curves.

A curve built from what *arrived* in each second hides the seconds in which nothing arrived, which are the ones an
outage is made of (a hung server shows its old rate, then zero afterwards). So windows are fixed in width (0.25 s),
counted from the run's zero, and exist whether or not anything fell into them:

    window(t) = floor(t / width)

An operation is due in the window of its *intended* start, good in the window of its *finish*, and `due_good` (met its
deadline) in the window of its intended start. An attempt counts when it was sent; one that its own limiter never let
out counts as throttled at the client and not as an attempt. Service time is spread over the windows it lasted.

Live and final use differ in one thing: operation rows are written at the finish, so a live reader gives the schedule
(`expect_due`) and does not wait for rows to learn what was due.

Leaves out: what joins two kinds of rows (wasted.py, reconcile.py) and every judgement (steady.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from harness.analyse.percentiles import Floats, Ints, Sketch, WindowSketch
from harness.flows.wants import Cause, Result
from harness.record.layouts import Outcome

WIDTH_S = 0.25
Rows = np.ndarray[Any, Any]
Key = tuple[str, str]
PROBE_LAYER = 255  # attempts of the outside canary: rows like all others, but no layer of the system under test
_HELD_BACK = (int(Cause.CLIENT_LIMIT), int(Cause.NO_SLOT))  # never left the caller


class Progress(NamedTuple):
    """The last whole second, for people watching: rates per second, waiting work in items."""

    t_s: float
    offered_per_s: float
    goodput_per_s: float
    attempts_per_s: float
    amplification: float  # nan when nothing was due
    waiting: float


class Windows:
    """Zero-filled counts per window from 0 to `end_s`. Moments outside are counted in `outside` and `totals` only."""

    def __init__(self, end_s: float, width_s: float = WIDTH_S) -> None:
        self.width_s = width_s
        self.n = max(1, math.ceil(end_s / width_s - 1e-9))
        self.latency = WindowSketch()  # good operations, by window of intended start
        self.lag = Sketch()  # started minus intended
        self.late_starts = 0  # lag over 10 ms
        self.outside = 0
        self.layers: dict[str, int] = {}  # "caller->callee" -> layer
        self.totals: dict[Key, int] = {}
        self._width_ns = round(width_s * 1e9)
        self._sums: dict[Key, Floats] = {}
        self._spans: dict[Key, tuple[Floats, Floats]] = {}
        self._readings: dict[Key, list[tuple[Floats, Floats]]] = {}
        self._due_known = False

    @property
    def t_s(self) -> Floats:
        """Start of each window, seconds from the run's zero."""
        return np.arange(self.n, dtype=np.float64) * self.width_s

    def span(self, start_s: float, end_s: float) -> slice:
        """The windows that lie mostly in [start_s, end_s), as a slice of series."""
        first = max(0, round(start_s / self.width_s))
        return slice(first, max(first, min(self.n, round(end_s / self.width_s))))

    def get(self, name: str, who: str = "") -> Floats:
        """The series `name` (of `who`), one value per window; zeros when no row ever counted there."""
        return self._sums.get((name, who), np.zeros(self.n))

    def who(self, name: str) -> list[str]:
        """For whom the series `name` exists, sorted."""
        return sorted(w for n, w in {*self._sums, *self._spans, *self._readings} if n == name)

    def total(self, name: str, who: str = "") -> int:
        """How many rows counted as `name`, also outside the windows."""
        return self.totals.get((name, who), 0)

    def overlap_s(self, name: str, who: str = "") -> Floats:
        """Seconds of the spans `name` that fall into each window."""
        partial, level = self._spans.get((name, who), (np.zeros(self.n), np.zeros(self.n)))
        before = np.concatenate([[0.0], np.cumsum(level)[:-1]])
        return np.maximum(0.0, partial + before * self.width_s)

    def gauge(self, component: str, gauge: str) -> tuple[Floats, Floats]:
        """Readings of a gauge in order of time: (t_s, value), empty when there are none."""
        parts = self._readings.get((gauge, component), [])
        if not parts:
            return np.zeros(0), np.zeros(0)
        t_s = np.concatenate([part[0] for part in parts])
        order = np.argsort(t_s, kind="stable")
        return t_s[order], np.concatenate([part[1] for part in parts])[order]

    def gauges(self) -> list[tuple[str, str]]:
        """All (component, gauge) pairs that were read, sorted."""
        return sorted((component, gauge) for gauge, component in self._readings)

    def expect_due(self, intended_s: Floats) -> None:
        """Take what is due from the schedule, so that live progress does not wait for the rows of what is slow."""
        self._due_known = True
        self._count(("due", ""), np.asarray(intended_s * 1e9, dtype=np.int64))

    def feed_operations(self, rows: Rows) -> None:
        """Count operation rows."""
        intended, started, finished = rows["intended_ns"], rows["started_ns"], rows["finished_ns"]
        outcome = rows["outcome"]
        if not self._due_known:
            self._count(("due", ""), intended)
        began = started >= 0
        self._count(("started", ""), started[began])
        self._count(("finished", ""), finished[began & (finished >= 0)])
        lag_s = (started - intended)[began] / 1e9
        self.lag.add(np.maximum(lag_s, 0.0))
        self.late_starts += int(np.count_nonzero(lag_s > 0.010))
        good = outcome == Outcome.GOOD
        at = np.where(finished >= 0, finished, intended)
        for kind in Outcome:
            mine = good if kind is Outcome.GOOD else outcome == kind
            if mine.any():
                self._count((kind.name.lower(), ""), at[mine])
        if good.any():
            first, last = intended[good], finished[good]
            self._count(("due_good", ""), first)
            inside = (first >= 0) & (first < self.n * self._width_ns)
            self.latency.add((first // self._width_ns)[inside], ((last - first) / 1e9)[inside])

    def feed_attempts(self, rows: Rows, caller: str, targets: Sequence[str]) -> None:
        """Count attempt rows written by `caller`; `targets` are the names its target ids stand for."""
        for layer, target, part in _groups(rows, "layer", "target"):
            if layer == PROBE_LAYER:
                continue
            edge = f"{caller}->{_name(targets, target, 'target')}"
            self.layers[edge] = min(layer, self.layers.get(edge, layer))
            sent, ended, result, cause = part["sent_ns"], part["ended_ns"], part["result"], part["cause"]
            at = np.where(sent >= 0, sent, ended)
            unsent = result == Result.UNSENT
            held = unsent & ((cause == _HELD_BACK[0]) | (cause == _HELD_BACK[1]))
            out = at[~held] if held.any() else at
            first = part["n"] == 0
            self._count(("attempts", edge), out)
            self._count(("first_tries", edge), at[~held & first])
            self._count(("closed", edge), ended[~held & (ended >= 0)])
            limited = unsent & (cause == Cause.CLIENT_LIMIT)
            self._count(("throttled_client", edge), at[limited])
            refused = result == Result.REFUSED
            self._count(("throttled_server", edge), np.where(ended >= 0, ended, at)[refused])

    def feed_served(self, rows: Rows, components: Sequence[str]) -> None:
        """Count served rows; `components` are the names its component ids stand for."""
        for _, number, part in _groups(rows, None, "component"):
            name = _name(components, number, "component")
            arrived, began, ended = part["arrived_ns"], part["began_ns"], part["ended_ns"]
            self._count(("arrived", name), arrived)
            in_service = began >= 0
            if not in_service.all():
                self._count(("refused", name), ended[~in_service & (ended >= 0)])
                arrived, began, ended, part = (column[in_service] for column in (arrived, began, ended, part))
            self._count(("begun", name), began)
            self._count(("queue_delay_s", name), began, (began - arrived) / 1e9)
            self._count(("served", name), ended[ended >= 0])
            self.add_spans("busy", name, began, began + part["service_ns"])

    def feed_gauges(self, rows: Rows, components: Sequence[str], gauges: Sequence[str]) -> None:
        """Keep gauge readings; ids index the two name lists."""
        for component, gauge, part in _groups(rows, "component", "gauge"):
            key = (_name(gauges, gauge, "gauge"), _name(components, component, "component"))
            self._readings.setdefault(key, []).append((part["t_ns"] / 1e9, part["value"].astype(np.float64)))

    def add_spans(self, name: str, who: str, start_ns: Ints, stop_ns: Ints) -> None:
        """Add half-open spans of time to `name`; parts outside the windows are cut off."""
        if start_ns.size == 0:
            return
        partial, level = self._spans.setdefault((name, who), (np.zeros(self.n), np.zeros(self.n)))
        end_ns = self.n * self._width_ns - 1
        for sign, edge_ns in ((1.0, start_ns), (-1.0, stop_ns)):
            at = np.clip(edge_ns, 0, end_ns)
            window = at // self._width_ns
            rest_s = ((window + 1) * self._width_ns - at) / 1e9
            partial += sign * np.bincount(window, weights=rest_s, minlength=self.n)
            level += sign * np.bincount(window, minlength=self.n)

    def latest(self, now_s: float, settle_s: float = 0.5, waiting: float | None = None) -> Progress:
        """The last whole second that ended `settle_s` before `now_s` (rows arrive that late), for a progress line."""
        stop = min(self.n, max(0, int((now_s - settle_s) / self.width_s)))
        start = max(0, stop - round(1.0 / self.width_s))
        span_s = max(self.width_s, (stop - start) * self.width_s)
        part = slice(start, stop)
        due = float(self.get("due")[part].sum())
        attempts = float(sum(self.get("attempts", e)[part].sum() for e, layer in self.layers.items() if layer == 0))
        good = float(self.get("good")[part].sum())
        if waiting is None:
            waiting = 0.0
            for component, gauge in self.gauges():
                if gauge.startswith("waiting_"):
                    t_s, value = self.gauge(component, gauge)
                    at = int(np.searchsorted(t_s, now_s, side="right"))
                    waiting += float(value[at - 1]) if at else 0.0
        ratio = attempts / due if due else math.nan
        return Progress(stop * self.width_s, due / span_s, good / span_s, attempts / span_s, ratio, waiting)

    def _count(self, key: Key, at_ns: Ints, weights: Floats | None = None) -> None:
        """Add one (or `weights`) for each moment to its window."""
        if at_ns.size == 0:
            return
        self.totals[key] = self.totals.get(key, 0) + int(at_ns.size)
        if int(at_ns.min()) < 0 or int(at_ns.max()) >= self.n * self._width_ns:
            inside = (at_ns >= 0) & (at_ns < self.n * self._width_ns)
            self.outside += int(at_ns.size - np.count_nonzero(inside))
            at_ns = at_ns[inside]
            weights = None if weights is None else weights[inside]
        counts = np.bincount(at_ns // self._width_ns, weights=weights, minlength=self.n)
        held = self._sums.get(key)
        self._sums[key] = counts.astype(np.float64) if held is None else held + counts


def _groups(rows: Rows, major: str | None, minor: str) -> list[tuple[int, int, Rows]]:
    """Rows parted by two small id columns; most files hold one group, which costs no copy."""
    if rows.size == 0:
        return []
    codes = rows[minor].astype(np.int64)
    if major is not None:
        codes += rows[major].astype(np.int64) << 16
    if int(codes.min()) == int(codes.max()):
        return [(int(codes[0]) >> 16, int(codes[0]) & 0xFFFF, rows)]
    order = np.argsort(codes, kind="stable")
    kinds, firsts = np.unique(codes[order], return_index=True)
    parts = np.split(order, firsts[1:])
    return [(int(kind) >> 16, int(kind) & 0xFFFF, rows[part]) for kind, part in zip(kinds, parts, strict=True)]


def _name(names: Sequence[str], number: int, what: str) -> str:
    """The name an id stands for, or its number when the header does not say."""
    return names[number] if number < len(names) else f"{what}-{number}"
