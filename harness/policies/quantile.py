"""A running quantile in fifteen numbers: the P-square estimator.

The obvious way keeps every sample and sorts. A policy's state must be a small value instead: no list, nothing that
grows. P-square keeps five markers, at the minimum, the maximum, the quantile p and half way on either side, each with
a height and a position. A new sample moves the positions; a marker that has drifted one place or more from where it
should be is moved by one, its height read off a parabola through its neighbours (or a line, if the parabola would
leave the order).

    positions wanted after n samples:  1 + (n - 1) x {0, p/2, p, (1 + p)/2, 1}

Up to five samples it is exact (nearest rank). Beyond, the error is that of a smooth interpolation: good for delays,
bad for a distribution of few atoms. Leaves out: forgetting; users start a new one each window.

`add` and `value` are the only functions of ours that policy steps call; a compiler must compile them first.
Source: Jain and Chlamtac, "The P-square algorithm for dynamic calculation of quantiles", CACM 28(10), 1985.
"""

from __future__ import annotations

import math
from typing import NamedTuple


class Quantile(NamedTuple):
    """Five heights in order (inf while unused), the inner three positions, and the number of samples."""

    samples: int
    q1: float
    q2: float
    q3: float
    q4: float
    q5: float
    n2: float
    n3: float
    n4: float


def start() -> Quantile:
    """No samples."""
    return Quantile(0, math.inf, math.inf, math.inf, math.inf, math.inf, 2.0, 3.0, 4.0)


def value(state: Quantile, p: float) -> float:
    """The estimate of quantile `p` (the one samples were added with); inf without samples."""
    if state.samples > 5:
        return state.q3
    rank = math.ceil(p * state.samples)
    if rank <= 1:
        return state.q1
    if rank == 2:
        return state.q2
    if rank == 3:
        return state.q3
    if rank == 4:
        return state.q4
    return state.q5


def moved(below: float, q: float, above: float, n_below: float, n: float, n_above: float, by: float) -> float:
    """The height of a marker moved `by` one place (1.0 or -1.0) between its neighbours."""
    parabola = q + by / (n_above - n_below) * (
        (n - n_below + by) * (above - q) / (n_above - n) + (n_above - n - by) * (q - below) / (n - n_below)
    )
    if below < parabola < above:
        return parabola
    if by > 0.0:
        return q + (above - q) / (n_above - n)
    return q + (q - below) / (n_below - n)


def add(state: Quantile, p: float, x: float) -> Quantile:
    """The state after one more sample `x`."""
    samples, q1, q2, q3, q4, q5, n2, n3, n4 = state
    samples += 1
    if samples <= 5:  # insert into the sorted five
        if x < q1:
            q1, x = x, q1
        if x < q2:
            q2, x = x, q2
        if x < q3:
            q3, x = x, q3
        if x < q4:
            q4, x = x, q4
        if x < q5:
            q5 = x
        return Quantile(samples, q1, q2, q3, q4, q5, n2, n3, n4)

    if x < q4:  # nested ifs rather than min() and max(), which would be half of what a plain call costs
        n4 += 1.0
        if x < q3:
            n3 += 1.0
            if x < q2:
                n2 += 1.0
                if x < q1:
                    q1 = x
    elif x > q5:
        q5 = x

    n5 = samples * 1.0
    gaps = n5 - 1.0
    off = 1.0 + gaps * p / 2.0 - n2
    if off >= 1.0 and n3 - n2 > 1.0:
        q2, n2 = moved(q1, q2, q3, 1.0, n2, n3, 1.0), n2 + 1.0
    elif off <= -1.0 and n2 > 2.0:
        q2, n2 = moved(q1, q2, q3, 1.0, n2, n3, -1.0), n2 - 1.0
    off = 1.0 + gaps * p - n3
    if off >= 1.0 and n4 - n3 > 1.0:
        q3, n3 = moved(q2, q3, q4, n2, n3, n4, 1.0), n3 + 1.0
    elif off <= -1.0 and n3 - n2 > 1.0:
        q3, n3 = moved(q2, q3, q4, n2, n3, n4, -1.0), n3 - 1.0
    off = 1.0 + gaps * (1.0 + p) / 2.0 - n4
    if off >= 1.0 and n5 - n4 > 1.0:
        q4, n4 = moved(q3, q4, q5, n3, n4, n5, 1.0), n4 + 1.0
    elif off <= -1.0 and n4 - n3 > 1.0:
        q4, n4 = moved(q3, q4, q5, n3, n4, n5, -1.0), n4 - 1.0
    return Quantile(samples, q1, q2, q3, q4, q5, n2, n3, n4)
