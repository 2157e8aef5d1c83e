"""The verdict of one run: one word of seven, and the sentence that explains it.

Goodput at the end of a run cannot tell a system that is stuck from one that is slowly getting there, nor either from
one that was simply given too much. So the word follows from facts in a fixed order, the first that fits:

    invalid       the record cannot support a verdict
    never_failed  every line held throughout
    overloaded    offered load at or over modelled capacity: recovery could not be expected
    recovered     steady after the fix, and still steady at the end
    draining      not steady, but waiting work is falling: a longer run would show recovery
    metastable    the trigger is gone, load is under capacity, goodput under half of baseline, waiting work not falling
    degraded      anything else short of steady, also when capacity is unknown

"Falling" is the Theil-Sen slope (the median of all pairwise slopes: a few odd readings do not move it) under -1 % of
the peak per second over the last third of the time since the fix, while more waits than counts as drained: among a
handful of waiting items any noise is a slope. A middling backlog wanders by more than that too, so from five seconds on
Kendall's one-sided test (trend.py) has to agree; shorter stretches are too short for it and go by the slope alone.

The facts carry no names of variants, so no name can change a verdict.
Source: the operational definition of metastability in Isaacs et al., HotOS 2025.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import numpy as np

from harness.analyse.percentiles import Floats
from harness.analyse.trend import LEAST_MEANS, rises, second_means, slope_per_s

FALLING_PER_S = -0.01  # of the peak


class Verdict(StrEnum):
    """How a run ended."""

    INVALID = "invalid"
    NEVER_FAILED = "never_failed"
    OVERLOADED = "overloaded"
    RECOVERED = "recovered"
    DRAINING = "draining"
    METASTABLE = "metastable"
    DEGRADED = "degraded"


class Facts(NamedTuple):
    """All a verdict is made of. `overloaded` is None when no capacity is modelled."""

    valid: bool
    throughout: bool
    overloaded: bool | None
    fixed: bool  # the journal holds a fix
    reached_steady: bool
    ends_steady: bool
    falling: bool
    goodput_share: float  # of the baseline's rate, over the last third since the fix; nan without a baseline


def decide(facts: Facts) -> tuple[Verdict, str]:
    """The verdict and its reason in words."""
    if not facts.valid:
        return Verdict.INVALID, "the record cannot support a verdict; see the reasons of validity"
    if facts.throughout:
        return Verdict.NEVER_FAILED, "every steady-state line held from the fault to the end of the load"
    if facts.overloaded:
        return (
            Verdict.OVERLOADED,
            "the offered load alone is at or over modelled capacity, so no recovery could be expected",
        )
    if facts.reached_steady and facts.ends_steady:
        return Verdict.RECOVERED, "every steady-state line held again after the fix, and at the end of the load"
    if facts.falling:
        return (
            Verdict.DRAINING,
            "not steady at the end, but waiting work is falling: a longer recovery phase would show where it ends",
        )
    if not facts.fixed:
        return Verdict.DEGRADED, "the lines did not hold, and nothing was fixed in this run"
    level = f"goodput is {facts.goodput_share:.0%} of baseline and waiting work is not falling"
    if facts.overloaded is None:
        return Verdict.DEGRADED, f"{level}; modelled capacity is unknown, so metastable cannot be told from overloaded"
    if facts.goodput_share < 0.5:
        return Verdict.METASTABLE, f"the fault is gone and the load is under capacity, yet {level}"
    return Verdict.DEGRADED, f"short of steady at the end: {level}"


def is_falling(t_s: Floats, waiting: Floats, peak: float, drained: float = 0.0) -> bool:
    """True when more than the `drained` level waits, and it falls by more than 1 % of its peak per second.

    `t_s` are moments alike far apart. From five seconds of them on, the fall must also be more than chance.
    """
    left = waiting.size > 0 and float(np.median(waiting)) > drained
    if not (left and peak > 0 and slope_per_s(t_s, waiting) < FALLING_PER_S * peak):
        return False
    means = second_means(waiting, float(t_s[1] - t_s[0]))  # two points at least: fewer have no slope
    return means.size < LEAST_MEANS or rises(-means)
