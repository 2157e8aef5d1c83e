"""SEDA's admission control: a rate that follows the 90th percentile of the response time. Kept as a baseline.

The oldest of the adaptive rules here, and the one later papers measure against. A token bucket guards the door; a
controller looks at the tail of the response time and turns the rate down by a factor, or up by a step:

    every `results` results or `every` seconds:  p90 <- 0.7 p90 + 0.3 x (90th percentile of this batch)
    err = (p90 - target) / target
    err > 0     -> rate / decrease
    err < -0.5  -> rate + increase x (-0.1 - err)          (between the two the rate stays)

It is slow by construction: the smoothed tail of the last batch says nothing about the queue now, and a rate says
nothing about how much work is inside. Breakwater's authors saw it overshoot for over a second where credits took 20
ms.

The bucket stores a time (pacing.py), here with an interval that changes. The 90th percentile is a P-square estimate.
Source: Welsh and Culler, "Adaptive overload control for busy Internet servers", USITS 2003; constants (0.7, 40/s, 1.04,
-0.5, -0.1, burst 4, floor 2/s) from Breakwater's port, sd_config.h, where they are per client and the target is 8
service times.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from harness.policies.entry import REQUIRED, Entry, count, number, rate, seconds
from harness.policies.quantile import Quantile, add, value
from harness.policies.server_steps import THROTTLED, AdmissionSteps

_P = 0.9
_EWMA = 0.7  # weight of the past
_ERR_INCREASE = -0.5  # below this error the rate rises
_CI = -0.1  # offset on the rise


class SedaSpec(NamedTuple):
    """Rates per second, times in seconds, `decrease` a factor above 1."""

    target_s: float
    initial_per_s: float
    lowest_per_s: float
    highest_per_s: float
    increase_per_s: float
    decrease: float
    burst: int
    results: int
    every_s: float


class Seda(NamedTuple):
    """The bucket and the batch."""

    rate_per_s: float
    tat_s: float
    p90_s: float  # smoothed; inf before the first batch
    batch: Quantile
    batch_ends_s: float


def start(spec: SedaSpec, now_s: float) -> Seda:
    """A rested bucket at the initial rate."""
    none = Quantile(0, math.inf, math.inf, math.inf, math.inf, math.inf, 2.0, 3.0, 4.0)
    return Seda(spec.initial_per_s, now_s, math.inf, none, now_s + spec.every_s)


def admit(
    spec: SedaSpec, state: Seda, now_s: float, in_service: int, queued: int, oldest_wait_s: float, u: float
) -> tuple[Seda, bool]:
    """Whether the present rate allows one more."""
    rate_per_s, tat_s, p90_s, batch, batch_ends_s = state
    interval_s = 1.0 / rate_per_s
    if now_s < tat_s - (spec.burst - 1) * interval_s:
        return state, False
    return Seda(rate_per_s, max(tat_s, now_s) + interval_s, p90_s, batch, batch_ends_s), True


def on_done(
    spec: SedaSpec, state: Seda, now_s: float, delay_s: float, service_s: float, inside: int, dropped: bool
) -> Seda:
    """Add one result that took delay_s + service_s, and turn the rate at the end of a batch."""
    rate_per_s, tat_s, past_s, batch, batch_ends_s = state
    batch = add(batch, _P, delay_s + service_s)
    if batch.samples < spec.results and now_s < batch_ends_s:
        return Seda(rate_per_s, tat_s, past_s, batch, batch_ends_s)
    p90_s = value(batch, _P)
    if past_s < math.inf:
        p90_s = _EWMA * past_s + (1.0 - _EWMA) * p90_s
    err = (p90_s - spec.target_s) / spec.target_s
    if err > 0.0:
        rate_per_s /= spec.decrease
    elif err < _ERR_INCREASE:
        rate_per_s += spec.increase_per_s * (_CI - err)
    rate_per_s = min(max(rate_per_s, spec.lowest_per_s), spec.highest_per_s)
    none = Quantile(0, math.inf, math.inf, math.inf, math.inf, math.inf, 2.0, 3.0, 4.0)
    return Seda(rate_per_s, tat_s, p90_s, none, now_s + spec.every_s)


def build(
    target: float,
    initial: float,
    lowest: float,
    highest: float,
    increase: float,
    decrease: float,
    burst: float,
    results: float,
    every: float,
) -> SedaSpec:
    """From the parameters of the catalogue."""
    return SedaSpec(target, initial, lowest, highest, increase, decrease, int(burst), int(results), every)


ADMISSION = {SedaSpec: AdmissionSteps(start, admit, on_done, THROTTLED, False)}

ENTRIES: tuple[Entry, ...] = (
    Entry(
        kind="seda",
        side="server",
        slot="admission",
        rule="token bucket whose rate falls by a factor while p90 is above target, and rises while below half of it",
        params=(
            seconds("target", REQUIRED, "90th percentile of waiting and service together; about 8 service times"),
            rate("initial", 100.0, "rate at the start"),
            rate("lowest", 2.0, "the rate never falls below"),
            rate("highest", 1e6, "the rate never rises above"),
            rate("increase", 40.0, "step upward at an error of -1.1"),
            number("decrease", 1.04, "factor downward", low=1.0),
            count("burst", 4, "admissions at once after a rest"),
            count("results", 100, "results in a batch"),
            seconds("every", 1.0, "longest time between two turns of the rate"),
        ),
        source="Welsh and Culler, USITS 2003; Breakwater's sd_config.h",
        build=build,
        check=lambda params: (
            None
            if params["lowest"] <= params["initial"] <= params["highest"]
            else f"initial {params['initial']:g}/s is not within lowest {params['lowest']:g}/s and highest "
            f"{params['highest']:g}/s; set lowest <= initial <= highest"
        ),
    ),
)
