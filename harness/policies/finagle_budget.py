"""Finagle's retry budget: a share of recent requests, plus a floor per second.

A bucket that keeps its deposits for ever lets a quiet night pay for a bad morning. Here deposits expire after `ttl`
(a leaky bucket). Clients with little traffic would then hardly ever retry, so there is a reserve besides:

    deposit 1000 per first try;  a retry withdraws 1000 / share;  granted if reserve + deposits - withdrawals >= it,
    all over the last `ttl` in ten buckets;  reserve = min_per_s x ttl x (1000 / share)

so a client may send share x requests + min_per_s x ttl retries in any ttl. The floor is per *process*: at the default
of 10/s, a fleet of clients that each send 10/s doubles its load in an outage, budget or not. (Linkerd and tower copy
the shape.) Whole numbers throughout, as in the source. Withdrawals expire as deposits do.

Leaves out: Finagle's buckets begin at the first event after the last one ended; here they lie on a fixed grid.
Source: twitter/finagle, RetryBudget.scala, and util's TokenBucket.newLeakyBucket.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from harness.policies.entry import Entry, rate, seconds, share

BUCKETS: Final = 10
DEPOSIT: Final = 1000


class FinagleBudgetSpec(NamedTuple):
    """The length of a bucket, the reserve, and what a first try deposits and a retry withdraws."""

    bucket_s: float
    reserve: int
    deposit: int
    withdraw: int


class FinagleBudget(NamedTuple):
    """The newest bucket's number, the sum, and the row of buckets, newest last."""

    bucket: int
    total: int
    row: tuple[int, ...]


def start(spec: FinagleBudgetSpec, now_s: float) -> FinagleBudget:
    """Nothing deposited; the reserve is there."""
    return FinagleBudget(math.floor(now_s / spec.bucket_s), 0, (0,) * BUCKETS)


def on_first(spec: FinagleBudgetSpec, state: FinagleBudget, now_s: float) -> FinagleBudget:
    """A first try deposits."""
    bucket = math.floor(now_s / spec.bucket_s)
    total = state.total
    row = state.row
    if bucket > state.bucket:
        for _ in range(min(bucket - state.bucket, BUCKETS)):
            total -= row[0]
            row = row[1:] + (0,)  # noqa: RUF005  # numba has no starred tuples
    else:
        bucket = state.bucket
    row = row[:-1] + (row[-1] + spec.deposit,)  # noqa: RUF005
    return FinagleBudget(bucket, total + spec.deposit, row)


def take(
    spec: FinagleBudgetSpec, state: FinagleBudget, now_s: float, timed_out: bool, throttled: bool
) -> tuple[FinagleBudget, bool]:
    """Ask for one retry."""
    bucket = math.floor(now_s / spec.bucket_s)
    total = state.total
    row = state.row
    if bucket > state.bucket:
        for _ in range(min(bucket - state.bucket, BUCKETS)):
            total -= row[0]
            row = row[1:] + (0,)  # noqa: RUF005
    else:
        bucket = state.bucket
    granted = spec.withdraw > 0 and spec.reserve + total >= spec.withdraw
    if granted:
        total -= spec.withdraw
        row = row[:-1] + (row[-1] - spec.withdraw,)  # noqa: RUF005
    return FinagleBudget(bucket, total, row), granted


def on_result(
    spec: FinagleBudgetSpec, state: FinagleBudget, now_s: float, n: int, ok: bool, timed_out: bool, throttled: bool
) -> FinagleBudget:
    """This budget does not learn from results."""
    return state


def on_cancel(spec: FinagleBudgetSpec, state: FinagleBudget, now_s: float, n: int, sent: bool) -> FinagleBudget:
    """A retry that never left is not paid back; its withdrawal expires."""
    return state


def _build(ttl: float, min_rate: float, ratio: float) -> FinagleBudgetSpec:
    deposit = DEPOSIT if ratio > 0 else 0
    withdraw = int(DEPOSIT / ratio) if ratio > 0 else (1 if min_rate > 0 else 0)
    return FinagleBudgetSpec(ttl / BUCKETS, round(min_rate * ttl) * withdraw, deposit, withdraw)


ENTRIES = (
    Entry(
        kind="finagle",
        side="client",
        slot="retry_budget",
        rule="over the last ttl: retries <= ratio x first tries + min_rate x ttl",
        params=(
            seconds("ttl", 10.0, "how long a deposit lasts", low=1.0, open_=False),
            rate("min_rate", 10.0, "retries per second allowed to any process", open_=False),
            share("ratio", 0.2, "retries per first try", high=1000.0),
        ),
        source="twitter/finagle RetryBudget.scala",
        build=_build,
    ),
)
