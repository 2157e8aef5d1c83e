"""Circuit breaker over the last N attempts: stop calling what keeps failing, then try again with care.

Without one, every caller waits a full timeout to learn what the last hundred callers learned, and the broken service
gets the full load at the moment it starts again. The breaker remembers:

    closed     all may send; the last `window` results are kept. With at least `min_calls` of them, opens when
               failures / results >= threshold
    open       nobody may send for `open_for`
    half-open  `probes` attempts may send; when all are back: failures / probes >= threshold opens again, else closes

A window of N results with threshold 1 is "N failures in a row" (`consecutive`). Over a count, an idle service's old
results never expire; over time (`breaker_window.py`) they do.

Results are kept as bits, 32 to a word, so the state stays a handful of whole numbers. Late answers to attempts sent
before it opened are ignored while open, and taken for probes when half-open. Probes that never come back are replaced
after another `open_for`. Leaves out: slow calls as failures (the caller's timeout decides). Source: resilience4j
CircuitBreaker (100 calls, 50 %, 60 s, 10 probes).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from harness.policies.entry import Entry, count, seconds, share

CLOSED: Final = 0
OPEN: Final = 1
HALF_OPEN: Final = 2
WINDOW_MAX: Final = 128  # four words of 32 bits
_LOW: Final = 0x7FFF_FFFF  # the bits that stay in a word when it moves up by one


class CountBreakerSpec(NamedTuple):
    """The rule's numbers."""

    window: int
    min_calls: int
    threshold: float
    open_s: float
    probes: int


class CountBreaker(NamedTuple):
    """Phase; when it ends (open) or began (half-open); counts; and the results, newest in the lowest bit of w0."""

    phase: int
    since_s: float
    calls: int  # results in the window; when half-open, probes back
    failures: int  # of those
    let: int  # probes sent
    w0: int
    w1: int
    w2: int
    w3: int


def start(spec: CountBreakerSpec, now_s: float) -> CountBreaker:
    """Closed, nothing known."""
    return CountBreaker(CLOSED, now_s, 0, 0, 0, 0, 0, 0, 0)


def may_send(spec: CountBreakerSpec, state: CountBreaker, now_s: float) -> tuple[CountBreaker, bool]:
    """Ask for one attempt."""
    if state.phase == CLOSED:
        return state, True
    if state.phase == OPEN:
        if now_s < state.since_s:
            return state, False
        return CountBreaker(HALF_OPEN, now_s, 0, 0, 1, 0, 0, 0, 0), True
    if state.let < spec.probes:
        return CountBreaker(HALF_OPEN, state.since_s, state.calls, state.failures, state.let + 1, 0, 0, 0, 0), True
    if now_s >= state.since_s + spec.open_s:  # probes were lost
        return CountBreaker(HALF_OPEN, now_s, 0, 0, 1, 0, 0, 0, 0), True
    return state, False


def on_result(spec: CountBreakerSpec, state: CountBreaker, now_s: float, ok: bool) -> CountBreaker:
    """An attempt ended."""
    phase, since_s, calls, failures, let, w0, w1, w2, w3 = state
    if phase == OPEN:
        return state
    bad = 0 if ok else 1
    calls += 1
    failures += bad
    if phase == HALF_OPEN:
        if calls < spec.probes:
            return CountBreaker(HALF_OPEN, since_s, calls, failures, let, 0, 0, 0, 0)
        if failures / calls >= spec.threshold:
            return CountBreaker(OPEN, now_s + spec.open_s, 0, 0, 0, 0, 0, 0, 0)
        return CountBreaker(CLOSED, now_s, 0, 0, 0, 0, 0, 0, 0)
    if calls > spec.window:  # the oldest result leaves
        oldest = spec.window - 1
        word = w0
        if oldest >= 96:
            word = w3
        elif oldest >= 64:
            word = w2
        elif oldest >= 32:
            word = w1
        calls = spec.window
        failures -= (word >> (oldest & 31)) & 1
    if calls >= spec.min_calls and failures / calls >= spec.threshold:
        return CountBreaker(OPEN, now_s + spec.open_s, 0, 0, 0, 0, 0, 0, 0)
    return CountBreaker(
        CLOSED,
        since_s,
        calls,
        failures,
        0,
        ((w0 & _LOW) << 1) | bad,
        ((w1 & _LOW) << 1) | (w0 >> 31),
        ((w2 & _LOW) << 1) | (w1 >> 31),
        ((w3 & _LOW) << 1) | (w2 >> 31),
    )


def _consecutive(failures: float, open_for: float, probes: float) -> CountBreakerSpec:
    return CountBreakerSpec(int(failures), int(failures), 1.0, float(open_for), int(probes))


def _count(window: float, min_calls: float, threshold: float, open_for: float, probes: float) -> CountBreakerSpec:
    return CountBreakerSpec(int(window), int(min_calls), float(threshold), float(open_for), int(probes))


def _can_open(params: Mapping[str, Any]) -> str | None:
    if params["min_calls"] > params["window"]:
        return (
            f"min_calls {params['min_calls']:g} is over the window of {params['window']:g} calls, so the breaker could "
            "never open; lower min_calls"
        )
    return None


ENTRIES = (
    Entry(
        kind="consecutive",
        side="client",
        slot="breaker",
        rule="opens after `failures` failures in a row; half-open lets `probes` through",
        params=(
            count("failures", 5, "failures in a row that open it", high=WINDOW_MAX),
            seconds("open_for", 5.0, "how long it stays open"),
            count("probes", 1, "attempts let through half-open"),
        ),
        source="the classic breaker; resilience4j's rule with threshold 1",
        build=_consecutive,
    ),
    Entry(
        kind="resilience4j",
        side="client",
        slot="breaker",
        rule="opens when failures / results >= threshold over the last `window` results",
        params=(
            count("window", 100, "results kept", high=WINDOW_MAX),
            count("min_calls", 100, "results needed before it may open"),
            share("threshold", 0.5, "the share of failures that opens it", low=0.01),
            seconds("open_for", 60.0, "how long it stays open"),
            count("probes", 10, "attempts let through half-open"),
        ),
        source="resilience4j CircuitBreakerConfig defaults",
        build=_count,
        check=_can_open,
    ),
)
