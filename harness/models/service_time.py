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
from collections.abc import Callable, Mapping
from math import log
from typing import Final

from harness import seeds
from harness.seeds import draw_after

STREAM = seeds.stream_id("service")
_WEIBULL_MEAN = math.gamma(1.5)  # mean of the unit Weibull distribution of shape 2


def service_time_s(distribution: str, mean_s: float, seed: int, attempt: int) -> float:
    """Seconds of service for `attempt`, with the given mean; `distribution` is one of DISTRIBUTIONS."""
    return SERVICE_TIMES[distribution](mean_s, seeds.mix(seed, STREAM), attempt)


# The same, with the beginning of the draws, `mix(seed, STREAM)`, kept by who asks often


def _exponential(mean_s: float, state: int, attempt: int) -> float:
    return -mean_s * log(draw_after(state, attempt))  # seeds.exponential, without the call


def _fixed(mean_s: float, state: int, attempt: int) -> float:
    return mean_s


def _weibull(mean_s: float, state: int, attempt: int) -> float:
    return mean_s / _WEIBULL_MEAN * math.sqrt(-log(draw_after(state, attempt)))


ServiceTime = Callable[[float, int, int], float]
SERVICE_TIMES: Final[Mapping[str, ServiceTime]] = {"exponential": _exponential, "fixed": _fixed, "weibull": _weibull}
DISTRIBUTIONS = tuple(SERVICE_TIMES)
