"""Service times: how long an attempt keeps a slot, as a pure function of the seed and the attempt.

A generator advanced in order of service would give an attempt another time as soon as one job overtakes another, and
two variants, or two engines, would no longer meet the same luck. The time is a hash of the attempt instead.

    exponential   memoryless; the M of M/M/1
    fixed         always the mean; the D of M/D/1
    weibull       shape 2, a hump with a light tail (coefficient of variation 0.52)

Leaves out: heavy tails. Source: inversion of the distribution functions; shape 2 is that of Brooker's simulator.
"""

from __future__ import annotations

import math

from harness import seeds

DISTRIBUTIONS = ("exponential", "fixed", "weibull")
STREAM = seeds.stream_id("service")
_WEIBULL_MEAN = math.gamma(1.5)  # mean of the unit Weibull distribution of shape 2


def service_time_s(distribution: str, mean_s: float, seed: int, attempt: int) -> float:
    """Seconds of service for `attempt`, with the given mean; `distribution` is one of DISTRIBUTIONS."""
    return service_time_after(distribution, mean_s, seeds.mix(seed, STREAM), attempt)


def service_time_after(distribution: str, mean_s: float, state: int, attempt: int) -> float:
    """The same with the beginning of its draws, `mix(seed, STREAM)`, kept by who asks often."""
    if distribution == "fixed":
        return mean_s
    u = seeds.draw_after(state, attempt)
    if distribution == "exponential":
        return -mean_s * math.log(u)  # seeds.exponential, without the call
    return mean_s / _WEIBULL_MEAN * math.sqrt(-math.log(u))
