"""Pacing: at most `rate` events per second over any length of time, with a small burst (GCRA).

The naive token bucket stores a *level* and refills it by rate x elapsed. Rounding then breaks its own promise: after
waiting exactly the promised time it refuses again in half of all cases, and the rest of the wait can be too small to
move a float clock, which is an endless loop in virtual time. Storing a *time* has no such gap. The theoretical arrival
time (TAT) is when the next event would be due if events came exactly at the rate:

    ready_at = tat - (burst - 1) * interval;    granted if now >= ready_at, then tat = max(tat, now) + interval

so no window of length L grants more than burst + L / interval events, and a wait promised is a wait honoured.

As a client's limiter (`pace`) it delays attempts, first tries included, and never refuses one. Leaves out: fairness
between those who wait (whoever asks first after `ready_at` wins). Source: ITU-T I.371, generic cell rate algorithm.
"""

from __future__ import annotations

from typing import NamedTuple

from harness.policies.entry import REQUIRED, Entry, count, rate


class PaceSpec(NamedTuple):
    """One event per `interval_s`, and up to `burst` at once after a rest."""

    interval_s: float
    burst: int


class Pace(NamedTuple):
    """The theoretical arrival time: when the next event is due at the exact rate."""

    tat_s: float


def build(rate: float, burst: float) -> PaceSpec:
    """A pace of `rate` per second with the given burst."""
    return PaceSpec(1.0 / rate, int(burst))


def start(spec: PaceSpec, now_s: float) -> Pace:
    """A rested pace: a full burst is ready at `now_s`."""
    return Pace(now_s)


def ready_at_s(spec: PaceSpec, state: Pace) -> float:
    """The first moment at which `take` grants."""
    return state.tat_s - (spec.burst - 1) * spec.interval_s


def take(spec: PaceSpec, state: Pace, now_s: float) -> tuple[Pace, bool]:
    """Ask for one event at `now_s`; refused leaves the state as it was."""
    if now_s < state.tat_s - (spec.burst - 1) * spec.interval_s:
        return state, False
    return Pace(max(state.tat_s, now_s) + spec.interval_s), True


def admit(spec: PaceSpec, state: Pace, now_s: float, u: float) -> tuple[Pace, float]:
    """The pace as a limiter: 0.0 go now, else seconds to wait before asking again. Never refuses."""
    ready_s = state.tat_s - (spec.burst - 1) * spec.interval_s
    if now_s >= ready_s:
        return Pace(max(state.tat_s, now_s) + spec.interval_s), 0.0
    wait_s = ready_s - now_s
    while now_s + wait_s < ready_s:  # the difference rounded down: promise enough, by an ulp
        wait_s += wait_s * 2.3e-16
    return state, wait_s


def on_result(spec: PaceSpec, state: Pace, now_s: float, accepted: bool, throttled: bool) -> Pace:
    """A pace does not learn from results."""
    return state


ENTRIES = (
    Entry(
        kind="pace",
        side="client",
        slot="limiter",
        rule="at most burst + rate x length attempts in any window; the rest wait",
        params=(
            rate("rate", REQUIRED, "attempts per second, first tries included"),
            count("burst", 1, "attempts that may leave at once after a rest"),
        ),
        source="ITU-T I.371 (GCRA)",
        build=build,
    ),
)
