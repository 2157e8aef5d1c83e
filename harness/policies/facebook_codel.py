"""Facebook's CoDel: a long queue timeout in calm times, a very short one once the line has stopped emptying.

One queue timeout cannot be right. A short one turns every burst into refusals; a long one lets a standing queue grow to
its length, and then every job served has waited all of it. The sign that tells them apart is cheap: a burst drains and
leaves the line empty now and then, a standing queue never does.

    the line was empty within the last `interval` before this job joined  -> it may wait `interval`
    it was not                                                            -> it may wait `target`
    a job that waited longer when its turn comes is dropped

Used with newest first while congested (`discipline: adaptive_lifo`) the jobs that are served are fresh, and the
timeout clears out the rest. M/M/1 with 10 ms jobs, 5/100 ms: goodput 0.99 of capacity at five times the load; but the
5 ms target is half a service time and costs 8 % at load 0.8, so make it several service times.

The timeout is fixed when the job joins, as in the source; here it is worked out when the job leaves, which is the same:
the line cannot have been empty in between, because the job was in it.
Source: Maurer, "Fail at Scale", ACM Queue 13(8), 2015 (M = 5 ms, N = 100 ms).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from harness.policies.entry import Entry, seconds
from harness.policies.server_steps import DropSteps


class FacebookCodelSpec(NamedTuple):
    """The short timeout `target_s` and the long one `interval_s`, in seconds."""

    target_s: float
    interval_s: float


class FacebookCodel(NamedTuple):
    """When nobody waited last (seconds)."""

    empty_s: float


def start(spec: FacebookCodelSpec, now_s: float) -> FacebookCodel:
    """Nobody waits."""
    return FacebookCodel(now_s)


def on_enqueue(spec: FacebookCodelSpec, state: FacebookCodel, now_s: float, queued: int) -> FacebookCodel:
    """A job joins `queued` others; the first one marks the last moment of emptiness."""
    if queued == 0:
        return FacebookCodel(now_s)
    return state


def on_dequeue(
    spec: FacebookCodelSpec,
    state: FacebookCodel,
    now_s: float,
    sojourn_s: float,
    remaining_s: float,
    service_s: float,
    queued: int,
) -> tuple[FacebookCodel, bool]:
    """Whether the job waited longer than it was allowed when it joined."""
    allowed_s = spec.interval_s
    if now_s - sojourn_s - state.empty_s > spec.interval_s:
        allowed_s = spec.target_s
    return state, sojourn_s > allowed_s


def build(target: float, interval: float) -> FacebookCodelSpec:
    """From the parameters of the catalogue, in seconds."""
    return FacebookCodelSpec(target, interval)


def check(params: Mapping[str, Any]) -> str | None:
    """The congested timeout must be the shorter one."""
    if params["target"] < params["interval"]:
        return None
    return (
        f"target {params['target']:g} s is not below interval {params['interval']:g} s; "
        "target is the timeout while congested and must be the shorter one"
    )


DROP = {FacebookCodelSpec: DropSteps(start, on_enqueue, on_dequeue)}

ENTRIES: tuple[Entry, ...] = (
    Entry(
        kind="facebook_codel",
        side="server",
        slot="drop",
        rule="a job may wait `interval`, but only `target` if the line was not empty within an interval before it",
        params=(
            seconds("target", 0.005, "queue timeout while congested; make it several service times"),
            seconds("interval", 0.1, "queue timeout while calm, and how long without an empty line is congestion"),
        ),
        source="Maurer, Fail at Scale, ACM Queue 13(8), 2015",
        build=build,
        check=check,
    ),
)
