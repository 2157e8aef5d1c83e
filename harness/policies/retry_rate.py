"""Retry rate: at most so many retries per second, whatever the traffic.

A share of the traffic is the right cap for a fleet; a fixed rate is the right one for a *server's* peace: SRE's rule of
60 retries a minute for each server a process talks to. It is also how a per-process floor goes wrong: for a client that
sends 1/s, a floor of 1/s doubles the load.

    GCRA as in `pacing.py`: no window of length L holds more than burst + rate x L retries

A retry that was granted but never left moves the pace back by one. Source: SRE book, ch. 22 (per-server retry budget).
"""

from __future__ import annotations

from typing import NamedTuple

from harness.policies.entry import Entry, count, rate


class RetryRateSpec(NamedTuple):
    """One retry per `interval_s`, and up to `burst` at once."""

    interval_s: float
    burst: int


class RetryRate(NamedTuple):
    """When the next retry would be due at the exact rate."""

    tat_s: float


def start(spec: RetryRateSpec, now_s: float) -> RetryRate:
    """A full burst is ready."""
    return RetryRate(now_s)


def on_first(spec: RetryRateSpec, state: RetryRate, now_s: float) -> RetryRate:
    """First tries are not counted."""
    return state


def take(
    spec: RetryRateSpec, state: RetryRate, now_s: float, timed_out: bool, throttled: bool
) -> tuple[RetryRate, bool]:
    """Ask for one retry."""
    if now_s < state.tat_s - (spec.burst - 1) * spec.interval_s:
        return state, False
    return RetryRate(max(state.tat_s, now_s) + spec.interval_s), True


def on_result(
    spec: RetryRateSpec, state: RetryRate, now_s: float, n: int, ok: bool, timed_out: bool, throttled: bool
) -> RetryRate:
    """A rate does not learn from results."""
    return state


def on_cancel(spec: RetryRateSpec, state: RetryRate, now_s: float, n: int, sent: bool) -> RetryRate:
    """A retry that never left gives its place back."""
    if sent:
        return state
    return RetryRate(state.tat_s - spec.interval_s)


def _build(rate: float, burst: float) -> RetryRateSpec:
    return RetryRateSpec(1.0 / rate, int(burst))


ENTRIES = (
    Entry(
        kind="retry_rate",
        side="client",
        slot="retry_budget",
        rule="at most burst + rate x length retries in any window",
        params=(
            rate("rate", 1.0, "retries per second"),
            count("burst", 10, "retries that may leave at once after a rest"),
        ),
        source="SRE book ch. 22: 60 retries a minute per server",
        build=_build,
    ),
)
