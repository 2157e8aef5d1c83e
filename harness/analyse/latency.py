"""Latency and outcomes by phase, in all and by story, from the intended start; failures are never mixed in.

Latency from the *actual* start forgives a stalled generator, and a percentile over successes and failures together
falls when failures are fast. So: good operations only, from the moment each was meant to start, in the phase in which
it was meant to start. A p99 of fewer than 100 operations is one operation's luck, and is not given.

Leaves out: latency of single attempts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.analyse.load_run import Rows
from harness.analyse.moments import Phase
from harness.analyse.percentiles import WindowSketch
from harness.record.layouts import Outcome

QUANTILES = {"p50_s": (0.5, 1), "p99_s": (0.99, 100), "p999_s": (0.999, 1000)}  # share, least number of operations


class PhaseLatency:
    """Collects latency and outcomes per phase of intended start; `stories` are those to be told apart."""

    def __init__(self, phases: Sequence[Phase], stories: Sequence[str] = ()) -> None:
        self.phases = tuple(phases)
        self.stories = tuple(stories)
        self._starts_ns = np.array([round(phase.start_s * 1e9) for phase in phases], dtype=np.int64)
        self._sketch = WindowSketch()  # by cell: phases, and within each the stories, then all others
        self._width = len(self.stories) + 1
        self._counts = np.zeros((len(phases), self._width, len(Outcome)), dtype=np.int64)

    def feed(self, rows: Rows, names: Sequence[str] = ()) -> None:
        """Count operation rows; `names` are the stories that their numbers stand for."""
        if rows.size == 0:
            return
        intended, outcome = rows["intended_ns"], rows["outcome"]
        inside = intended >= self._starts_ns[0]
        cell = (np.searchsorted(self._starts_ns, intended, side="right") - 1) * self._width
        cell += self._places(rows["story"], names)
        found = np.bincount(cell[inside] * len(Outcome) + outcome[inside], minlength=self._counts.size)
        self._counts += found.reshape(self._counts.shape)
        good = (outcome == Outcome.GOOD) & inside
        self._sketch.add(cell[good], (rows["finished_ns"] - intended)[good] / 1e9)

    def report(self, reasons: dict[str, str]) -> dict[str, Any]:
        """phase -> {good, not_good, p50_s, p99_s, p999_s}; undefined values are None with a reason added."""
        found: dict[str, Any] = {}
        for i, phase in enumerate(self.phases):
            counts = self._counts[i].sum(axis=0)
            if counts.sum():
                good = int(counts[Outcome.GOOD])
                key = f"latency.{phase.name}"
                found[phase.name] = {"good": good, "not_good": int(counts.sum()) - good} | self._quantiles(
                    i * self._width, (i + 1) * self._width, good, key, reasons
                )
        return found

    def by_story(self, reasons: dict[str, str], table: str = "by_story") -> dict[str, Any]:
        """story -> phase -> {due, good, late, ..., p50_s, p99_s, p999_s}; those due count by their intended start.

        `table` is the key under which reasons go.
        """
        found: dict[str, Any] = {}
        for place, story in enumerate(self.stories):
            phases: dict[str, Any] = {}
            for i, phase in enumerate(self.phases):
                counts = self._counts[i, place]
                if counts.sum():
                    cell, key = i * self._width + place, f"{table}.{story}.{phase.name}"
                    phases[phase.name] = (
                        {"due": int(counts.sum())}
                        | {outcome.name.lower(): int(counts[outcome]) for outcome in Outcome}
                        | self._quantiles(cell, cell + 1, int(counts[Outcome.GOOD]), key, reasons)
                    )
            found[story] = phases
        return found

    def _quantiles(self, first: int, stop: int, good: int, key: str, reasons: dict[str, str]) -> dict[str, Any]:
        """Of the cells [first, stop), in which `good` operations were good."""
        starts, stops = np.array([first], dtype=np.int64), np.array([stop], dtype=np.int64)
        found: dict[str, Any] = {}
        for name, (share, least) in QUANTILES.items():
            value = float(self._sketch.quantiles(starts, stops, [share], least)[0, 0])
            found[name] = None if np.isnan(value) else value
            if found[name] is None:
                reasons[f"{key}.{name}"] = f"{good} good operations; at least {least} are needed"
        return found

    def _places(self, numbers: Rows, names: Sequence[str]) -> Any:
        """Where the stories of rows stand among ours; most files have one story, which costs no array."""
        others = len(self.stories)
        places = np.array([self.stories.index(n) if n in self.stories else others for n in names] + [others])
        if int(numbers.min()) == int(numbers.max()):
            return int(places[min(int(numbers[0]), len(names))])
        return places[np.minimum(numbers, len(names))]
