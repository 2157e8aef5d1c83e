"""Envoy's retry budget: a share of what is in flight, not of what was sent.

Counting requests says nothing about how long they take. When the server slows down, a share of the *rate* lets more and
more retries be open at once. Envoy caps the concurrency instead:

    retry only if open retries < max(min_retries, floor(share x open attempts))

where an attempt is open from its grant to its end, and a retry counts as one. Without a budget Envoy falls back to a
fixed cap of 3 open retries per cluster (`envoy_max_retries`), which is small for a busy caller and large for a quiet
one. A cap on concurrency does nothing against failures that return at once: they are never open together.

Leaves out: priorities and per-host counts; pending (queued) attempts are counted with the active ones, and a retry that
waits for its backoff is among them. Source: envoyproxy/envoy, circuit_breaker.proto and retry_state_impl.cc.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from harness.policies.entry import Entry, count, share


class EnvoyBudgetSpec(NamedTuple):
    """The share of open attempts that may be retries, and the cap that always holds."""

    ratio: float
    min_retries: int


class EnvoyBudget(NamedTuple):
    """Attempts open now, and how many of them are retries."""

    open: int
    retries: int


def start(spec: EnvoyBudgetSpec, now_s: float) -> EnvoyBudget:
    """Nothing open."""
    return EnvoyBudget(0, 0)


def on_first(spec: EnvoyBudgetSpec, state: EnvoyBudget, now_s: float) -> EnvoyBudget:
    """A first try opens."""
    return EnvoyBudget(state.open + 1, state.retries)


def take(
    spec: EnvoyBudgetSpec, state: EnvoyBudget, now_s: float, timed_out: bool, throttled: bool
) -> tuple[EnvoyBudget, bool]:
    """A retry opens if there is room."""
    if state.retries < max(spec.min_retries, math.floor(spec.ratio * state.open)):
        return EnvoyBudget(state.open + 1, state.retries + 1), True
    return state, False


def on_result(
    spec: EnvoyBudgetSpec, state: EnvoyBudget, now_s: float, n: int, ok: bool, timed_out: bool, throttled: bool
) -> EnvoyBudget:
    """Attempt `n` closes."""
    return EnvoyBudget(state.open - 1, state.retries - 1 if n > 0 else state.retries)


def on_cancel(spec: EnvoyBudgetSpec, state: EnvoyBudget, now_s: float, n: int, sent: bool) -> EnvoyBudget:
    """Attempt `n` closes, whatever became of it."""
    return EnvoyBudget(state.open - 1, state.retries - 1 if n > 0 else state.retries)


def _budget(ratio: float, min_retries: float) -> EnvoyBudgetSpec:
    return EnvoyBudgetSpec(float(ratio), int(min_retries))


def _fixed(limit: float) -> EnvoyBudgetSpec:
    return EnvoyBudgetSpec(0.0, int(limit))


ENTRIES = (
    Entry(
        kind="envoy",
        side="client",
        slot="retry_budget",
        rule="open retries < max(min_retries, ratio x open attempts)",
        params=(
            share("ratio", 0.2, "share of open attempts that may be retries"),
            count("min_retries", 3, "open retries always allowed", low=0.0),
        ),
        source="envoy circuit_breaker.proto",
        build=_budget,
    ),
    Entry(
        kind="envoy_max_retries",
        side="client",
        slot="retry_budget",
        rule="open retries < limit",
        params=(count("limit", 3, "open retries allowed"),),
        source="envoy circuit_breaker.proto (max_retries)",
        build=_fixed,
    ),
)
