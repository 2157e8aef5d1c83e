"""Finagle's jittered backoffs: the same names as elsewhere, but not the same waits.

A configuration copied by name ("equal jitter, 5 s to 300 s") means different herds in different libraries. Finagle's
three differ from the usual ones (`backoff.py`) in ways that matter in a long outage. With s = start, c = cap, p the
previous wait, and U a uniform draw; the wait before retry 1 is always exactly s:

    decorrelated   U(p, min(c, 3p)): it never shrinks, so it creeps up to c and stays
    exponential    v = p x 2^(n-1), from the previous *drawn* wait;   v >= c: c for ever, else U(0, v)
    equal          v = min(c, s x 2^(n-2)), then v + U(0, v);   once v or the sum reaches c: c for ever

"For ever" is the point: once the cap is reached every client waits exactly c, and the jitter is gone just when the
outage is longest. Clients that failed together then come back together.

Leaves out: Finagle's rounding to nanoseconds. Source: twitter/finagle, Backoff.scala.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from harness.policies.entry import Entry, seconds

DECORRELATED: Final = 0
EXPONENTIAL: Final = 1
EQUAL: Final = 2


class FinagleBackoffSpec(NamedTuple):
    """The first wait, the cap, and which of the three growths."""

    start_s: float
    cap_s: float
    growth: int


def delay_s(spec: FinagleBackoffSpec, n: int, prev_s: float, u: float, throttled: bool) -> float:
    """Seconds before retry `n` (1, 2, ...); `prev_s` is this function's own answer for retry n - 1."""
    if n <= 1 or spec.start_s >= spec.cap_s:
        return spec.start_s
    if prev_s >= spec.cap_s:
        return spec.cap_s
    if spec.growth == DECORRELATED:
        high_s = min(spec.cap_s, 3.0 * prev_s)
        return prev_s + u * (high_s - prev_s)
    v_s = prev_s if spec.growth == EXPONENTIAL else spec.start_s
    for _ in range(n - 1 if spec.growth == EXPONENTIAL else n - 2):
        if v_s >= spec.cap_s:
            break
        v_s = v_s * 2.0
    if v_s >= spec.cap_s:
        return spec.cap_s
    if spec.growth == EXPONENTIAL:
        return u * v_s
    return min(spec.cap_s, v_s + u * v_s)


def _builder(growth: int) -> Any:
    def build(start: float, cap: float) -> FinagleBackoffSpec:
        return FinagleBackoffSpec(float(start), float(cap), growth)

    return build


def _start_under_cap(params: Mapping[str, Any]) -> str | None:
    if params["start"] > params["cap"]:
        return f"the start of {params['start']:g} s is over the cap of {params['cap']:g} s; raise cap or lower start"
    return None


def _entry(kind: str, growth: int, rule: str) -> Entry:
    return Entry(
        kind=kind,
        side="client",
        slot="backoff",
        rule=rule,
        params=(
            seconds("start", 5.0, "the wait before the first retry, without jitter"),
            seconds("cap", 300.0, "the longest wait; once reached it is constant"),
        ),
        source="twitter/finagle Backoff.scala; 5 s to 300 s is its failure-accrual probe",
        build=_builder(growth),
        check=_start_under_cap,
    )


ENTRIES = (
    _entry("finagle_decorrelated", DECORRELATED, "U(previous, min(cap, 3 x previous)): it only grows"),
    _entry("finagle_exponential", EXPONENTIAL, "U(0, previous x 2^(n-1)); constant once that reaches cap"),
    _entry("finagle_equal", EQUAL, "v + U(0, v) with v = start x 2^(n-2); constant once that reaches cap"),
)
