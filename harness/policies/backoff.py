"""Backoff: how long to wait before a retry, and how much of that to leave to chance.

Retrying at once sends the second copy into the same trouble as the first. Waiting a *fixed* time moves the whole herd
together; doubling the wait spreads it thinner with each round but still in lockstep. What breaks the lockstep is chance
(jitter). With v = min(cap, base x multiplier^(n-1)) for retry n = 1, 2, ...

    none           v
    full           U(0, v)
    equal          v/2 + U(0, v/2)
    decorrelated   min(cap, U(base, 3 x previous wait)), where the wait before the first retry counts as base
    spread         v x U(0.8, 1.2), the rule of gRPC

`base` is the longest wait before the first retry. The AWS simulator counts from n = 1 with base x 2^n, so its base of
5 ms is 10 ms here (decorrelated excepted). Backoff delays load, it does not remove it: an open-loop source sends as
many attempts with backoff as without (see `retry_budget` for a cap).

Sources: aws-samples/aws-arch-backoff-simulator; AWS Architecture Blog, "Exponential Backoff and Jitter" (2015); gRPC
proposal A6 for `grpc`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from harness.policies.entry import REQUIRED, Entry, choice, number, seconds

JITTER_NONE: Final = 0
JITTER_FULL: Final = 1
JITTER_EQUAL: Final = 2
JITTER_DECORRELATED: Final = 3
JITTER_SPREAD: Final = 4
JITTERS: Final = ("none", "full", "equal", "decorrelated", "spread")
SPREAD_LOW: Final = 0.8  # gRPC A6: the delay is multiplied by a draw from U(0.8, 1.2)
SPREAD_WIDTH: Final = 0.4


class BackoffSpec(NamedTuple):
    """`base_s` before the first retry, `multiplier` times longer before each next, at most `cap_s`; then jitter."""

    base_s: float
    cap_s: float
    multiplier: float
    jitter: int  # one of the JITTER_ codes


NO_BACKOFF: Final = BackoffSpec(0.0, 0.0, 1.0, JITTER_NONE)


def delay_s(spec: BackoffSpec, n: int, prev_s: float, u: float, throttled: bool) -> float:
    """Seconds to wait before retry `n` (1, 2, ...), given the wait before the previous one (0 for none) and a draw."""
    if spec.jitter == JITTER_DECORRELATED:
        prev_s = prev_s if prev_s > 0.0 else spec.base_s
        return min(spec.cap_s, spec.base_s + u * (3.0 * prev_s - spec.base_s))
    wait_s = min(spec.cap_s, spec.base_s)
    for _ in range(n - 1):  # multiplied step by step: a power overflows for large n
        if wait_s >= spec.cap_s:
            break
        wait_s = min(spec.cap_s, wait_s * spec.multiplier)
    if spec.jitter == JITTER_FULL:
        return u * wait_s
    if spec.jitter == JITTER_EQUAL:
        return 0.5 * wait_s + u * (0.5 * wait_s)
    if spec.jitter == JITTER_SPREAD:
        return wait_s * (SPREAD_LOW + SPREAD_WIDTH * u)
    return wait_s


def _none() -> BackoffSpec:
    return NO_BACKOFF


def _fixed(delay: float, jitter: str) -> BackoffSpec:
    return BackoffSpec(float(delay), float(delay), 1.0, JITTERS.index(jitter))


def _exponential(base: float, cap: float, multiplier: float, jitter: str) -> BackoffSpec:
    return BackoffSpec(float(base), float(cap), float(multiplier), JITTERS.index(jitter))


def _grpc(initial: float, cap: float, multiplier: float) -> BackoffSpec:
    return BackoffSpec(float(initial), float(cap), float(multiplier), JITTER_SPREAD)


def _base_under_cap(params: Mapping[str, Any]) -> str | None:
    base = params.get("base", params.get("initial"))
    if base > params["cap"]:
        return (
            f"the first wait of {base:g} s is over the cap of {params['cap']:g} s, so jitter would never show; "
            "raise cap or lower the first wait"
        )
    return None


ENTRIES = (
    Entry(
        kind="none",
        side="client",
        slot="backoff",
        rule="retry at once",
        params=(),
        source="the baseline",
        build=_none,
    ),
    Entry(
        kind="fixed",
        side="client",
        slot="backoff",
        rule="wait the same time before every retry",
        params=(
            seconds("delay", REQUIRED, "the wait"),
            choice("jitter", "none", ("none", "full", "equal", "spread"), "how the wait is left to chance"),
        ),
        source="the baseline",
        build=_fixed,
    ),
    Entry(
        kind="exponential",
        side="client",
        slot="backoff",
        rule="v = min(cap, base x multiplier^(n-1)), then jitter: none v; full U(0,v); equal v/2+U(0,v/2); "
        "decorrelated min(cap, U(base, 3 x previous))",
        params=(
            seconds("base", 0.05, "the longest wait before the first retry"),
            seconds("cap", 2.0, "the longest wait of all"),
            number("multiplier", 2.0, "growth from one retry to the next", low=1.0, open_=False),
            choice("jitter", "full", JITTERS, "how the wait is left to chance"),
        ),
        source="aws-arch-backoff-simulator; AWS Architecture Blog 2015",
        build=_exponential,
        check=_base_under_cap,
    ),
    Entry(
        kind="grpc",
        side="client",
        slot="backoff",
        rule="min(cap, initial x multiplier^(n-1)) x U(0.8, 1.2)",
        params=(
            seconds("initial", 0.1, "the wait before the first retry"),
            seconds("cap", 1.0, "the longest wait, before jitter"),
            number("multiplier", 2.0, "growth from one retry to the next", low=1.0, open_=False),
        ),
        source="gRPC proposal A6",
        build=_grpc,
        check=_base_under_cap,
    ),
)
