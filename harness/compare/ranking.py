"""Variants in the order in which a person would choose among them.

    1. the chance of recovery, higher first       (a fast recovery that may not come is no recovery)
    2. among runs that recovered, the median time to recover
    3. operations lost after the fix, median over all valid runs

A rank is an order of what was seen, not a finding: neighbours may well differ by chance, and `pairs` says which do not.
Variants without a valid run come last, unranked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from harness.analyse.expect import look_up
from harness.compare.sides import Side
from harness.units import show_s


class Rank(NamedTuple):
    """One variant's place; `rank` None without a valid run, times in seconds, None where nothing recovered."""

    rank: int | None
    variant: str
    recovered: int
    runs: int
    time_to_recover_s: float | None
    lost_after_fix: float | None


def ranking(sides: Sequence[Side]) -> list[Rank]:
    """All variants, best first."""
    found = [_seen(variant, sides) for variant in dict.fromkeys(side.variant for side in sides)]
    found.sort(key=_order)
    return [one._replace(rank=place if one.runs else None) for place, one in enumerate(found, 1)]


def sentence(ranks: Sequence[Rank]) -> str:
    """The ranking in words."""
    recovered = [one for one in ranks if one.runs and one.recovered == one.runs]
    never = [one for one in ranks if one.runs and not one.recovered]
    mixed = [one for one in ranks if 0 < one.recovered < one.runs]
    parts = []
    if recovered:
        told = ", ".join(f"{one.variant} ({show_s(one.time_to_recover_s)})" for one in recovered)
        parts.append(f"recovered in every valid run, fastest first: {told}")
    if mixed:
        parts.append(f"in some: {', '.join(f'{one.variant} ({one.recovered} of {one.runs})' for one in mixed)}")
    if never:
        parts.append(f"in none: {', '.join(one.variant for one in never)}")
    unknown = [one.variant for one in ranks if not one.runs]
    if unknown:
        parts.append(f"no valid run: {', '.join(unknown)}")
    return f"{'; '.join(parts)[:1].upper()}{'; '.join(parts)[1:]}."


def _seen(variant: str, sides: Sequence[Side]) -> Rank:
    valid = [side for side in sides if side.variant == variant and side.recovered is not None]
    times_s = [_number(side, "time_to_recover_s") for side in valid if side.recovered]
    lost = [_number(side, "goodput_deficit.recovery_ops") for side in valid]
    return Rank(None, variant, sum(bool(side.recovered) for side in valid), len(valid), _median(times_s), _median(lost))


def _order(one: Rank) -> tuple[float, float, float]:
    share = one.recovered / one.runs if one.runs else -1.0
    slow_s = math.inf if one.time_to_recover_s is None else one.time_to_recover_s
    return -share, slow_s, math.inf if one.lost_after_fix is None else one.lost_after_fix


def _number(side: Side, key: str) -> float | None:
    found = look_up(side.measures, key)[1]
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
