"""series.json: the curves of a run as plain arrays, one value per window, for whoever draws with other tools.

Measures are single numbers; a recovery is a curve. Reading it from the rows takes this package, so it is written down
once, beside the measures: every array has one value per window, null where a value is not defined (never zero), keyed
by component or by caller and callee where there are several. Rates are counts of their window; `window_s` turns them
into operations per second.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.analyse.drawing import Curves

SCHEMA_VERSION = 1
NAMES = (
    "offered", "goodput", "attempts", "throttled_server", "throttled_client", "amplification", "p50_s", "p95_s",
    "p99_s", "attempts_by_layer", "retries_by_layer", "outcomes", "backlog", "queue_delay_s", "served", "busy",
    "wasted_share",
)  # fmt: skip


def series(curves: Curves) -> dict[str, Any]:
    """What `series.json` holds, JSON-able."""
    found: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "window_s": curves.width_s, "t_s": _numbers(curves.t_s)}
    for name in NAMES:
        value = getattr(curves, name)
        found[name] = {who: _numbers(of) for who, of in value.items()} if isinstance(value, dict) else _numbers(value)
    return found


def _numbers(values: np.ndarray[Any, Any]) -> list[float | int | None]:
    """Seven digits are more than a window knows; whole numbers without a point."""
    known = np.isfinite(values).tolist()
    rounded = [float(f"{value:.7g}") for value in values.tolist()]
    return [(int(x) if x.is_integer() else x) if fine else None for x, fine in zip(rounded, known, strict=True)]
