"""AIMD: a concurrency limit that creeps up while it is used and falls by a tenth at the first sign of trouble.

A fixed limit is right for one machine on one day. The additive-increase, multiplicative-decrease law of TCP finds one
by itself: it probes upward by one as long as results are good, and gives back a share of the limit when they are not.

    dropped, or took longer than `timeout`   -> limit = floor(backoff x limit)
    else if at least half the limit was used -> limit + 1
    always within [lowest, highest];  a job is admitted while fewer than `limit` are inside

It sees nothing until work is lost, so its steady state is a saw-tooth on the edge of trouble, and the timeout must be
shorter than the callers' own. An idle server does not raise its limit: unused room proves nothing.

A result's time is its whole time here, waiting and service. `dropped` covers jobs dropped from the line, given up by
their caller, or finished after a deadline that came with them.
Source: Netflix concurrency-limits, AIMDLimit (initial 20, from 20 to 200, backoff 0.9, timeout 5 s).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from harness.policies.entry import Entry, count, seconds, share
from harness.policies.server_steps import QUEUE_FULL, AdmissionSteps


class AimdSpec(NamedTuple):
    """Bounds in jobs, `backoff` as a factor below 1, `timeout_s` in seconds."""

    initial: int
    lowest: int
    highest: int
    backoff: float
    timeout_s: float


class Aimd(NamedTuple):
    """The limit in force."""

    limit: int


def start(spec: AimdSpec, now_s: float) -> Aimd:
    """At the initial limit."""
    return Aimd(spec.initial)


def admit(
    spec: AimdSpec, state: Aimd, now_s: float, in_service: int, queued: int, oldest_wait_s: float, u: float
) -> tuple[Aimd, bool]:
    """Whether fewer jobs than the limit are inside."""
    return state, in_service + queued < state.limit


def on_done(
    spec: AimdSpec, state: Aimd, now_s: float, delay_s: float, service_s: float, inside: int, dropped: bool
) -> Aimd:
    """Learn from one result."""
    limit = state.limit
    if dropped or delay_s + service_s > spec.timeout_s:
        limit = int(limit * spec.backoff)
    elif 2 * inside >= limit:
        limit += 1
    return Aimd(min(max(limit, spec.lowest), spec.highest))


def build(initial: float, lowest: float, highest: float, backoff: float, timeout: float) -> AimdSpec:
    """From the parameters of the catalogue."""
    return AimdSpec(int(initial), int(lowest), int(highest), backoff, timeout)


def check(params: Mapping[str, Any]) -> str | None:
    """The initial limit must lie within the bounds."""
    if params["lowest"] <= params["initial"] <= params["highest"]:
        return None
    return (
        f"initial {params['initial']:g} is not within lowest {params['lowest']:g} and highest {params['highest']:g}; "
        "set lowest <= initial <= highest"
    )


ADMISSION = {AimdSpec: AdmissionSteps(start, admit, on_done, QUEUE_FULL, False)}

ENTRIES: tuple[Entry, ...] = (
    Entry(
        kind="aimd",
        side="server",
        slot="admission",
        rule="limit + 1 while good and half used; x backoff on a drop or a result slower than timeout",
        params=(
            count("initial", 20, "limit at the start"),
            count("lowest", 20, "the limit never falls below"),
            count("highest", 200, "the limit never rises above"),
            share("backoff", 0.9, "factor on a bad result", low=0.5, high=0.999),
            seconds("timeout", 5.0, "a result slower than this is bad; shorter than the callers' own timeout"),
        ),
        source="Netflix concurrency-limits, AIMDLimit",
        build=build,
        check=check,
    ),
)
