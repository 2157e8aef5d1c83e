"""Static admission: a bound on the line, a bound on everything inside, a rate; decided at the door, never learning.

A server that accepts all work does not serve all work. Its line grows until every job waits longer than its caller
does, and then each service is spent on a caller who has gone. A refusal costs microseconds and tells the caller the
truth at once, so refusing early is the kindest thing an overloaded server can do.

    queue         refuse when `limit` jobs wait already
    concurrency   refuse when limit + queue jobs are inside: `limit` in flight and a bounded line of `queue` more
    token_bucket  at most burst + rate x length admissions in any window, in the manner of pacing.py: a stored time,
                  never a stored level

A bound is useful only if the line it allows is shorter than the callers' patience: with capacity mu and timeout tau a
line above mu x tau serves only the dead, about half of it is safe (M/M/1 at five times its capacity: goodput 1.00 of
capacity at half, 0.48 at mu x tau, 0 at one and a half). Little's law says the same of concurrency: L = mu x W.

Leaves out: limits that move (aimd.py, vegas.py, gradient2.py, envoy_gradient.py) and rates that follow the backlog
(backlog_rate.py). A bound on the line refuses nothing while a slot is free, because then nobody waits; `limit: 0`
would refuse even then and is not allowed: use `concurrency` with `limit` at the number of slots and no queue.

Sources: the bounds are M/M/c/K of any queueing text; 1024 in flight and 1024 pending are Envoy's defaults
(circuit_breaker.proto); the rate is the generic cell rate algorithm, ITU-T I.371.
"""

from __future__ import annotations

from typing import NamedTuple

from harness.policies.entry import REQUIRED, Entry, count, rate
from harness.policies.server_steps import QUEUE_FULL, THROTTLED, AdmissionSteps


class QueueSpec(NamedTuple):
    """At most `limit` jobs wait."""

    limit: int


class ConcurrencySpec(NamedTuple):
    """At most `limit` in flight and `queue` more waiting: limit + queue inside."""

    limit: int
    queue: int


class TokenBucketSpec(NamedTuple):
    """One admission per `interval_s`, up to `burst` at once after a rest."""

    interval_s: float
    burst: int


class Stateless(NamedTuple):
    """The state of a rule that needs none."""


class TokenBucket(NamedTuple):
    """The theoretical arrival time: when the next admission is due at the exact rate (seconds)."""

    tat_s: float


def start_stateless(spec: NamedTuple, now_s: float) -> Stateless:
    """Nothing to remember."""
    return Stateless()


def queue_admit(
    spec: QueueSpec, state: Stateless, now_s: float, in_service: int, queued: int, oldest_wait_s: float, u: float
) -> tuple[Stateless, bool]:
    """Whether the line is shorter than the bound."""
    return state, queued < spec.limit


def concurrency_admit(
    spec: ConcurrencySpec, state: Stateless, now_s: float, in_service: int, queued: int, oldest_wait_s: float, u: float
) -> tuple[Stateless, bool]:
    """Whether fewer than limit + queue jobs are inside."""
    return state, in_service + queued < spec.limit + spec.queue


def bucket_start(spec: TokenBucketSpec, now_s: float) -> TokenBucket:
    """A rested bucket: a full burst is ready at `now_s`."""
    return TokenBucket(now_s)


def bucket_admit(
    spec: TokenBucketSpec,
    state: TokenBucket,
    now_s: float,
    in_service: int,
    queued: int,
    oldest_wait_s: float,
    u: float,
) -> tuple[TokenBucket, bool]:
    """Whether the rate allows one more; a refusal leaves the state as it was."""
    if now_s < state.tat_s - (spec.burst - 1) * spec.interval_s:
        return state, False
    return TokenBucket(max(state.tat_s, now_s) + spec.interval_s), True


def build_bucket(rate: float, burst: float) -> TokenBucketSpec:
    """A bucket of `rate` admissions per second with the given burst."""
    return TokenBucketSpec(1.0 / rate, int(burst))


ADMISSION = {
    QueueSpec: AdmissionSteps(start_stateless, queue_admit, None, QUEUE_FULL, False),
    ConcurrencySpec: AdmissionSteps(start_stateless, concurrency_admit, None, QUEUE_FULL, False),
    TokenBucketSpec: AdmissionSteps(bucket_start, bucket_admit, None, THROTTLED, False),
}

ENTRIES: tuple[Entry, ...] = (
    Entry(
        kind="queue",
        side="server",
        slot="admission",
        rule="refuse when `limit` jobs wait; useful only below capacity x the callers' timeout",
        params=(count("limit", REQUIRED, "jobs that may wait"),),
        source="M/M/1/K; half of capacity x timeout is safe",
        build=lambda limit: QueueSpec(int(limit)),
    ),
    Entry(
        kind="concurrency",
        side="server",
        slot="admission",
        rule="refuse when limit + queue jobs are inside, served and waiting together",
        params=(
            count("limit", 1024, "jobs in flight"),
            count("queue", 0, "jobs that may wait beyond the limit", low=0.0),
        ),
        source="Envoy circuit_breaker.proto (max_requests, max_pending_requests)",
        build=lambda limit, queue: ConcurrencySpec(int(limit), int(queue)),
    ),
    Entry(
        kind="token_bucket",
        side="server",
        slot="admission",
        rule="at most burst + rate x length admissions in any window",
        params=(
            rate("rate", REQUIRED, "admissions per second"),
            count("burst", 1, "admissions at once after a rest"),
        ),
        source="ITU-T I.371 (GCRA)",
        build=build_bucket,
    ),
)
