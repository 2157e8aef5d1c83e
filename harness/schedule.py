"""The schedule: which operation of which story is due when, for a whole run, before it begins.

A pure function of (experiment, seed), computed where it is needed instead of being stored: the load processes, the
world and the kernel each compute the same one. How the arrivals of one story are drawn is in `harness.arrivals`.

Operations are numbered from 1 in order of time; those that a surge adds come after all others in the numbering (not in
time), so that with a surge every other operation keeps its number, and with it every draw keyed by it.

Not here: the operations of closed loops, which are due when their users have thought about the last answer
(`harness/flows/crowd.py`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.arrivals import arrivals_s, surge_s
from harness.spec.events import events_of
from harness.spec.experiment import Experiment
from harness.spec.surges import surges_of


class Schedule(NamedTuple):
    """All operations by intended start: arrays of one length. `op` is each number from 1 once, in order of time but for
    those a surge added, which have the highest; `story` indexes the experiment's stories in their order.
    """

    op: NDArray[np.uint64]
    story: NDArray[np.uint16]
    intended_s: NDArray[np.float64]


def schedule_of(experiment: Experiment, seed: int) -> Schedule:
    """Every operation due in [0, load_end_s), merged over stories."""
    times, stories = [np.empty(0)], [np.empty(0, dtype=np.uint16)]
    for index, (story, load) in enumerate(experiment.load.items()):
        if load.arrivals is None:
            continue
        due_s = arrivals_s(load.arrivals, seed, story, experiment.load_end_s)
        times.append(due_s)
        stories.append(np.full(due_s.size, index, dtype=np.uint16))
    plain = _merged(times, stories)
    surges = surges_of(experiment, events_of(experiment).events)
    if not surges:
        return plain
    own = {story: load.arrivals for story, load in experiment.load.items() if load.arrivals is not None}
    number = {story: index for index, story in enumerate(experiment.load)}
    times = [surge_s(surge, own[surge.story], seed) for surge in surges]
    stories = [
        np.full(due_s.size, number[surge.story], dtype=np.uint16) for surge, due_s in zip(surges, times, strict=True)
    ]
    further = _merged(times, stories, plain.op.size)
    order = np.argsort(np.concatenate([plain.intended_s, further.intended_s]), kind="stable")
    return Schedule(
        np.concatenate([plain.op, further.op])[order],
        np.concatenate([plain.story, further.story])[order],
        np.concatenate([plain.intended_s, further.intended_s])[order],
    )


def _merged(times: list[NDArray[np.float64]], stories: list[NDArray[np.uint16]], after: int = 0) -> Schedule:
    """Arrivals of several stories in order of time, numbered from `after` + 1."""
    intended_s = np.concatenate(times)
    order = np.argsort(intended_s, kind="stable")
    op = np.arange(after + 1, after + intended_s.size + 1, dtype=np.uint64)
    return Schedule(op, np.concatenate(stories)[order], intended_s[order])
