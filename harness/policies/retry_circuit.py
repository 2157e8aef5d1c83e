"""Retry circuit breaker: retry freely while failures are rare, not at all when they are common.

A token budget still spends its share of retries in a hard outage. This rule spends none:

    retry only while failed attempts / first tries <= max_rate

counted since the start, as in the article's code: every failed attempt counts, retries included. That is also its
weakness: after a long good time it is slow to see an outage, and after a total outage of length D it stays shut for
9 D more at 0.1.

Leaves out: a window (see `breaker_window.py` for breakers that forget). Source: M. Brooker, "Fixing retries with token
buckets and circuit breakers" (2022-02-28) and its simulator (retry_strategy.py).
"""

from __future__ import annotations

from typing import NamedTuple

from harness.policies.entry import Entry, share


class RetryCircuitSpec(NamedTuple):
    """The largest share of failures at which retries are still sent."""

    max_rate: float


class RetryCircuit(NamedTuple):
    """First tries and failed attempts since the start."""

    calls: int
    failures: int


def start(spec: RetryCircuitSpec, now_s: float) -> RetryCircuit:
    """Nothing counted yet."""
    return RetryCircuit(0, 0)


def on_first(spec: RetryCircuitSpec, state: RetryCircuit, now_s: float) -> RetryCircuit:
    """One more call."""
    return RetryCircuit(state.calls + 1, state.failures)


def take(
    spec: RetryCircuitSpec, state: RetryCircuit, now_s: float, timed_out: bool, throttled: bool
) -> tuple[RetryCircuit, bool]:
    """Granted while the share of failures, this one included, is at most `max_rate`."""
    return state, state.calls > 0 and state.failures / state.calls <= spec.max_rate


def on_result(
    spec: RetryCircuitSpec, state: RetryCircuit, now_s: float, n: int, ok: bool, timed_out: bool, throttled: bool
) -> RetryCircuit:
    """Every failed attempt counts."""
    if ok:
        return state
    return RetryCircuit(state.calls, state.failures + 1)


def on_cancel(spec: RetryCircuitSpec, state: RetryCircuit, now_s: float, n: int, sent: bool) -> RetryCircuit:
    """An attempt without a result is not a failure."""
    return state


def _build(max_rate: float) -> RetryCircuitSpec:
    return RetryCircuitSpec(float(max_rate))


ENTRIES = (
    Entry(
        kind="retry_circuit",
        side="client",
        slot="retry_budget",
        rule="retry only while failed attempts / first tries since the start <= max_rate",
        params=(share("max_rate", 0.1, "the largest share of failures that is still retried"),),
        source="mbrooker/simulator_example retry_strategy.py",
        build=_build,
    ),
)
