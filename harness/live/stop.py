"""Stop conditions: end a run early when a gauge stays beyond its bound.

A run that has eaten the machine measures the machine. One reading over the bound proves nothing (a collection, a busy
neighbour), so a condition fires only when every reading of the last `for_s` seconds was beyond it:

    since <- now when the reading crosses, none when it comes back;   fire when now - since >= for_s

A missing reading changes nothing: it is not evidence either way. Pure; the orchestrator feeds it from the gauges.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from harness.spec.lines import Stop


class Watch(NamedTuple):
    """Since when each condition's gauge has been beyond its bound (seconds from zero); absent while it is not."""

    since_s: dict[str, float]


def gauges_watched(readings: Mapping[tuple[str, str], float]) -> dict[str, float]:
    """The gauges a `stop_when` line may name, from the readings of one moment, {(component, gauge): value}.

    `<process>_cpu` is that process's share of one core; `backlog` is the waiting work of all components.
    """
    found = {f"{component}_cpu": value for (component, gauge), value in readings.items() if gauge == "cpu_share"}
    waiting = [value for (_, gauge), value in readings.items() if gauge.startswith("waiting_")]
    return {**found, "backlog": sum(waiting)} if waiting else found


def step(
    conditions: Mapping[str, Stop], state: Watch, now_s: float, found: Mapping[str, float]
) -> tuple[Watch, str | None]:
    """Take the watched gauges of one moment; the new state and the condition that fires, in words, or None."""
    since_s = dict(state.since_s)
    fired = None
    for gauge, stop in conditions.items():
        value = found.get(gauge)
        if value is None:
            continue
        if not stop.beyond(value):
            since_s.pop(gauge, None)
            continue
        since_s.setdefault(gauge, now_s)
        if fired is None and now_s - since_s[gauge] >= stop.for_s:
            fired = f"{gauge} {stop.text.strip()} (it was {value:.3g})"
    return Watch(since_s), fired
