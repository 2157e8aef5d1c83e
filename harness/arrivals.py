"""When operations are due: the arrivals of a story, and the further ones of a surge, pure in (seed, spec).

`poisson` sums exponential gaps from a NumPy generator seeded by mix(seed, "arrivals/<story>"), in blocks of fixed size,
so that a longer run begins with the same operations; `even` starts operation k of a story at k / rate.

A surge adds arrivals and takes none away. They are the story's own process again, at the surge's further rate, from a
stream of their own ("arrivals/<story>/<id of the entry>"), running from the moment the surge begins, of which those
within its spells are kept: so a surge that comes and goes thins one that stays, and moving another surge moves nothing
here. Two Poisson processes side by side are one at the sum of their rates; two even ones are each even (the further
arrivals half a gap late, so that doubling a load does not make pairs).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from harness import seeds
from harness.spec.experiment import Arrivals
from harness.spec.surges import Surge

_BLOCK: Final = 1024


def arrivals_s(arrivals: Arrivals, seed: int, story: str, end_s: float) -> NDArray[np.float64]:
    """Moments at which operations of one story are due, ascending, all in [0, end_s)."""
    if arrivals.process == "even":
        due_s = np.arange(math.ceil(end_s * arrivals.rate_per_s) + 1) / arrivals.rate_per_s
        return due_s[due_s < end_s]
    rng = np.random.Generator(np.random.PCG64(seeds.mix(seed, seeds.stream_id(f"arrivals/{story}"))))
    blocks, last_s = [], 0.0
    while last_s < end_s:
        block = last_s + np.cumsum(rng.exponential(1.0 / arrivals.rate_per_s, _BLOCK))
        blocks.append(block)
        last_s = float(block[-1])
    due_s = np.concatenate(blocks) if blocks else np.empty(0)
    return due_s[due_s < end_s]


def surge_s(surge: Surge, arrivals: Arrivals, seed: int) -> NDArray[np.float64]:
    """Moments at which the further operations of a surge are due, ascending, all within its spells."""
    if not surge.spells:
        return np.empty(0)
    further = arrivals.model_copy(update={"rate_per_s": surge.extra_per_s})
    due_s = surge.start_s + arrivals_s(further, seed, f"{surge.story}/{surge.id}", surge.spells[-1][1] - surge.start_s)
    if arrivals.process == "even":
        due_s += 0.5 / surge.extra_per_s
    edges = np.asarray(surge.spells).ravel()  # on, off, on, off: within a spell after an odd number of edges
    within = np.searchsorted(edges, due_s, side="right") % 2 == 1
    kept: NDArray[np.float64] = due_s[within]
    return kept
