"""What each component did in each phase: asked, served, refused, how long they waited, how busy it was.

A run's totals say that something was slow; this table says where. All of it is sums over the windows of a phase, so it
adds up: attempts sent to a component are those of every caller, and of what arrived each was served, refused, or was
still there when the phase ended.

Leaves out: callers (`amplification.by_layer`), and what was in vain (`wasted.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.analyse.moments import Phase
from harness.analyse.windows import Windows

_COUNTS = ("arrived", "served", "refused")


def by_component(windows: Windows, phases: Sequence[Phase], reasons: dict[str, str]) -> dict[str, Any]:
    """component -> phase -> {attempts, arrived, served, refused, queue_delay_mean_s, busy_mean}, requests and slots.

    A component that keeps no served rows has only attempts; a mean of nothing is None, with a reason
    added.
    """
    sent: dict[str, list[str]] = {}
    for edge in windows.layers:
        sent.setdefault(edge.partition("->")[2], []).append(edge)
    serving = {who for name in (*_COUNTS, "begun") for who in windows.who(name)}
    found: dict[str, Any] = {}
    for component in sorted({*sent, *serving}):
        found[component] = {}
        for phase in phases:
            part = windows.span(phase.start_s, phase.end_s)
            entry: dict[str, Any] = {
                "attempts": round(sum(windows.get("attempts", edge)[part].sum() for edge in sent.get(component, ())))
            }
            if component in serving:
                entry |= {name: round(windows.get(name, component)[part].sum()) for name in _COUNTS}
                begun = float(windows.get("begun", component)[part].sum())
                waited_s = float(windows.get("queue_delay_s", component)[part].sum())
                entry["queue_delay_mean_s"] = round(waited_s / begun, 9) if begun else None
                if not begun:
                    reasons[f"by_component.{component}.{phase.name}.queue_delay_mean_s"] = "no service began here"
                length_s = max(windows.width_s, (part.stop - part.start) * windows.width_s)
                entry["busy_mean"] = round(float(windows.overlap_s("busy", component)[part].sum()) / length_s, 9)
            found[component][phase.name] = entry
    return found
