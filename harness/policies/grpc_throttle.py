"""gRPC's retry throttling: half a bucket of trust in each server name.

It does not price retries; it watches results. Each failure takes a whole token, each success gives a small part of one
back, and retries are allowed only while the bucket is more than half full:

    failure: tokens - 1, at least 0;   success: tokens + ratio, at most max;   retry or hedge only if tokens > max / 2

so retries stop for good once the share of failures exceeds ratio / (1 + ratio): 9.1 % with ratio 0.1. That is strict.
A service that fails 10 % of the time for ever gets no retries at all, though it could well afford them.

Tokens are counted in thousandths, as whole numbers, as gRPC does. Leaves out: the cap of 5 attempts (write it as
`attempts`), and pushback (`hints: grpc_pushback`). Source: gRPC proposal A6.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from harness.policies.entry import Entry, number

TOKEN: Final = 1000


class GrpcThrottleSpec(NamedTuple):
    """In thousandths of a token: the most that is held, and what a success gives."""

    most: int
    gain: int


class GrpcThrottle(NamedTuple):
    """Thousandths of a token at hand."""

    tokens: int


def start(spec: GrpcThrottleSpec, now_s: float) -> GrpcThrottle:
    """Full trust."""
    return GrpcThrottle(spec.most)


def on_first(spec: GrpcThrottleSpec, state: GrpcThrottle, now_s: float) -> GrpcThrottle:
    """First tries are not counted."""
    return state


def take(
    spec: GrpcThrottleSpec, state: GrpcThrottle, now_s: float, timed_out: bool, throttled: bool
) -> tuple[GrpcThrottle, bool]:
    """A retry costs nothing; it is granted while more than half the tokens are left."""
    return state, 2 * state.tokens > spec.most


def on_result(
    spec: GrpcThrottleSpec, state: GrpcThrottle, now_s: float, n: int, ok: bool, timed_out: bool, throttled: bool
) -> GrpcThrottle:
    """Every attempt that succeeds or fails moves the bucket, retries included."""
    if ok:
        return GrpcThrottle(min(spec.most, state.tokens + spec.gain))
    return GrpcThrottle(max(0, state.tokens - TOKEN))


def on_cancel(spec: GrpcThrottleSpec, state: GrpcThrottle, now_s: float, n: int, sent: bool) -> GrpcThrottle:
    """An attempt without a result says nothing about the server."""
    return state


def _build(max_tokens: float, ratio: float) -> GrpcThrottleSpec:
    return GrpcThrottleSpec(round(max_tokens * TOKEN), round(ratio * TOKEN))


def _ratio_counts(params: Mapping[str, Any]) -> str | None:
    if round(params["ratio"] * TOKEN) == 0:
        return f"ratio {params['ratio']:g} is below half a thousandth and would count as 0; gRPC keeps three decimals"
    return None


ENTRIES = (
    Entry(
        kind="grpc_throttling",
        side="client",
        slot="retry_budget",
        rule="failure -1 token, success + ratio, at most max_tokens; retry only above max_tokens / 2",
        params=(
            number("max_tokens", 10.0, "the bucket; also the start", high=1000.0),
            number("ratio", 0.1, "tokens a success gives"),
        ),
        source="gRPC proposal A6 (its example)",
        build=_build,
        check=_ratio_counts,
    ),
)
