"""When a kernel's operations are due: the schedule of `harness.plan`, in parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from harness import seeds
from harness.sim.kernel_model import Model

Part = tuple[NDArray[np.float64], NDArray[np.uint64]]
NONE_DUE: Final[Part] = np.zeros(0), np.zeros(0, np.uint64)
_PART: Final = 1 << 16  # operations given to the loop at a time
BLOCK: Final = 1024  # as in harness.arrivals; a test compares them


def arrivals(model: Model) -> Iterator[Part]:
    """When operations are due, and their numbers, as `harness.plan` has them: a part at a time, so that a long load is
    never held whole. With surges it is, for those add numbers after all others.
    """
    begun = 0
    if model.surging is not None:
        schedule = replace(model.surging, seed=model.seed).schedule()
        if schedule.op.size:
            yield schedule.intended_s, schedule.op
        return
    for part in _plain(model):
        yield part, np.arange(begun + 1, begun + part.size + 1, dtype=np.uint64)
        begun += part.size


def _plain(model: Model) -> Iterator[NDArray[np.float64]]:
    """The load's own moments."""
    if model.due_s is not None:
        if model.due_s.size:
            yield np.ascontiguousarray(model.due_s, np.float64)
        return
    generator = np.random.Generator(np.random.PCG64(seeds.mix(model.seed, seeds.stream_id(f"arrivals/{model.story}"))))
    begun, last_s = 0, 0.0
    while True:
        if model.process == "even":
            part = np.arange(begun, begun + _PART) / model.rate_per_s
            begun += _PART
        else:  # sums within blocks, as the plan has them, or the last bits differ
            blocks = []
            for _ in range(max(1, min(_PART, round(model.load_end_s * model.rate_per_s)) // BLOCK)):
                blocks.append(last_s + np.cumsum(generator.exponential(1.0 / model.rate_per_s, BLOCK)))
                last_s = float(blocks[-1][-1])
            part = np.concatenate(blocks)
        kept = part[part < model.load_end_s]
        if kept.size:
            yield kept
        if kept.size < part.size:
            return
