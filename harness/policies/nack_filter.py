"""Finagle's NACK filter: stop sending part of the load to a backend that says "not now".

A NACK (an explicit refusal) is the one failure that says the backend is alive and overloaded. The filter keeps a moving
average `a` of "was not a NACK", by time, and below the accept threshold drops attempts in proportion:

    a <- x (1 - w) + a w,  w = exp(-elapsed / window),  x = 0 for a NACK, else 1
    if a < threshold: drop with min(0.75, 1 - a / threshold)

The cap of 0.75 keeps a trickle flowing, without which it would never learn that the backend is well again. Below 5
attempts in the last second a NACK counts as an accept, so a quiet client is never judged by a handful.

Other failures (timeouts, errors) count as accepts: they are a breaker's business. Leaves out: counting per endpoint.
Source: twitter/finagle, NackAdmissionFilter.scala and util/Ema.scala.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from harness.policies.entry import Entry, rate, seconds, share

BUCKETS: Final = 10  # the attempt rate is counted over one second, in tenths
BUCKET_S: Final = 0.1
GO: Final = 0.0
REFUSED: Final = -1.0


class NackSpec(NamedTuple):
    """The averaging window, the accept threshold, the largest share dropped, and the rate below which nothing is."""

    window_s: float
    threshold: float
    p_max: float
    rate_min: float


class Nack(NamedTuple):
    """The average and when it was last moved; attempts of the last second by tenths, newest last, and their sum."""

    accepts: float
    moved_s: float
    bucket: int
    total: int
    row: tuple[int, ...]


def start(spec: NackSpec, now_s: float) -> Nack:
    """Full trust."""
    return Nack(1.0, now_s, math.floor(now_s / BUCKET_S), 0, (0,) * BUCKETS)


def admit(spec: NackSpec, state: Nack, now_s: float, u: float) -> tuple[Nack, float]:
    """0.0 go now, -1.0 refused; never a wait."""
    bucket = math.floor(now_s / BUCKET_S)
    accepts, moved_s, newest, total, row = state
    if bucket > newest:
        for _ in range(min(bucket - newest, BUCKETS)):
            total -= row[0]
            row = row[1:] + (0,)  # noqa: RUF005  # numba has no starred tuples
    else:
        bucket = newest
    total += 1
    row = row[:-1] + (row[-1] + 1,)  # noqa: RUF005
    answer = GO
    if total >= spec.rate_min and u < spec.p_max and u < 1.0 - accepts / spec.threshold:
        answer = REFUSED  # above the threshold the share is negative, and no draw is below it
    return Nack(accepts, moved_s, bucket, total, row), answer


def on_result(spec: NackSpec, state: Nack, now_s: float, accepted: bool, throttled: bool) -> Nack:
    """Move the average: down for a NACK at a sufficient rate, up for anything else."""
    bucket = math.floor(now_s / BUCKET_S)
    accepts, moved_s, newest, total, row = state
    if bucket > newest:
        for _ in range(min(bucket - newest, BUCKETS)):
            total -= row[0]
            row = row[1:] + (0,)  # noqa: RUF005
    else:
        bucket = newest
    x = 0.0 if throttled and total >= spec.rate_min else 1.0
    if now_s > moved_s:
        w = math.exp(-(now_s - moved_s) / spec.window_s)
        accepts = x * (1.0 - w) + accepts * w
        moved_s = now_s
    return Nack(accepts, moved_s, bucket, total, row)


def _build(window: float, threshold: float, p_max: float, min_rate: float) -> NackSpec:
    return NackSpec(float(window), float(threshold), float(p_max), float(min_rate))


ENTRIES = (
    Entry(
        kind="nack_filter",
        side="client",
        slot="limiter",
        rule="average of non-refusals a; below threshold, drop with min(p_max, 1 - a/threshold)",
        params=(
            seconds("window", 120.0, "the time constant of the average"),
            share("threshold", 0.5, "the accept share below which attempts are dropped", low=0.01, high=0.99),
            share("p_max", 0.75, "the largest share dropped"),
            rate("min_rate", 5.0, "attempts in the last second below which nothing is judged", open_=False),
        ),
        source="twitter/finagle NackAdmissionFilter.scala",
        build=_build,
    ),
)
