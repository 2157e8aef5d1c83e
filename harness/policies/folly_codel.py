"""folly's CoDel: the same standing-queue test, and then drop everything that waited too long.

RFC 8289's law drops one job, then a little more often, and hopes that senders slow down. Callers of a service do not.
folly keeps the test (was the *minimum* delay over an interval above target?) and replaces the law: while the last
interval was bad, drop every job that waited longer than twice the target.

    at the first job after an interval's end: overloaded <- (minimum delay of the interval > target); new interval
    overloaded and delay > 2 x target        -> drop

The first job of an interval is never dropped, so each interval has a sample; an idle server hears of an ended interval
at its next job only. Asked once per job leaving the line.

Leaves out: folly's atomics, which let two threads disagree about who opens the interval.
Source: folly/executors/Codel.cpp (constants 5 ms, 100 ms, slough timeout twice the target).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from harness.policies.entry import Entry, seconds
from harness.policies.server_steps import DropSteps


class FollyCodelSpec(NamedTuple):
    """Acceptable standing delay and the interval of its minimum, in seconds."""

    target_s: float
    interval_s: float


class FollyCodel(NamedTuple):
    """The interval being watched."""

    ends_s: float
    min_delay_s: float
    overloaded: bool  # by the verdict on the interval before


def start(spec: FollyCodelSpec, now_s: float) -> FollyCodel:
    """Calm; the first interval begins with the first job."""
    return FollyCodel(now_s, 0.0, False)


def on_dequeue(
    spec: FollyCodelSpec,
    state: FollyCodel,
    now_s: float,
    sojourn_s: float,
    remaining_s: float,
    service_s: float,
    queued: int,
) -> tuple[FollyCodel, bool]:
    """Whether to drop the job that leaves the line after waiting `sojourn_s`."""
    if now_s > state.ends_s:
        return FollyCodel(now_s + spec.interval_s, sojourn_s, state.min_delay_s > spec.target_s), False
    drop = state.overloaded and sojourn_s > 2.0 * spec.target_s
    return FollyCodel(state.ends_s, min(state.min_delay_s, sojourn_s), state.overloaded), drop


def build(target: float, interval: float) -> FollyCodelSpec:
    """From the parameters of the catalogue, in seconds."""
    return FollyCodelSpec(target, interval)


def check(params: Mapping[str, Any]) -> str | None:
    """An interval must be able to hold several delays above target."""
    if params["target"] < params["interval"]:
        return None
    return (
        f"target {params['target']:g} s is not below interval {params['interval']:g} s; "
        "the interval must hold several jobs above target, so make it 5 to 20 targets long"
    )


DROP = {FollyCodelSpec: DropSteps(start, None, on_dequeue)}

ENTRIES: tuple[Entry, ...] = (
    Entry(
        kind="folly_codel",
        side="server",
        slot="drop",
        rule="after an interval whose minimum delay was above target, drop what waited over 2 x target",
        params=(
            seconds("target", 0.005, "acceptable standing delay; make it several service times"),
            seconds("interval", 0.1, "over which the minimum delay is taken"),
        ),
        source="folly/executors/Codel.cpp",
        build=build,
        check=check,
    ),
)
