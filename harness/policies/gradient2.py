"""Gradient2: a concurrency limit from the ratio of long-term to present time, with no minimum to go stale.

Vegas trusts the best time ever seen and must distrust it at random. Gradient2 compares the present time with a slow
average instead. Times that rise above 1.5 times the average shrink the limit; otherwise it grows by a small queue's
worth, so that it always probes:

    long   <- mean of the first 10 times, then an exponential average over 600 of them
    g      = clamp(tolerance x long / rtt, 0.5, 1)
    limit  <- (1 - smoothing) x limit + smoothing x (g x limit + queue)      within [lowest, highest]
    long / rtt > 2  -> long x 0.95, so that recovery from a slow period is not itself slow
    inside < limit / 2 -> limit unchanged;  a job is admitted while fewer than floor(limit) are inside

Two weaknesses to know. It ignores drops. And anything that stays slow becomes normal: if every job takes exactly 5 s
because that is the timeout, long and present agree, g = 1, and the limit climbs to its maximum in the middle of an
outage (concurrency-limits issue 137).

Source: Netflix concurrency-limits, Gradient2Limit (initial 20, from 20 to 200, smoothing 0.2, queue 4, tolerance 1.5).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from harness.policies.entry import Entry, count, number, share
from harness.policies.server_steps import QUEUE_FULL, AdmissionSteps

_WARM_UP = 10  # results averaged plainly before the exponential average takes over


class Gradient2Spec(NamedTuple):
    """Limits and queue in jobs, `window` in results, the rest plain numbers."""

    initial: int
    lowest: int
    highest: int
    queue: float
    smoothing: float
    tolerance: float
    window: int


class Gradient2(NamedTuple):
    """The limit, the long-term time and what it is made of."""

    limit: float
    long_s: float
    warm: int  # results in the warm-up mean, at most _WARM_UP
    sum_s: float


def start(spec: Gradient2Spec, now_s: float) -> Gradient2:
    """At the initial limit, nothing seen."""
    return Gradient2(float(spec.initial), 0.0, 0, 0.0)


def admit(
    spec: Gradient2Spec, state: Gradient2, now_s: float, in_service: int, queued: int, oldest_wait_s: float, u: float
) -> tuple[Gradient2, bool]:
    """Whether fewer jobs than the whole part of the limit are inside."""
    return state, in_service + queued < int(state.limit)


def on_done(
    spec: Gradient2Spec, state: Gradient2, now_s: float, delay_s: float, service_s: float, inside: int, dropped: bool
) -> Gradient2:
    """Learn from one result that took delay_s + service_s; whether it was dropped does not matter."""
    rtt_s = delay_s + service_s
    warm, sum_s = state.warm, state.sum_s
    if warm < _WARM_UP:
        warm += 1
        sum_s += rtt_s
        long_s = sum_s / warm
    else:
        factor = 2.0 / (spec.window + 1)
        long_s = state.long_s * (1.0 - factor) + rtt_s * factor
    kept_s = long_s
    if long_s > 2.0 * rtt_s:
        kept_s = long_s * 0.95
    limit = state.limit
    if 2 * inside < limit:
        return Gradient2(limit, kept_s, warm, sum_s)
    gradient = 1.0
    if rtt_s > 0.0:
        gradient = max(0.5, min(1.0, spec.tolerance * long_s / rtt_s))
    limit = limit * (1.0 - spec.smoothing) + spec.smoothing * (limit * gradient + spec.queue)
    return Gradient2(min(max(limit, spec.lowest * 1.0), spec.highest * 1.0), kept_s, warm, sum_s)


def build(
    initial: float, lowest: float, highest: float, queue: float, smoothing: float, tolerance: float, window: float
) -> Gradient2Spec:
    """From the parameters of the catalogue."""
    return Gradient2Spec(int(initial), int(lowest), int(highest), float(queue), smoothing, tolerance, int(window))


def check(params: Mapping[str, Any]) -> str | None:
    """The initial limit must lie within the bounds."""
    if params["lowest"] <= params["initial"] <= params["highest"]:
        return None
    return (
        f"initial {params['initial']:g} is not within lowest {params['lowest']:g} and highest {params['highest']:g}; "
        "set lowest <= initial <= highest"
    )


ADMISSION = {Gradient2Spec: AdmissionSteps(start, admit, on_done, QUEUE_FULL, False)}

ENTRIES: tuple[Entry, ...] = (
    Entry(
        kind="gradient2",
        side="server",
        slot="admission",
        rule="limit <- .8 limit + .2 (g limit + queue), g = clamp(1.5 x long-term / present time, .5, 1)",
        params=(
            count("initial", 20, "limit at the start"),
            count("lowest", 20, "the limit never falls below"),
            count("highest", 200, "the limit never rises above"),
            number("queue", 4.0, "jobs the limit grows by while times are normal, before smoothing", open_=False),
            share("smoothing", 0.2, "weight of the new limit", open_=True),
            number("tolerance", 1.5, "how much slower than the long-term time is still normal", low=1.0, open_=False),
            count("window", 600, "results in the long-term average", low=10.0),
        ),
        source="Netflix concurrency-limits, Gradient2Limit",
        build=build,
        check=check,
    ),
)
