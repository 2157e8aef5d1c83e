"""How sure a share of a few runs can be: the Wilson interval.

Three of three runs recovered: is the chance 100 %? The textbook interval p +- 2 sqrt(p(1-p)/n) says so, with width
zero. Wilson's asks instead which chances would make three of three unremarkable, and answers 44 % to 100 %:

    (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)

Leaves out: runs that are not independent (the same seed of the same variant twice counts as two).
Source: Wilson, JASA 1927.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

Z_95 = 1.959963984540054


class Chance(NamedTuple):
    """Runs of one variant that recovered, and the 95 % interval of the chance that one does."""

    variant: str
    recovered: int
    runs: int
    low: float
    high: float

    def to_json(self) -> dict[str, Any]:
        """The fields, and the interval in words."""
        return {**self._asdict(), "interval": f"{self.low:.0%} to {self.high:.0%}" if self.runs else "-"}


def wilson(successes: int, runs: int) -> tuple[float, float]:
    """The 95 % interval of a share; (0, 1) without runs."""
    if runs == 0:
        return 0.0, 1.0
    share, square = successes / runs, Z_95 * Z_95
    middle = share + square / (2 * runs)
    reach = Z_95 * math.sqrt(share * (1 - share) / runs + square / (4 * runs * runs))
    scale = 1 + square / runs
    low = 0.0 if successes == 0 else (middle - reach) / scale  # exactly 0 and 1 at the ends, where floats would not be
    high = 1.0 if successes == runs else (middle + reach) / scale
    return low, high
