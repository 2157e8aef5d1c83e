"""Circuit breaker over the last seconds: as `breaker_count.py`, but old results expire.

Counting the last N results, a service that fails now and then at night opens the breaker by morning. Counting over a
time window (a row of buckets, `windows.py`) it does not; in return a threshold on volume is needed, because one failure
out of one is 100 %.

    closed     opens when, over `window`, results >= min_calls and failures / results >= threshold
    open       nobody may send for `open_for`
    half-open  `probes` attempts may send; when all are back: failures / probes >= threshold opens again, else closes

Three shapes of it, by their defaults: Hystrix (20 in 10 s, 50 %, 5 s), Polly (100 in 30 s, 10 %, 5 s), and resilience4j
by time (100 in 60 s, 50 %, 60 s, 10 probes). The first two send one probe.

The same remarks on late answers and lost probes hold as for counts. Leaves out: Hystrix's thread pools. Source:
Hystrix HystrixCommandProperties; Polly v8 CircuitBreakerStrategyOptions; resilience4j CircuitBreakerConfig.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

from harness.policies import windows
from harness.policies.entry import Entry, count, seconds, share

CLOSED: Final = 0
OPEN: Final = 1
HALF_OPEN: Final = 2


class WindowBreakerSpec(NamedTuple):
    """The rule's numbers."""

    bucket_s: float
    buckets: int
    min_calls: int
    threshold: float
    open_s: float
    probes: int


class WindowBreaker(NamedTuple):
    """Phase; when it ends (open) or began (half-open); counts; and the rows of buckets, newest last."""

    phase: int
    since_s: float
    let: int  # probes sent
    bucket: int  # number of the newest bucket
    calls: int  # results in the window; when half-open, probes back
    failures: int  # of those
    calls_row: tuple[int, ...]
    failures_row: tuple[int, ...]


def start(spec: WindowBreakerSpec, now_s: float) -> WindowBreaker:
    """Closed, nothing known."""
    empty = (0,) * spec.buckets
    return WindowBreaker(CLOSED, now_s, 0, math.floor(now_s / spec.bucket_s), 0, 0, empty, empty)


def may_send(spec: WindowBreakerSpec, state: WindowBreaker, now_s: float) -> tuple[WindowBreaker, bool]:
    """Ask for one attempt."""
    if state.phase == CLOSED:
        return state, True
    empty = state.calls_row  # all zero while not closed
    if state.phase == OPEN:
        if now_s < state.since_s:
            return state, False
        return WindowBreaker(HALF_OPEN, now_s, 1, state.bucket, 0, 0, empty, empty), True
    if state.let < spec.probes:
        return WindowBreaker(
            HALF_OPEN, state.since_s, state.let + 1, state.bucket, state.calls, state.failures, empty, empty
        ), True
    if now_s >= state.since_s + spec.open_s:  # probes were lost
        return WindowBreaker(HALF_OPEN, now_s, 1, state.bucket, 0, 0, empty, empty), True
    return state, False


def on_result(spec: WindowBreakerSpec, state: WindowBreaker, now_s: float, ok: bool) -> WindowBreaker:
    """An attempt ended."""
    phase, since_s, let, newest, calls, failures, calls_row, failures_row = state
    if phase == OPEN:
        return state
    bad = 0 if ok else 1
    bucket = math.floor(now_s / spec.bucket_s)
    if phase == HALF_OPEN:
        calls += 1
        failures += bad
        if calls < spec.probes:
            return WindowBreaker(HALF_OPEN, since_s, let, newest, calls, failures, calls_row, failures_row)
        if failures / calls >= spec.threshold:
            return WindowBreaker(OPEN, now_s + spec.open_s, 0, bucket, 0, 0, calls_row, failures_row)
        return WindowBreaker(CLOSED, now_s, 0, bucket, 0, 0, calls_row, failures_row)
    if bucket > newest:
        for _ in range(min(bucket - newest, spec.buckets)):
            calls -= calls_row[0]
            failures -= failures_row[0]
            calls_row = calls_row[1:] + (0,)  # noqa: RUF005  # numba has no starred tuples
            failures_row = failures_row[1:] + (0,)  # noqa: RUF005
    else:
        bucket = newest
    calls += 1
    failures += bad
    if calls >= spec.min_calls and failures / calls >= spec.threshold:
        for _ in range(spec.buckets):  # forget everything
            calls_row = calls_row[1:] + (0,)  # noqa: RUF005
        return WindowBreaker(OPEN, now_s + spec.open_s, 0, bucket, 0, 0, calls_row, calls_row)
    calls_row = calls_row[:-1] + (calls_row[-1] + 1,)  # noqa: RUF005
    failures_row = failures_row[:-1] + (failures_row[-1] + bad,)  # noqa: RUF005
    return WindowBreaker(CLOSED, since_s, 0, bucket, calls, failures, calls_row, failures_row)


def _build(
    window: float, bucket: float, min_calls: float, threshold: float, open_for: float, probes: float
) -> WindowBreakerSpec:
    cut = windows.buckets_of(window, bucket)
    return WindowBreakerSpec(window / cut, cut, int(min_calls), float(threshold), float(open_for), int(probes))


def _entry(kind: str, defaults: dict[str, Any], source: str) -> Entry:
    return Entry(
        kind=kind,
        side="client",
        slot="breaker",
        rule="opens when, over `window`, results >= min_calls and failures / results >= threshold",
        params=(
            seconds("window", defaults["window"], "how far back is counted"),
            seconds("bucket", defaults["bucket"], "the steps in which the window moves"),
            count("min_calls", defaults["min_calls"], "results needed before it may open"),
            share("threshold", defaults["threshold"], "the share of failures that opens it", low=0.01),
            seconds("open_for", defaults["open_for"], "how long it stays open"),
            count("probes", defaults["probes"], "attempts let through half-open"),
        ),
        source=source,
        build=_build,
        check=windows.problem,
    )


ENTRIES = (
    _entry(
        "hystrix",
        {"window": 10.0, "bucket": 1.0, "min_calls": 20, "threshold": 0.5, "open_for": 5.0, "probes": 1},
        "Hystrix HystrixCommandProperties defaults",
    ),
    _entry(
        "polly",
        {"window": 30.0, "bucket": 3.0, "min_calls": 100, "threshold": 0.1, "open_for": 5.0, "probes": 1},
        "Polly v8 CircuitBreakerStrategyOptions defaults",
    ),
    _entry(
        "resilience4j_time",
        {"window": 60.0, "bucket": 6.0, "min_calls": 100, "threshold": 0.5, "open_for": 60.0, "probes": 10},
        "resilience4j CircuitBreakerConfig, TIME_BASED with a 60 s window",
    ),
)
