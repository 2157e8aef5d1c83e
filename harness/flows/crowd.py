"""All users of a run's closed loops: whose turn it is next, and when. One implementation for every engine.

    crowd = Crowd(groups, seed, until_s=load_end_s)
    crowd.first()                        the first turn of everyone, in order of time
    crowd.after(op, good, now_s)         that user's next turn, as this one ended; None when the load ends first

An engine starts each turn when it is due and reports its end. That is the whole contract, so an event heap and a
process full of greenlets ask for the same turns as long as they answer alike. Workers share a crowd by user: worker k
of n has users k, k + n, k + 2n, ..., whose numbers do not depend on n.

Against a served region a load is played more than once: `start_s` is then the moment it begins, and `base` is added to
every number, because an app would take a number it has seen for a payment it has made.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from harness import seeds
from harness.policies.crowd import CrowdSpec, first_s, next_s, nth_of, number, user_of

_THINK, _HERD = 0, 1  # draws of one turn


class Group(NamedTuple):
    """The users of one story. `first` is the number of its first user among all of the run."""

    story: int  # index in the plan's stories
    name: str
    first: int
    spec: CrowdSpec


class Turn(NamedTuple):
    """One operation that a user will start, when the time comes."""

    op: int
    story: int
    due_s: float


def groups_of(specs: Sequence[tuple[int, str, CrowdSpec]]) -> tuple[Group, ...]:
    """Stories with closed loops, as (index, name, spec), with their users numbered through."""
    found: list[Group] = []
    first = 0
    for story, name, spec in specs:
        found.append(Group(story, name, first, spec))
        first += spec.users
    return tuple(found)


def seat(groups: Sequence[Group], name: str) -> tuple[int, int]:
    """(users of the run, number of the first of this story): what its stories need to know whose turn an operation is.

    (0, 0) for a story with arrivals.
    """
    total = sum(group.spec.users for group in groups)
    return next(((total, group.first) for group in groups if group.name == name), (0, 0))


class Crowd:
    """Who comes when. Keeps one number per user: failures in a row."""

    def __init__(
        self,
        groups: Sequence[Group],
        seed: int,
        until_s: float = math.inf,
        *,
        worker: int = 0,
        workers: int = 1,
        start_s: float = 0.0,
        base: int = 0,
    ) -> None:
        self.users = sum(group.spec.users for group in groups)
        self._groups = tuple(groups)
        self._firsts = [group.first for group in groups]
        self._luck = [seeds.mix(seed, seeds.stream_id(f"crowd/{group.name}")) for group in groups]
        self._until_s = until_s
        self._mine = range(worker, self.users, workers)
        self._start_s = start_s
        self._base = base
        self._streaks: dict[int, int] = {}

    def first(self) -> list[Turn]:
        """The first turn of every user of this worker, in order of time."""
        turns = []
        for user in self._mine:
            place, group = self._group(user)
            due_s = first_s(group.spec, user - group.first, self._draw(place, user, 0, _THINK))
            turn = self._turn(user, 0, group, due_s)
            if turn is not None:
                turns.append(turn)
        return sorted(turns, key=lambda turn: (turn.due_s, turn.op))

    def after(self, op: int, good: bool, now_s: float) -> Turn | None:
        """The turn after the one that ended at `now_s`; None when the load ends before it."""
        user, nth = user_of(op, self.users), nth_of(op, self.users) + 1
        place, group = self._group(user)
        streak = 0 if good else self._streaks.get(user, 0) + 1
        u, u_herd = (self._draw(place, user, nth, what) for what in (_THINK, _HERD))
        due_s, streak = next_s(group.spec, user - group.first, now_s - self._start_s, streak, u, u_herd)
        self._streaks[user] = streak
        return self._turn(user, nth, group, due_s)

    def _group(self, user: int) -> tuple[int, Group]:
        place = bisect_right(self._firsts, user) - 1
        return place, self._groups[place]

    def _draw(self, place: int, user: int, nth: int, what: int) -> float:
        return seeds.draw_after(seeds.after(seeds.after(self._luck[place], user), nth), what)

    def _turn(self, user: int, nth: int, group: Group, due_s: float) -> Turn | None:
        due_s += self._start_s
        return Turn(self._base + number(nth, user, self.users), group.story, due_s) if due_s < self._until_s else None
