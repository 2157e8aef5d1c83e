"""Stretches of time as pairs of moments: found, joined over short gaps, and taken from each other.

A condition read four times a second flickers: work that waits around a line is above it, below it, above it. Twenty
stretches of a quarter of a second are one trouble to everybody who lived through it. So stretches closer than a gap are
joined, and what is shorter than a reading or two is left to the caller to leave out.

All spans are half-open [start, end), seconds from the run's zero; lists of them are in order and do not overlap.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

Span = tuple[float, float]


def where(holds: np.ndarray[Any, np.dtype[np.bool_]], width_s: float) -> list[Span]:
    """The stretches in which windows of `width_s`, the first at zero, hold."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], holds, [False]]).astype(np.int8)))
    return [(float(a * width_s), float(b * width_s)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def joined(spans: Iterable[Span], gap_s: float = 0.0) -> list[Span]:
    """The union, where what is at most `gap_s` apart becomes one."""
    found: list[Span] = []
    for start_s, end_s in sorted(spans):
        if found and start_s <= found[-1][1] + gap_s:
            found[-1] = (found[-1][0], max(found[-1][1], end_s))
        else:
            found.append((start_s, end_s))
    return found


def without(spans: Iterable[Span], holes: Iterable[Span]) -> list[Span]:
    """What is left of `spans` outside all `holes`."""
    left = list(spans)
    for from_s, to_s in holes:
        left = [
            part
            for start_s, end_s in left
            for part in ((start_s, min(end_s, from_s)), (max(start_s, to_s), end_s))
            if part[0] < part[1]
        ]
    return left


def within(spans: Iterable[Span], from_s: float, to_s: float) -> list[Span]:
    """The parts of `spans` that lie in [from, to)."""
    cut = ((max(start_s, from_s), min(end_s, to_s)) for start_s, end_s in spans)
    return [span for span in cut if span[0] < span[1]]


def length_s(spans: Sequence[Span]) -> float:
    """How long they are in all."""
    return sum((end_s - start_s for start_s, end_s in spans), 0.0)
