"""Adaptive throttling: the client refuses its own attempts in the share the backend would.

A refusal costs the server something too; a service that gets ten times its capacity can spend all of it saying no. So
each client keeps, over a sliding window, how many attempts it asked for (n) and how many the backend accepted (s), and
refuses locally with

    p = min(p_max, max(0, (n - K s) / (n + 1)) ^ (1 / aggression))

With K = 2 the backend sees at most about twice what it accepts, however much is offered: enough to notice at once when
it is well again. Two settings of the one rule:

    sre              n counts every ask, *local refusals included*; K = 2 over 2 min
    envoy_admission  n counts attempts that were sent; K = 1 / threshold; nothing below `min_rate`; p at most 0.8

Counting local refusals is what makes `sre` hold its ratio; not counting them is why Envoy needs `p_max`, without which
it could refuse everything and never learn again.

Leaves out: sharing counts between processes. Source: SRE book ch. 21; envoy admission_control filter docs.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from harness.policies import windows
from harness.policies.entry import Entry, number, rate, seconds, share

GO: Final = 0.0
REFUSED: Final = -1.0


class ThrottleSpec(NamedTuple):
    """The rule's numbers; `asked` is 1 to count asks (local refusals included), 0 to count results."""

    asked: int
    k: float
    exponent: float
    p_max: float
    n_min: float  # attempts in the window below which nothing is refused
    bucket_s: float
    buckets: int


class Throttle(NamedTuple):
    """The newest bucket's number; attempts and accepts, in all and by bucket, newest last."""

    bucket: int
    n: int
    s: int
    n_row: tuple[int, ...]
    s_row: tuple[int, ...]


def start(spec: ThrottleSpec, now_s: float) -> Throttle:
    """Nothing counted yet."""
    empty = (0,) * spec.buckets
    return Throttle(math.floor(now_s / spec.bucket_s), 0, 0, empty, empty)


def refusal_probability(spec: ThrottleSpec, state: Throttle) -> float:
    """The share of attempts refused at these counts."""
    excess = state.n - spec.k * state.s
    if excess <= 0.0 or state.n < spec.n_min:
        return 0.0
    p = excess / (state.n + 1.0)
    if spec.exponent != 1.0:
        p = math.pow(p, spec.exponent)
    return min(spec.p_max, p)


def admit(spec: ThrottleSpec, state: Throttle, now_s: float, u: float) -> tuple[Throttle, float]:
    """0.0 go now, -1.0 refused; never a wait."""
    bucket = math.floor(now_s / spec.bucket_s)
    newest, n, s, n_row, s_row = state
    if bucket > newest:
        for _ in range(min(bucket - newest, spec.buckets)):
            n -= n_row[0]
            s -= s_row[0]
            n_row = n_row[1:] + (0,)  # noqa: RUF005  # numba has no starred tuples
            s_row = s_row[1:] + (0,)  # noqa: RUF005
    else:
        bucket = newest
    excess = n - spec.k * s
    answer = GO
    if excess > 0.0 and n >= spec.n_min:
        p = excess / (n + 1.0)
        if spec.exponent != 1.0:
            p = math.pow(p, spec.exponent)
        if u < p and u < spec.p_max:
            answer = REFUSED
    if spec.asked == 1:
        n += 1
        n_row = n_row[:-1] + (n_row[-1] + 1,)  # noqa: RUF005
    return Throttle(bucket, n, s, n_row, s_row), answer


def on_result(spec: ThrottleSpec, state: Throttle, now_s: float, accepted: bool, throttled: bool) -> Throttle:
    """An attempt ended; `accepted` by the backend or not."""
    bucket = math.floor(now_s / spec.bucket_s)
    newest, n, s, n_row, s_row = state
    if bucket > newest:
        for _ in range(min(bucket - newest, spec.buckets)):
            n -= n_row[0]
            s -= s_row[0]
            n_row = n_row[1:] + (0,)  # noqa: RUF005
            s_row = s_row[1:] + (0,)  # noqa: RUF005
    else:
        bucket = newest
    if spec.asked == 0:
        n += 1
        n_row = n_row[:-1] + (n_row[-1] + 1,)  # noqa: RUF005
    if accepted:
        s += 1
        s_row = s_row[:-1] + (s_row[-1] + 1,)  # noqa: RUF005
    return Throttle(bucket, n, s, n_row, s_row)


def _sre(k: float, window: float, bucket: float) -> ThrottleSpec:
    cut = windows.buckets_of(window, bucket)
    return ThrottleSpec(1, float(k), 1.0, 1.0, 0.0, window / cut, cut)


def _envoy(
    threshold: float, aggression: float, p_max: float, min_rate: float, window: float, bucket: float
) -> ThrottleSpec:
    cut = windows.buckets_of(window, bucket)
    return ThrottleSpec(0, 1.0 / threshold, 1.0 / aggression, float(p_max), min_rate * window, window / cut, cut)


ENTRIES = (
    Entry(
        kind="sre",
        side="client",
        slot="limiter",
        rule="refuse locally with max(0, (asks - K accepts) / (asks + 1)) over the window",
        params=(
            number("k", 2.0, "asks allowed per accept", low=1.0, open_=False),
            seconds("window", 120.0, "how far back is counted"),
            seconds("bucket", 12.0, "the steps in which the window moves"),
        ),
        source="SRE book ch. 21 (client-side throttling)",
        build=_sre,
        check=windows.problem,
    ),
    Entry(
        kind="envoy_admission",
        side="client",
        slot="limiter",
        rule="refuse with min(p_max, ((n - s/threshold) / (n + 1))^(1/aggression)) above min_rate",
        params=(
            share("threshold", 0.95, "the share of successes below which refusing begins", low=0.01),
            number("aggression", 1.0, "higher refuses sooner", low=1.0, open_=False),
            share("p_max", 0.8, "the largest share refused"),
            rate("min_rate", 5.0, "attempts per second below which nothing is refused", open_=False),
            seconds("window", 120.0, "how far back is counted"),
            seconds("bucket", 12.0, "the steps in which the window moves"),
        ),
        source="envoy admission_control filter docs (example)",
        build=_envoy,
        check=windows.problem,
    ),
)
