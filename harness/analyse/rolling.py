"""Rolling windows wide enough to judge by: at least one second, and at least 200 operations due.

A rule such as "95 % good in every second" fails healthy systems when a second holds few operations: with 50 due, three
bad ones fail it. Widening each window until it holds enough operations makes the rule mean the same at any load:

    stop(i) = first j with j - i >= 1 s and due[i..j) >= 200

Windows start at every base window, so a change is seen within one of them. A window that would reach past the end of
the load does not exist.

Leaves out: weighting within a window; all its operations count alike.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.analyse.percentiles import Floats, Ints
from harness.spec.lines import LEAST_DUE, ROLLING_S


class Rolling(NamedTuple):
    """Windows [starts[i], stops[i]) in numbers of base windows; starts are 0, 1, 2, ... as far as windows exist."""

    starts: Ints
    stops: Ints
    width_s: float  # of a base window
    end: int  # base windows of load

    def sums(self, series: Floats) -> Floats:
        """The sum of a series over each rolling window."""
        upto = np.concatenate([[0.0], np.cumsum(series)])
        return np.asarray(upto[self.stops] - upto[self.starts])

    def within(self, start_s: float, end_s: float) -> Ints:
        """Which windows lie whole within [start_s, end_s)."""
        first, last = math.ceil(start_s / self.width_s - 1e-9), math.floor(end_s / self.width_s + 1e-9)
        return np.flatnonzero((self.starts >= first) & (self.stops <= last))

    def stands(self, holds: NDArray[np.bool_], for_s: float) -> NDArray[np.bool_]:
        """Per window, whether `holds` is true in it and in all that lie within `for_s` from its start."""
        n, for_n = holds.size, self.count(for_s)
        broken_upto = np.concatenate([[0], np.cumsum(~holds)])
        last = np.maximum(np.searchsorted(self.stops, self.starts + for_n, side="right"), self.starts + 1)
        return np.asarray((broken_upto[last] == broken_upto[:n]) & (self.starts + for_n <= self.end))

    def count(self, span_s: float) -> int:
        """How many base windows a span of time takes, at least one."""
        return max(1, math.ceil(span_s / self.width_s - 1e-9))


def rolling(due: Floats, width_s: float, load_end_s: float, least: int = LEAST_DUE) -> Rolling:
    """Rolling windows over base windows of `width_s` up to the end of the load."""
    end = min(due.size, math.floor(load_end_s / width_s + 1e-9))
    upto = np.concatenate([[0.0], np.cumsum(due[:end])])
    starts = np.arange(end, dtype=np.int64)
    stops = np.maximum(starts + round(ROLLING_S / width_s), np.searchsorted(upto, upto[:-1] + least))
    stops = np.maximum.accumulate(stops) if end else stops
    exist = stops <= end
    return Rolling(starts[exist], stops[exist], width_s, end)


def whole(start_s: float, end_s: float, width_s: float) -> Rolling:
    """One window that is a whole phase: the fallback when a phase is too short for rolling ones."""
    first, last = math.ceil(start_s / width_s - 1e-9), math.floor(end_s / width_s + 1e-9)
    return Rolling(np.array([first]), np.array([max(last, first)]), width_s, last)
