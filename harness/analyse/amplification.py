"""Amplification, throttling and waste as single numbers, from the fault to the end of the load.

Retries multiply: three tries at each of two layers are nine attempts for one wish. One ratio for the whole system hides
which layer does it, and a ratio over the whole run dilutes it with the healthy start, so

    overall     attempts leaving the outermost client / operations due
    by_layer    attempts / calls, for each "caller->callee"          (a call is counted by its first try)
    end_to_end  requests that reached the table store (or the innermost server) / operations due
    peak        the highest `overall` in any rolling second

`end_to_end` is over 1 in good health when one operation needs several requests; compare it with its baseline.
Attempts that a client's own limiter held back never left, so they count as throttled at the client, not here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from harness.analyse.moments import Moments
from harness.analyse.percentiles import Floats
from harness.analyse.windows import Windows

STORE = "kv"  # what everything rests on: attempts that reach it are what an operation costs in the end


class Amplification(NamedTuple):
    """Ratios; None where nothing was due or sent."""

    overall: float | None
    peak: float | None
    by_layer: dict[str, float]
    end_to_end: float | None
    innermost: str | None  # the server `end_to_end` counts at
    attempts_peak_per_s: float | None


def outer_attempts(windows: Windows) -> Floats:
    """Attempts leaving the outermost client per window."""
    outer = (windows.get("attempts", edge) for edge, layer in windows.layers.items() if layer == 0)
    return np.asarray(sum(outer, np.zeros(windows.n)), dtype=np.float64)


def measure(windows: Windows, moments: Moments) -> Amplification:
    """All ratios over the judged time."""
    part = windows.span(moments.judged_from_s, moments.load_end_s)
    due, attempts = windows.get("due")[part], outer_attempts(windows)[part]
    per_s = min(max(1, round(1.0 / windows.width_s)), max(1, due.size))
    second = np.ones(per_s)
    due_1s, attempts_1s = (
        np.convolve(series, second, "valid") if series.size else series for series in (due, attempts)
    )
    busy = due_1s > 0
    by_layer = {}
    for edge in sorted(windows.layers, key=lambda e: (windows.layers[e], e)):
        calls = float(windows.get("first_tries", edge)[part].sum())
        if calls:
            by_layer[edge] = float(windows.get("attempts", edge)[part].sum()) / calls
    innermost = _innermost(windows)
    total = float(due.sum())
    return Amplification(
        float(attempts.sum()) / total if total else None,
        float((attempts_1s[busy] / due_1s[busy]).max()) if busy.any() else None,
        by_layer,
        float(windows.get("arrived", innermost)[part].sum()) / total if total and innermost is not None else None,
        innermost,
        float(attempts_1s.max()) / (per_s * windows.width_s) if attempts_1s.size else None,
    )


def throttled(windows: Windows, moments: Moments) -> dict[str, Any]:
    """Attempts refused on purpose: by servers (also per server), and by client-side limiters."""
    part = windows.span(moments.judged_from_s, moments.load_end_s)
    by_component: dict[str, int] = {}
    client = 0
    for edge in windows.layers:
        target = edge.partition("->")[2]
        by_component[target] = by_component.get(target, 0) + int(windows.get("throttled_server", edge)[part].sum())
        client += int(windows.get("throttled_client", edge)[part].sum())
    return {"server": sum(by_component.values()), "client": client, "by_component": dict(sorted(by_component.items()))}


def wasted_share(windows: Windows, moments: Moments) -> float | None:
    """Service time nobody waited for, divided by all service time; None when nothing was served."""
    part = windows.span(moments.judged_from_s, moments.load_end_s)
    busy_s = sum(float(windows.overlap_s("busy", name)[part].sum()) for name in windows.who("busy"))
    wasted_s = sum(float(windows.overlap_s("wasted", name)[part].sum()) for name in windows.who("wasted"))
    return min(1.0, wasted_s / busy_s) if busy_s > 0 else None


def _innermost(windows: Windows) -> str | None:
    """The table store if it recorded what it served, else the server the deepest layer of attempts goes to."""
    served = set(windows.who("arrived"))
    if STORE in served:
        return STORE
    edges = [edge for edge in windows.layers if edge.partition("->")[2] in served]
    return max(edges, key=lambda e: (windows.layers[e], e)).partition("->")[2] if edges else None
