"""What the search counts with: values by number, and rows by a pair of numbers.

`Index` gives every different value a number when it first appears, so that equal values are one number from then on.
`Table` remembers a result for each pair of numbers and looks thousands of pairs up in one numpy operation; only pairs
never seen before cost a call of Python. Its room doubles as numbers grow: at most four times what is used.

Leaves out: forgetting. A search keeps everything to its end, and its limits bound what that is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

States: TypeAlias = NDArray[np.uint64]
Numbers: TypeAlias = NDArray[np.int64]
Value = TypeVar("Value")


class TooMany(Exception):
    """A limit was met: of states, of time, or of numbers to give. Not an error: a verdict is missing."""


def distinct(states: States) -> States:
    """The different ones, ascending. Sorting is several times faster here than numpy's hashing `unique`."""
    ordered = np.sort(states)
    keep = np.ones(ordered.size, dtype=np.bool_)
    keep[1:] = ordered[1:] != ordered[:-1]
    return ordered[keep]


class Index(Generic[Value]):
    """Values by number and numbers by value, in order of first appearance; `limit` numbers at most."""

    def __init__(self, limit: int, name: str) -> None:
        self.values: list[Value] = []
        self._numbers: dict[Value, int] = {}
        self._limit, self._name = limit, name

    def number(self, value: Value) -> int:
        """The number of `value`, a new one if it is new. TooMany when there is none left."""
        known = self._numbers.get(value)
        if known is None:
            known = self._numbers[value] = len(self.values)
            self.values.append(value)
            if known >= self._limit:
                raise TooMany(f"more than {self._limit} {self._name}")
        return known


class Table:
    """Rows of `width` small numbers by a pair of numbers, each made by `make` when first asked for."""

    def __init__(self, width: int, make: Callable[[int, int], tuple[int, ...]]) -> None:
        self._make = make
        self._where = np.full((64, 256), -1, dtype=np.int32)
        self._rows = np.zeros((1024, width), dtype=np.int32)
        self._count = 0

    def rows(self, left: Numbers, right: Numbers) -> NDArray[Any]:
        """The rows of many pairs; `left` and `right` broadcast, and a last axis holds the row."""
        left, right = np.broadcast_arrays(left, right)
        if left.size:
            self._reserve(int(left.max()), int(right.max()))
        where = self._where[left, right]
        missing = where < 0
        if missing.any():
            pairs = distinct(left[missing].astype(np.uint64) << np.uint64(32) | right[missing].astype(np.uint64))
            for pair in pairs.tolist():
                self._add(pair >> 32, pair & 0xFFFFFFFF)
            where = self._where[left, right]
        return self._rows[where]

    def row(self, left: int, right: int) -> tuple[int, ...]:
        """The row of one pair."""
        self._reserve(left, right)
        if self._where[left, right] < 0:
            self._add(left, right)
        return tuple(self._rows[self._where[left, right]].tolist())

    def _add(self, left: int, right: int) -> None:
        made = self._make(left, right)
        if self._count == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[self._count] = made
        self._where[left, right] = self._count
        self._count += 1

    def _reserve(self, left: int, right: int) -> None:
        height, breadth = self._where.shape
        if left < height and right < breadth:
            return
        while height <= left:
            height *= 2
        while breadth <= right:
            breadth *= 2
        grown = np.full((height, breadth), -1, dtype=np.int32)
        grown[: self._where.shape[0], : self._where.shape[1]] = self._where
        self._where = grown
