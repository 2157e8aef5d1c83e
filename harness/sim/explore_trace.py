"""From the state a search ended in back to the schedule that leads there, on the real value.

The search keeps states, not the ways to them: a way back costs as much memory as the state. It is found again when it
is wanted, level by level: which states of the level before have a step to one of those in hand? That gives, for every
depth, all states that lie on some shortest way, by number. In numbers enactors have no names, so the schedule is then
walked on the real `System` with `dns_system.move`: at each place some actor's step must lead to a state on the way. Of
several, the actor who moved last goes on, which makes the story with few changes of scene. Nothing is ever told that
did not happen to the value that also runs live; a way that cannot be walked would be a defect of the numbering, and
stops everything.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from harness.flows import dns_plans, dns_system
from harness.flows.dns_control import ControlSpec
from harness.flows.dns_system import Moved, System
from harness.sim.explore_codes import Codes
from harness.sim.explore_tables import States, distinct


class Schedule(NamedTuple):
    """Who moved in which order, from the steady state, and what each step led to."""

    spec: ControlSpec
    start: System
    actors: tuple[str, ...]
    moves: tuple[Moved, ...]


def trace(codes: Codes, levels: list[States], target: int, generations: int, *, backwards: bool) -> Schedule:
    """A shortest schedule from `levels[0]` to `target`, one step beyond `levels[-2]`.

    With `backwards` its last step takes an endpoint to an older generation (the state it leads to may have been met
    before by a harmless way).
    """
    ways = [np.array([target], dtype=np.uint64)]
    for level in reversed(levels[:-1]):
        only_back = backwards and len(ways) == 1
        before = [
            level[step.before[np.isin(step.after, ways[-1]) & (step.backwards | (not only_back))]]
            for step in codes.steps(level, generations)
        ]
        ways.append(distinct(np.concatenate(before)))
    return _walked(codes, [set(way.tolist()) for way in reversed(ways)], backwards=backwards)


def _walked(codes: Codes, ways: list[set[int]], *, backwards: bool) -> Schedule:
    system = codes.system
    actors: list[str] = []
    moves: list[Moved] = []
    names = dns_system.actors(codes.spec)
    for place, way in enumerate(ways[1:], 2):
        for actor in sorted(names, key=lambda name: (name != actors[-1] if actors else False, names.index(name))):
            moved = dns_system.move(codes.spec, system, actor)
            back = not dns_plans.never_backwards(system.store, moved.system.store)
            if int(codes.encode(moved.system)[0]) in way and (back or not backwards or place < len(ways)):
                actors.append(actor)
                moves.append(moved)
                system = moved.system
                break
        else:
            raise AssertionError(f"no actor's step {place - 1} leads where the search went; the numbering is wrong")
    return Schedule(codes.spec, codes.system, tuple(actors), tuple(moves))
