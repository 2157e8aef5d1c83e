"""Passive ejection: take a target out of use by what real traffic shows, and probe it at growing intervals.

A health check asks a question that users do not ask. Passive ejection (Finagle's "failure accrual") watches the answers
users get. Two rules, either of which ejects:

    `failures` in a row, or the average success rate a < min_success after at least `window` of watching, where
    a <- x (1 - w) + a w,  w = exp(-elapsed / window),  x = 1 for a success, 0 for a failure

An ejected target is left alone for first, 2 x first, 4 x first, ... at most cap; after each such time one probe may go.
A good probe revives it with a clean record; a bad one doubles the time.

The steps are those of a breaker: hold one state per endpoint where the caller chooses endpoints, one per dependency
where it does not. A probe that never comes back is replaced after the same time again. Leaves out: Finagle's jitter on
the time (5 s to 300 s, equal-jittered), because a breaker's step takes no draw. Source: twitter/finagle,
FailureAccrualFactory.scala and FailureAccrualPolicy.scala.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from harness.policies.entry import Entry, count, seconds, share

ALIVE: Final = 0
EJECTED: Final = 1
PROBING: Final = 2


class EjectionSpec(NamedTuple):
    """The two rules, and the first and longest time out of use."""

    failures: int
    min_success: float
    window_s: float
    first_s: float
    cap_s: float


class Ejection(NamedTuple):
    """Phase, when a probe may go (next), the time out of use now, and the record since it was last revived."""

    phase: int
    probe_s: float
    out_s: float
    in_a_row: int
    success: float
    moved_s: float
    begun_s: float
    results: int


def start(spec: EjectionSpec, now_s: float) -> Ejection:
    """Alive with a clean record."""
    return Ejection(ALIVE, now_s, 0.0, 0, 1.0, now_s, now_s, 0)


def may_send(spec: EjectionSpec, state: Ejection, now_s: float) -> tuple[Ejection, bool]:
    """Ask for one attempt."""
    if state.phase == ALIVE:
        return state, True
    if now_s < state.probe_s:
        return state, False
    return Ejection(
        PROBING, now_s + state.out_s, state.out_s, state.in_a_row, state.success, state.moved_s, state.begun_s, 0
    ), True


def on_result(spec: EjectionSpec, state: Ejection, now_s: float, ok: bool) -> Ejection:
    """An attempt ended."""
    if state.phase == EJECTED:  # sent before it was ejected
        return state
    if state.phase == PROBING:
        if ok:
            return Ejection(ALIVE, now_s, 0.0, 0, 1.0, now_s, now_s, 0)
        out_s = min(spec.cap_s, 2.0 * state.out_s)
        return Ejection(EJECTED, now_s + out_s, out_s, state.in_a_row, state.success, state.moved_s, state.begun_s, 0)
    x = 1.0 if ok else 0.0
    w = math.exp(-max(0.0, now_s - state.moved_s) / spec.window_s)
    success = x if state.results == 0 else x * (1.0 - w) + state.success * w
    in_a_row = 0 if ok else state.in_a_row + 1
    poor = now_s - state.begun_s >= spec.window_s and success < spec.min_success
    if not ok and (in_a_row >= spec.failures or poor):
        out_s = min(spec.cap_s, spec.first_s)
        return Ejection(EJECTED, now_s + out_s, out_s, in_a_row, success, now_s, state.begun_s, 0)
    return Ejection(
        ALIVE, state.probe_s, 0.0, in_a_row, success, max(now_s, state.moved_s), state.begun_s, state.results + 1
    )


def _build(failures: float, min_success: float, window: float, first: float, cap: float) -> EjectionSpec:
    return EjectionSpec(int(failures), float(min_success), float(window), float(first), float(cap))


def _first_under_cap(params: Mapping[str, Any]) -> str | None:
    if params["first"] > params["cap"]:
        return f"first {params['first']:g} s is over the cap of {params['cap']:g} s; raise cap or lower first"
    return None


ENTRIES = (
    Entry(
        kind="passive_ejection",
        side="client",
        slot="breaker",
        rule="out of use after `failures` in a row or success < min_success; probed after first, 2 x first, ... cap",
        params=(
            count("failures", 5, "failures in a row that eject"),
            share("min_success", 0.8, "the average success rate below which it is ejected"),
            seconds("window", 30.0, "the time constant of that average, and the least time watched"),
            seconds("first", 5.0, "the first time out of use"),
            seconds("cap", 300.0, "the longest time out of use"),
        ),
        source="twitter/finagle FailureAccrualFactory.scala",
        build=_build,
        check=_first_under_cap,
    ),
)
