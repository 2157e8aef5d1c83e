"""Percentiles that can be merged: a histogram with logarithmic buckets, and one of them per window.

Percentiles of percentiles are wrong: the p99 of a minute is not the mean of sixty p99s, and two load workers cannot
send each other theirs. Counts in fixed buckets do add up, across chunks, workers and windows. The buckets grow by a
constant factor, so the error is relative and the same everywhere:

    bucket(v) = floor(ln(v / LOW_S) / ln GROWTH)        value(b) = LOW_S * GROWTH^(b + 1/2)

With GROWTH = 1.001 a value comes back within 0.05 %: three significant digits from 1 us to 10,000 s. The quantile q of
n values is the ceil(q n)-th smallest (nearest rank), and is never reported outside what was really observed.

Leaves out: values under 1 us (counted as 1 us) and negative ones, which callers must not pass.
Source: the bucket rule of DDSketch (Masson, Rim and Lee, VLDB 2019), without its collapsing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LOW_S = 1e-6
HIGH_S = 1e4
GROWTH = 1.001
_LOG_GROWTH = math.log(GROWTH)
BUCKETS = math.ceil(math.log(HIGH_S / LOW_S) / _LOG_GROWTH)
_DENSE = 8  # a table of so many cells a value costs less than sorting the values
_MERGE_KEYS = 1 << 21  # pending keys of a windowed sketch before they are folded: bounds memory at a few tens of MB


def bucket_of(values_s: NDArray[Any]) -> Ints:
    """Bucket numbers of values in seconds."""
    logs = np.log(np.clip(np.asarray(values_s, dtype=np.float64), LOW_S, HIGH_S * (1 - 1e-9)) / LOW_S)
    return np.asarray(logs / _LOG_GROWTH, dtype=np.int64)


def value_of(bucket: NDArray[Any] | int) -> Floats:
    """The middle (in logarithm) of buckets, in seconds."""
    return np.asarray(LOW_S * np.exp((np.asarray(bucket, dtype=np.float64) + 0.5) * _LOG_GROWTH))


def _counted(window: Ints, bucket: Ints) -> tuple[Ints, Ints]:
    """The keys window x BUCKETS + bucket that occur, in order, and how often; sorting is only for sparse ones."""
    first, lowest = int(window.min()), int(bucket.min())
    width = int(bucket.max()) - lowest + 1
    cells = (int(window.max()) - first + 1) * width
    if cells > _DENSE * window.size:
        keys, counts = np.unique(window * BUCKETS + bucket, return_counts=True)
        return keys, counts.astype(np.int64)
    table = np.bincount((window - first) * width + (bucket - lowest), minlength=cells)
    found = np.flatnonzero(table)
    return (found // width + first) * BUCKETS + found % width + lowest, table[found]


class Sketch:
    """The distribution of any number of durations in seconds, in constant space."""

    def __init__(self) -> None:
        self.counts: Ints = np.zeros(BUCKETS, dtype=np.int64)
        self.n = 0
        self.least_s = math.inf
        self.most_s = -math.inf

    def add(self, values_s: NDArray[Any]) -> None:
        """Count more values."""
        if values_s.size == 0:
            return
        self.counts += np.bincount(bucket_of(values_s), minlength=BUCKETS)
        self.n += int(values_s.size)
        self.least_s = min(self.least_s, float(values_s.min()))
        self.most_s = max(self.most_s, float(values_s.max()))

    def merge(self, other: Sketch) -> None:
        """Take over the counts of another sketch; the order of merging does not matter."""
        self.counts += other.counts
        self.n += other.n
        self.least_s = min(self.least_s, other.least_s)
        self.most_s = max(self.most_s, other.most_s)

    def quantile(self, q: float) -> float:
        """The ceil(q n)-th smallest value in seconds, within 0.05 %; nan when nothing was counted."""
        if self.n == 0:
            return math.nan
        rank = max(1, math.ceil(q * self.n - 1e-9))
        bucket = int(np.searchsorted(np.cumsum(self.counts), rank))
        return min(max(float(value_of(bucket)), self.least_s), self.most_s)


class WindowSketch:
    """One sparse histogram per window, so that any run of windows can be asked for its quantiles."""

    def __init__(self) -> None:
        self._keys: list[Ints] = []
        self._counts: list[Ints] = []
        self._pending = 0
        self._most: Floats = np.full(0, -np.inf)

    def add(self, window: NDArray[Any], values_s: NDArray[Any]) -> None:
        """Count values (seconds) into windows (numbers from 0)."""
        if values_s.size == 0:
            return
        keys, counts = _counted(window.astype(np.int64), bucket_of(values_s))
        self._keys.append(keys)
        self._counts.append(counts)
        self._pending += keys.size
        size = int(window.max()) + 1
        if size > self._most.size:
            self._most = np.concatenate([self._most, np.full(size - self._most.size, -np.inf)])
        np.maximum.at(self._most, window, values_s)
        if self._pending > max(_MERGE_KEYS, self._keys[0].size):  # so each key is merged a few times only
            self._fold()

    def merge(self, other: WindowSketch) -> None:
        """Take over the counts of another windowed sketch."""
        self._keys += other._keys
        self._counts += other._counts
        self._pending += other._pending
        size = max(self._most.size, other._most.size)
        most = np.full(size, -np.inf)
        most[: self._most.size] = self._most
        most[: other._most.size] = np.maximum(most[: other._most.size], other._most)
        self._most = most

    def _fold(self) -> tuple[Ints, Ints]:
        """All keys and counts so far, each key once, in order."""
        if not self._keys:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        if len(self._keys) > 1:
            keys, counts = np.concatenate(self._keys), np.concatenate(self._counts)
            order = np.argsort(keys, kind="stable")  # a merge of sorted runs
            keys, counts = keys[order], counts[order]
            firsts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
            self._keys, self._counts = [keys[firsts]], [np.add.reduceat(counts, firsts)]
        self._pending = 0
        return self._keys[0], self._counts[0]

    def quantiles(self, starts: Ints, stops: Ints, qs: Sequence[float], least: int | Sequence[int] = 1) -> Floats:
        """Quantiles over windows [starts[i], stops[i]), shape (qs, windows), in seconds; nan under `least` values.

        `least` is one number, or one for each of `qs`.
        """
        keys, counts = self._fold()
        found = np.full((len(qs), starts.size), np.nan)
        shares, enough = np.array(qs), np.broadcast_to(np.array(least), len(qs))
        lows = np.searchsorted(keys, starts * BUCKETS)
        highs = np.searchsorted(keys, stops * BUCKETS)
        for i in np.flatnonzero(highs > lows):
            part = slice(lows[i], highs[i])
            buckets = keys[part] % BUCKETS
            lowest = int(buckets.min())
            upto = np.cumsum(np.bincount(buckets - lowest, weights=counts[part]))
            n = upto[-1]
            ranks = np.maximum(1, np.ceil(shares * n - 1e-9))
            values = np.minimum(value_of(np.searchsorted(upto, ranks) + lowest), self._most[starts[i] : stops[i]].max())
            found[:, i] = np.where(n >= enough, values, np.nan)
        return found
