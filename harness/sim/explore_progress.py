"""Can the automation always make progress? Asked of every state the search meets, and answered cheaply.

"Progress" from a state: there is a continuation, made of the automation's own steps, after which a plan newer than all
plans so far is live at every endpoint. The event's lasting damage was its absence: with the active plan deleted, every
enactor failed at every later plan, for ever.

Searching the continuations of every state would square the cost. Nearly always one obvious continuation will do, and
it depends on very little: let *one* enactor finish what it is doing, end whatever lease is still held, plan once more,
and let that enactor run. That is a question about a pair (enactor, store), asked once per pair. One enactor that
succeeds settles the state. Only a state in which no enactor succeeds alone is searched in full, with one generation
more than the bound (so that a state is not called stuck for want of a plan): no continuation reaches a state with a
hopeful enactor -> stuck.

The reverse is not claimed: that progress *is* made under every schedule. A schedule that never runs an enactor makes
none, and that is the scheduler's fault. Source: "AG EF" of Clarke and Emerson, 1981.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.sim.explore_codes import Codes
from harness.sim.explore_tables import States, Table, TooMany, distinct

CONTINUATION_STATES = 500_000  # a continuation longer than this is left undecided


class Progress:
    """Decides for the states of `codes`; continuations may plan up to `generations`."""

    def __init__(self, codes: Codes, generations: int) -> None:
        self._codes = codes
        self._generations = generations
        self._rests: dict[tuple[int, int], tuple[int, int]] = {}
        self._hopes = Table(1, lambda mover, store: (self._hope(mover, store),))

    def first_stuck(self, states: States) -> int | None:
        """The first of `states` from which no continuation makes progress, or None. TooMany if that is undecided."""
        for suspect in states[~self.hopeful(states)].tolist():
            if self._stuck(suspect):
                return int(suspect)
        return None

    def hopeful(self, states: States) -> NDArray[np.bool_]:
        """Where an enactor can make progress alone."""
        stores, movers = self._codes.store_numbers(states), self._codes.enactor_numbers(states)
        found = np.zeros(states.size, dtype=np.bool_)
        for place in range(movers.shape[1]):
            left = np.flatnonzero(~found)
            if left.size:
                found[left] = self._hopes.rows(movers[left, place], stores[left])[..., 0] > 0
        return found

    def _stuck(self, state: int) -> bool:
        front = np.array([state], dtype=np.uint64)
        known = front
        while front.size:
            reached = [step.after for step in self._codes.steps(front, self._generations)]
            front = np.setdiff1d(distinct(np.concatenate(reached)), known, assume_unique=True)
            if self.hopeful(front).any():
                return False
            known = np.union1d(known, front)
            if known.size > CONTINUATION_STATES:
                raise TooMany(f"more than {CONTINUATION_STATES} states of one continuation")
        return True

    def _hope(self, mover: int, store: int) -> int:
        mover, store = self._rest(mover, store)
        if self._codes.stores.values[store].lease.holder:
            mover, store = self._codes.expired(mover, store)
        mover, store = self._rest(*self._codes.planned(mover, store))
        after = self._codes.stores.values[store]
        return int(all(pointer.active == after.newest for pointer in after.pointers))

    def _rest(self, mover: int, store: int) -> tuple[int, int]:
        """Where the enactor comes to rest when nobody else moves."""
        passed = []
        here = (mover, store)
        while here not in self._rests:
            passed.append(here)
            there = self._codes.alone(*here)
            if there == here:
                self._rests[here] = here
                break
            here = there
        for pair in passed:
            self._rests[pair] = self._rests[here]
        return self._rests[here]
