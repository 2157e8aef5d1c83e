"""Follows the files of one run and says what is new: windows, waiting work, moments, and the verdict so far.

A chart drawn from numbers of its own ends up telling another story than the report. So there is one accumulator
(`harness.analyse.windows`), fed from the same files that the analysis reads, and when the run is over what was drawn is
what will be measured. Three things are different while it runs:

    what is due     comes from the plan (if it has a schedule), because a row is written when its operation is over
    the last 0.5 s  are not shown yet: rows reach the disk a quarter of a second late
    older windows   may still change (a late reply, a reading in between), and are then sent again

Only what changed is said: all series from the first window that differs. At the end everything is read once more
without the plan's help, so a run that was cut short shows what came and not what was to come.

Leaves out: reading the clock, and what the system did inside: served rows are counted for queue delay alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.analyse import backlog
from harness.analyse.percentiles import Floats
from harness.analyse.windows import Windows
from harness.load.plugin_plan import ENGINE
from harness.load.web.journal import JournalTail
from harness.load.web.sofar import SoFar
from harness.plan import Plan
from harness.record.folder import RunFolder
from harness.record.tail import Tail

SETTLE_S = 0.5
SERIES = ("offered_per_s", "attempts_per_s", "goodput_per_s", "amplification", "p99_s", "throttled_per_s")
_LOAD = re.compile(r"load(-\d+)?")


class Follower:
    """One run, read as it grows. `whole` is for a run that is over: nothing is expected but what has rows."""

    def __init__(self, folder: RunFolder, facts: Mapping[str, Any], *, whole: bool = False) -> None:
        self.folder = folder
        self.facts = dict(facts)
        self.windows = Windows(float(facts["end_s"]))
        if not whole and facts["engine"] != ENGINE:
            plan = Plan.from_json(facts)
            if not plan.experiment.crowds():  # whose operations follow from the ones before
                self.windows.expect_due(plan.schedule().intended_s)
        self._whole = whole
        self._journal = JournalTail(folder.journal)
        self._tails: dict[Path, Tail] = {}
        self._sofar = SoFar(folder, self.facts)
        self._said: dict[str, Floats] = {}
        self._upto = 0

    def read(self) -> None:
        """Take in what was written since."""
        paths = [*self.folder.rows.glob("*.rows"), self.folder.gauges]
        for path in sorted(paths):
            tail = self._tails.setdefault(path, Tail(path))
            rows = tail.read()
            if rows is None or tail.header is None:
                continue
            names = tail.header.names
            match tail.header.kind:
                case "operation":
                    self.windows.feed_operations(rows)
                case "attempt":
                    writer = tail.header.writer.removesuffix("-attempt")
                    self.windows.feed_attempts(
                        rows, "load" if _LOAD.fullmatch(writer) else writer, names.get("target", [])
                    )
                case "served":
                    self.windows.feed_served(rows, names.get("component", []))
                case "gauge":
                    self.windows.feed_gauges(rows, names.get("component", []), names.get("gauge", []))
                case _:
                    pass
        self._journal.read()

    def tick(self, now_s: float) -> dict[str, Any]:
        """What changed since the last tick, JSON-able; `now_s` is seconds from the run's zero."""
        self.read()
        upto = self.windows.n if self._whole else self._settled(now_s)
        series = series_of(self.windows)
        waiting = {f"waiting/{name}": values for name, values in backlog.waiting(self.windows).items()}
        first = self._first_change({**series, **waiting}, upto)
        part = slice(first, upto)
        width_s = self.windows.width_s
        t_s = min(now_s, float(self.facts["end_s"]))
        return {
            "t_s": round(now_s, 3),
            "phase": _phase(self.facts["phases"], now_s),
            "verdict_so_far": self._sofar.verdict(self.windows, self._journal.entries, t_s, upto),
            "windows": {
                "from": first,
                "begin_s": first * width_s,
                "width_s": width_s,
                **{name: _plain(values[part]) for name, values in series.items()},
            },
            "backlog": {
                "from": first,
                "t_s": _plain((self.windows.t_s + width_s)[part]),
                "by_component": {name.removeprefix("waiting/"): _plain(v[part]) for name, v in waiting.items()},
            },
            "events": self._journal.news(),
            "faults_on": self._journal.faults_on(now_s),
            "generator": self._sofar.generator(self.windows, t_s),
        }

    def _settled(self, now_s: float) -> int:
        """How many windows are shown: their rows have come."""
        return min(self.windows.n, max(0, int((now_s - SETTLE_S) / self.windows.width_s)))

    def _first_change(self, series: dict[str, Floats], upto: int) -> int:
        """The first window, before `upto`, that is not as it was said before."""
        first = min(self._upto, upto)
        for name, values in series.items():
            before = self._said.get(name, np.zeros(0))[:first]
            now = values[: before.size]
            differ = np.flatnonzero(~((before == now) | (np.isnan(before) & np.isnan(now))))
            first = min(first, int(differ[0]) if differ.size else before.size)
        self._said, self._upto = {name: values[:upto].copy() for name, values in series.items()}, upto
        return first


def series_of(windows: Windows) -> dict[str, Floats]:
    """The curves of the page, one value per window: rates per second, a ratio, seconds; nan where undefined."""
    every = np.arange(windows.n, dtype=np.int64)
    outer = [edge for edge, layer in windows.layers.items() if layer == 0]
    none = np.zeros(windows.n)
    due, attempts = windows.get("due"), sum((windows.get("attempts", edge) for edge in outer), none)
    refused = sum(
        (windows.get(kind, edge) for kind in ("throttled_server", "throttled_client") for edge in windows.layers), none
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = attempts / np.where(due > 0, due, np.nan)
    return {
        "offered_per_s": due / windows.width_s,
        "attempts_per_s": np.asarray(attempts / windows.width_s),
        "goodput_per_s": windows.get("good") / windows.width_s,
        "amplification": ratio,
        "p99_s": windows.latency.quantiles(every, every + 1, [0.99])[0],
        "throttled_per_s": np.asarray(refused / windows.width_s),
    }


def _phase(phases: list[dict[str, Any]], now_s: float) -> str:
    """The name of the phase of a moment; the last one's afterwards."""
    return next((str(p["name"]) for p in phases if now_s < float(p["end_s"])), str(phases[-1]["name"]))


def _plain(values: Floats) -> list[float | None]:
    """For JSON, which has no nan: six significant digits are more than a chart shows, and half the bytes."""
    return [None if value != value else float(f"{value:.6g}") for value in values.tolist()]
