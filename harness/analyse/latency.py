"""Latency of good operations by phase, from the intended start; failures counted beside it, never mixed in.

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
    """Collects latency and outcomes per phase of intended start."""

    def __init__(self, phases: Sequence[Phase]) -> None:
        self.phases = tuple(phases)
        self._starts_ns = np.array([round(phase.start_s * 1e9) for phase in phases], dtype=np.int64)
        self._sketch = WindowSketch()
        self._good = np.zeros(len(phases), dtype=np.int64)
        self._all = np.zeros(len(phases), dtype=np.int64)

    def feed(self, rows: Rows) -> None:
        """Count operation rows."""
        intended = rows["intended_ns"]
        inside = intended >= self._starts_ns[0]
        phase = np.searchsorted(self._starts_ns, intended, side="right") - 1
        good = (rows["outcome"] == Outcome.GOOD) & inside
        self._all += np.bincount(phase[inside], minlength=self._all.size)
        self._good += np.bincount(phase[good], minlength=self._good.size)
        self._sketch.add(phase[good], (rows["finished_ns"] - intended)[good] / 1e9)

    def report(self, reasons: dict[str, str]) -> dict[str, Any]:
        """phase -> {good, not_good, p50_s, p99_s, p999_s}; undefined values are None with a reason added."""
        found: dict[str, Any] = {}
        for i, phase in enumerate(self.phases):
            if not self._all[i]:
                continue
            entry: dict[str, Any] = {"good": int(self._good[i]), "not_good": int(self._all[i] - self._good[i])}
            for key, (share, least) in QUANTILES.items():
                here = np.array([i], dtype=np.int64)
                value = float(self._sketch.quantiles(here, here + 1, [share], least)[0, 0])
                entry[key] = None if np.isnan(value) else value
                if entry[key] is None:
                    reasons[f"latency.{phase.name}.{key}"] = (
                        f"{self._good[i]} good operations; at least {least} are needed"
                    )
            found[phase.name] = entry
        return found
