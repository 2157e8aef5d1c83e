"""Vegas: a concurrency limit from an estimate of the queue, before anything is lost.

Loss-based limits such as AIMD must hurt somebody to learn. Delay speaks earlier: if the best time ever seen is
rtt_min and a job took rtt, then of the `limit` jobs inside about limit x (1 - rtt_min / rtt) were waiting, not served.
Keep that number small, and small is relative to the size of the limit:

    step  = max(1, floor(log10 limit));   queue = ceil(limit x (1 - rtt_min / rtt))
    dropped                 -> limit - step         (whatever the use)
    2 x inside < limit      -> unchanged            (unused room proves nothing)
    queue <= step           -> limit + 6 step
    queue <  3 step         -> limit + step
    queue >  6 step         -> limit - step
    always within [1, highest];  a job is admitted while fewer than `limit` are inside

rtt_min ages: after U(0.5, 1) x 30 x limit results the next time is taken as the new rtt_min, however slow. That is the
price of adapting to a slower service, and its weakness: a probe during a standing queue takes the queue for normal.

The jitter comes from the draw of the latest job admitted, so no generator is needed.
Source: Netflix concurrency-limits, VegasLimit (initial 20, highest 1000, probe multiplier 30, no smoothing).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from harness.policies.entry import Entry, count, number
from harness.policies.server_steps import QUEUE_FULL, AdmissionSteps


class VegasSpec(NamedTuple):
    """Limits in jobs; `probe` is in results per unit of the limit."""

    initial: int
    highest: int
    probe: float


class Vegas(NamedTuple):
    """The limit, the best time and when to distrust it."""

    limit: float
    rtt_min_s: float  # inf before the first result
    results: int  # since the last probe
    jitter: float  # in (0.5, 1), of the coming probe
    u: float  # the latest draw


def start(spec: VegasSpec, now_s: float) -> Vegas:
    """At the initial limit, nothing seen."""
    return Vegas(float(spec.initial), math.inf, 0, 0.75, 0.5)


def admit(
    spec: VegasSpec, state: Vegas, now_s: float, in_service: int, queued: int, oldest_wait_s: float, u: float
) -> tuple[Vegas, bool]:
    """Whether fewer jobs than the limit are inside; remembers the draw."""
    return Vegas(state.limit, state.rtt_min_s, state.results, state.jitter, u), in_service + queued < state.limit


def on_done(
    spec: VegasSpec, state: Vegas, now_s: float, delay_s: float, service_s: float, inside: int, dropped: bool
) -> Vegas:
    """Learn from one result that took delay_s + service_s."""
    limit = state.limit
    results = state.results + 1
    rtt_s = delay_s + service_s
    if spec.probe * state.jitter * limit <= results:
        return Vegas(limit, rtt_s, 0, 0.5 + 0.5 * state.u, state.u)
    if rtt_s < state.rtt_min_s:
        return Vegas(limit, rtt_s, results, state.jitter, state.u)
    step = max(1.0, math.floor(math.log10(limit)) * 1.0)
    queue = 0.0
    if rtt_s > 0.0:
        queue = math.ceil(limit * (1.0 - state.rtt_min_s / rtt_s)) * 1.0
    if dropped:
        limit -= step
    elif 2 * inside >= limit:
        if queue <= step:
            limit += 6.0 * step
        elif queue < 3.0 * step:
            limit += step
        elif queue > 6.0 * step:
            limit -= step
    return Vegas(
        min(max(limit, 1.0), spec.highest * 1.0), state.rtt_min_s, results, state.jitter, state.u
    )


def build(initial: float, highest: float, probe: float) -> VegasSpec:
    """From the parameters of the catalogue."""
    return VegasSpec(int(initial), int(highest), probe)


def check(params: Mapping[str, Any]) -> str | None:
    """The initial limit must lie within the bounds."""
    if params["initial"] <= params["highest"]:
        return None
    return f"initial {params['initial']:g} is above highest {params['highest']:g}; set initial <= highest"


ADMISSION = {VegasSpec: AdmissionSteps(start, admit, on_done, QUEUE_FULL, True)}

ENTRIES: tuple[Entry, ...] = (
    Entry(
        kind="vegas",
        side="server",
        slot="admission",
        rule="keep the estimated queue, limit x (1 - rtt_min / rtt), between 3 and 6 times log10 of the limit",
        params=(
            count("initial", 20, "limit at the start"),
            count("highest", 1000, "the limit never rises above"),
            number("probe", 30.0, "results per unit of the limit between renewals of rtt_min"),
        ),
        source="Netflix concurrency-limits, VegasLimit",
        build=build,
        check=check,
    ),
)
