"""The curves of one run, one value per window, ready to be drawn or compared.

Rates are plain counts of their window. Latency and amplification need more operations than 0.25 s holds, so each of
their points looks back over the run's rolling window (at least 1 s and 200 operations due) and ends with its own
window: nothing is drawn before it happened. Where a value is not defined it is nan, never zero.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from harness.analyse.amplification import outer_attempts
from harness.analyse.evidence import Evidence
from harness.analyse.moments import Phase
from harness.analyse.percentiles import Floats
from harness.analyse.windows import Windows
from harness.spec.lines import LEAST_DUE, ROLLING_S


class Curves(NamedTuple):
    """Arrays of one length; rates per second, times in seconds from the run's zero."""

    t_s: Floats  # start of each window
    width_s: float
    offered: Floats  # operations due
    attempts: Floats  # attempts leaving the outermost client
    attempts_by_layer: dict[str, Floats]  # "caller->callee" -> attempts
    retries_by_layer: dict[str, Floats]  # "caller->callee" -> attempts that were not first tries
    goodput: Floats  # good operations by finish
    outcomes: dict[str, Floats]  # late, failed, throttled, dropped, unfinished -> operations by finish
    throttled_server: Floats
    throttled_client: Floats
    p50_s: Floats  # of good operations, by intended start; nan where too few
    p95_s: Floats
    p99_s: Floats
    backlog: dict[str, Floats]  # component -> waiting work at the end of the window, items
    queue_delay_s: dict[str, Floats]  # component -> mean wait of what began service; nan where nothing began
    served: dict[str, Floats]  # component -> requests finished
    amplification: Floats  # attempts per operation due; nan where nothing was due
    busy: dict[str, Floats]  # component -> slots busy on average (service seconds per second)
    wasted_share: dict[str, Floats]  # component -> share of busy time nobody waited for; nan where idle
    phases: tuple[Phase, ...]
    t_inject_s: float | None
    t_fault_s: float | None
    t_fix_s: float | None
    t_recovered_s: float | None
    load_end_s: float
    events: list[dict[str, Any]]  # journal entries in order of time


def draw(evidence: Evidence) -> Curves:
    """The curves of a run."""
    windows, moments = evidence.windows, evidence.moments
    due, attempts = windows.get("due"), outer_attempts(windows)
    starts, stops = _trailing(windows)
    p50_s, p95_s, p99_s = windows.latency.quantiles(starts, stops, [0.5, 0.95, 0.99], [1, 20, 100])
    upto_due, upto_attempts = (np.concatenate([[0.0], np.cumsum(series)]) for series in (due, attempts))
    edges = sorted(windows.layers, key=lambda e: (windows.layers[e], e))
    served = windows.who("arrived")
    with np.errstate(divide="ignore", invalid="ignore"):
        looked_back = upto_due[stops] - upto_due[starts]
        amplification = np.where(looked_back > 0, (upto_attempts[stops] - upto_attempts[starts]) / looked_back, np.nan)
        delay_s = {c: windows.get("queue_delay_s", c) / _or_nan(windows.get("begun", c)) for c in served}
        busy_s = {c: windows.overlap_s("busy", c) for c in served}
        wasted = {c: np.minimum(1.0, windows.overlap_s("wasted", c) / _or_nan(busy_s[c])) for c in served}
    per_s = 1.0 / windows.width_s
    return Curves(
        windows.t_s,
        windows.width_s,
        due * per_s,
        attempts * per_s,
        {edge: windows.get("attempts", edge) * per_s for edge in edges},
        {edge: (windows.get("attempts", edge) - windows.get("first_tries", edge)) * per_s for edge in edges},
        windows.get("good") * per_s,
        {kind: windows.get(kind) * per_s for kind in ("late", "failed", "throttled", "dropped", "unfinished")},
        _sum(windows, "throttled_server") * per_s,
        _sum(windows, "throttled_client") * per_s,
        p50_s,
        p95_s,
        p99_s,
        evidence.backlog.by_component,
        delay_s,
        {c: windows.get("served", c) * per_s for c in served},
        amplification,
        {c: busy_s[c] * per_s for c in served},
        wasted,
        moments.phases,
        moments.t_inject_s,
        moments.t_fault_s,
        moments.t_fix_s,
        evidence.steady.t_recovered_s,
        moments.load_end_s,
        evidence.run.journal,
    )


def _trailing(windows: Windows) -> tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, np.dtype[np.int64]]]:
    """For each window the rolling window that ends with it: at least 1 s back, and 200 due if the run has them."""
    upto = np.concatenate([[0.0], np.cumsum(windows.get("due"))])
    stops = np.arange(1, windows.n + 1)
    enough = np.searchsorted(upto, upto[stops] - LEAST_DUE, side="right") - 1
    starts = np.clip(np.minimum(stops - round(ROLLING_S / windows.width_s), enough), 0, None)
    silent = upto[stops] == upto[stops - 1]  # nothing due now: look back one second and no further
    starts[silent] = np.clip(stops[silent] - round(ROLLING_S / windows.width_s), 0, None)
    return starts, stops


def _sum(windows: Windows, name: str) -> Floats:
    return np.asarray(sum((windows.get(name, edge) for edge in windows.layers), np.zeros(windows.n)), dtype=np.float64)


def _or_nan(values: Floats) -> Floats:
    return np.where(values > 0, values, np.nan)
