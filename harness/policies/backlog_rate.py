"""Queue-size-based rate limit: let less in the more is waiting, so that the backlog is what shrinks.

A fixed rate limit is set for a healthy server. When the server slows down, or comes back to a long line, the same rate
keeps the line long: whatever capacity there is goes to new work, and old work ages. Tying the rate to the line gives
the backlog first claim on capacity, and lets go by itself when it is drained.

    share    = 1 at `low` waiting jobs or fewer, falling in a line to `lowest` at `high`
               and the same by the age of the oldest waiting job, from 1 at age 0 to `lowest` at `age`; the smaller wins
    interval = 1 / (rate x share);   the bucket is pacing.py's, with this interval for the job let in

So no window of length L lets in more than burst + rate x L jobs, and no window through which the share never exceeds s
more than 1 + s x (burst - 1 + rate x L). The share never reaches 0: each job let in pushes the next by its own
interval, and one pushed for ever would keep the server shut after the line is gone.

Leaves out: sidelining the oldest work, and lines per tenant (fair.py). Source: Amazon Builders' Library, "Avoiding
insurmountable queue backlogs"; after the outage of October 2025 AWS announced throttling by the size of the waiting
queue for its network propagation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from harness.policies.entry import REQUIRED, Entry, count, rate, seconds, share
from harness.policies.server_steps import THROTTLED, AdmissionSteps


class BacklogRateSpec(NamedTuple):
    """Nominal interval and age in seconds, `low` and `high` in waiting jobs, `lowest` a share."""

    interval_s: float
    burst: int
    low: int
    high: int
    age_s: float
    lowest: float


class BacklogRate(NamedTuple):
    """The theoretical arrival time (seconds)."""

    tat_s: float


def start(spec: BacklogRateSpec, now_s: float) -> BacklogRate:
    """A rested bucket."""
    return BacklogRate(now_s)


def admit(
    spec: BacklogRateSpec,
    state: BacklogRate,
    now_s: float,
    in_service: int,
    queued: int,
    oldest_wait_s: float,
    u: float,
) -> tuple[BacklogRate, bool]:
    """Whether the rate that belongs to this backlog allows one more."""
    if now_s < state.tat_s - (spec.burst - 1) * spec.interval_s:
        return state, False
    by_size = 1.0 - (queued - spec.low) / (spec.high - spec.low)
    by_age = 1.0 - oldest_wait_s / spec.age_s
    part = min(max(min(by_size, by_age), spec.lowest), 1.0)
    return BacklogRate(max(state.tat_s, now_s) + spec.interval_s / part), True


def build(rate: float, burst: float, low: float, high: float, age: float, lowest: float) -> BacklogRateSpec:
    """From the parameters of the catalogue."""
    return BacklogRateSpec(1.0 / rate, int(burst), int(low), int(high), age, lowest)


def check(params: Mapping[str, Any]) -> str | None:
    """The line must have room to grow between full rate and lowest rate."""
    if params["low"] < params["high"]:
        return None
    return f"low {params['low']:g} is not below high {params['high']:g}; set low < high"


ADMISSION = {BacklogRateSpec: AdmissionSteps(start, admit, None, THROTTLED, False)}

ENTRIES: tuple[Entry, ...] = (
    Entry(
        kind="backlog_rate",
        side="server",
        slot="admission",
        rule="token bucket whose rate falls as the waiting line and the age of its oldest job grow",
        params=(
            rate("rate", REQUIRED, "admissions per second with no backlog"),
            count("burst", 10, "admissions at once after a rest"),
            count("low", 0, "waiting jobs up to which the full rate holds", low=0.0),
            count("high", 100, "waiting jobs at which the lowest rate is reached"),
            seconds("age", 1.0, "age of the oldest waiting job at which the lowest rate is reached"),
            share("lowest", 0.1, "share of the rate that is left at the worst", open_=True),
        ),
        source="Amazon Builders' Library, Avoiding insurmountable queue backlogs",
        build=build,
        check=check,
    ),
)
