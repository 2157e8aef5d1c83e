"""The retry quota of the AWS SDKs: a bucket that does not refill with time.

Time refills forgive an outage while it goes on: a bucket that gets 10 tokens a second allows retries for ever. This
quota learns only from success. It starts at 500; a retry takes its cost; then

    success on the first try gives 1;   success after retries gives back what the last retry took;   failure gives 0

so in a hard outage a process may send floor(500 / cost) retries in all, then none until something works. What a retry
costs is the difference between generations:

    botocore_143   5, or 10 after a timeout      100 retries in a hard outage (50 if they are timeouts)
    botocore       14, or 5 after throttling     35 (100 if they are throttled): being refused is cheap to repeat

With failure share p and n calls, load settles at 1 + (1-p)/(cost x p) + 500/(cost x p x n).

Leaves out: the exact price of a retry that was granted but never left, of which the lowest price is given back. Source:
botocore 1.40.0 `retries/quota.py` and `standard.py`; botocore 1.44.5; AWS developer blog, November 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from harness.policies.entry import Entry, count

CAPACITY: Final = 500
NO_RETRY_GAIN: Final = 1


class QuotaSpec(NamedTuple):
    """The capacity, and what a retry costs after a plain failure, a timeout, and a throttling answer."""

    capacity: int
    cost: int
    timeout_cost: int
    throttled_cost: int


class Quota(NamedTuple):
    """What is left."""

    left: int


def start(spec: QuotaSpec, now_s: float) -> Quota:
    """A full quota."""
    return Quota(spec.capacity)


def on_first(spec: QuotaSpec, state: Quota, now_s: float) -> Quota:
    """First tries neither take nor give."""
    return state


def take(spec: QuotaSpec, state: Quota, now_s: float, timed_out: bool, throttled: bool) -> tuple[Quota, bool]:
    """Ask for a retry of a failure of the given sort."""
    cost = spec.throttled_cost if throttled else (spec.timeout_cost if timed_out else spec.cost)
    if state.left < cost:
        return state, False
    return Quota(state.left - cost), True


def on_result(spec: QuotaSpec, state: Quota, now_s: float, n: int, ok: bool, timed_out: bool, throttled: bool) -> Quota:
    """Success gives back; with `ok`, the flags say which price the last retry paid."""
    if not ok:
        return state
    gain = spec.throttled_cost if throttled else (spec.timeout_cost if timed_out else spec.cost)
    if n == 0:
        gain = NO_RETRY_GAIN
    return Quota(min(spec.capacity, state.left + gain))


def on_cancel(spec: QuotaSpec, state: Quota, now_s: float, n: int, sent: bool) -> Quota:
    """A retry that never left gives back the lowest price, never more than it took."""
    if sent:
        return state
    return Quota(min(spec.capacity, state.left + min(spec.cost, min(spec.timeout_cost, spec.throttled_cost))))


def _to_143(capacity: float, cost: float, timeout_cost: float) -> QuotaSpec:
    return QuotaSpec(int(capacity), int(cost), int(timeout_cost), int(cost))


def _from_144(capacity: float, cost: float, throttled_cost: float) -> QuotaSpec:
    return QuotaSpec(int(capacity), int(cost), int(cost), int(throttled_cost))


def _affordable(params: Mapping[str, Any]) -> str | None:
    for name in ("cost", "timeout_cost", "throttled_cost"):
        if name in params and params[name] > params["capacity"]:
            return (
                f"{name} {params[name]:g} is over the capacity of {params['capacity']:g}, so no retry could ever be "
                "paid; lower it or raise capacity"
            )
    return None


_CAPACITY = count("capacity", CAPACITY, "the quota when full; also the start")
ENTRIES = (
    Entry(
        kind="botocore_143",
        side="client",
        slot="retry_budget",
        rule="quota 500; a retry takes 5, or 10 after a timeout; success gives 1, or what the last retry took",
        params=(
            _CAPACITY,
            count("cost", 5, "what a retry takes"),
            count("timeout_cost", 10, "what a retry of a timeout takes"),
        ),
        source="botocore 1.40.0 (to 1.43)",
        build=_to_143,
        check=_affordable,
    ),
    Entry(
        kind="botocore",
        side="client",
        slot="retry_budget",
        rule="quota 500; a retry takes 14, or 5 after throttling; success gives 1, or what the last retry took",
        params=(
            _CAPACITY,
            count("cost", 14, "what a retry takes"),
            count("throttled_cost", 5, "what a retry after throttling takes"),
        ),
        source="botocore 1.44.5",
        build=_from_144,
        check=_affordable,
    ),
)
