"""States of the DNS automation as numbers, and the moves between them as tables filled by the code that runs live.

A search over millions of states cannot afford millions of nested tuples; a second, compact model of the automation
would be fast and prove nothing about the code that runs. The way out: every actor's move depends only on its own state
and on the store, so there are few different moves (tens of thousands) behind many states (millions). Each different
store and each different enactor state is numbered when first met; each different move is made once, by
`enactor.move`, `planner.move` and `lease_reaper.move`, and remembered as a row of a table. A whole state is one
64-bit number, `store | enactor | ... | enactor | reaper`, and one numpy operation takes thousands of states a step on.

Two states get the same number when no schedule can ever tell them apart (a bisimulation that keeps the number of steps
and every invariant). What is folded together, and why that is sound:

    enactors in any order      they run the same code; their number is only a name (in a lease: only its holder's name,
                               and the lease's own number says as much), so the numbers are sorted
    lock epochs                only ever compared for equality with the one TAKE read: "still the same" or "moved"
    lease numbers              every grant has a new one, so: "none", "the one now held", "one that is lost"
    `seen` of an enactor       only ever compared with the newest plan, which only grows: "seen" or "not seen"
    values no step reads       the endpoint after the last write, retries, `stuck` (a note's business), the way back
                               unless clean-up asks for it, what a run that only has to delete had applied

No order of independent steps is left out (no partial-order reduction): the tables made it unnecessary, and every
state that any schedule reaches is looked at.

Sources: Clarke, Emerson, Jha, Sistla, "Symmetry reductions in model checking", 1998; Ip and Dill, "Better verification
through symmetry", 1996.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from harness.flows import dns_plans, dns_system, enactor, lease_reaper, planner
from harness.flows.dns_control import ControlSpec
from harness.flows.dns_plans import LEASES, DnsPlan, Lease, Pointer, RaceFix, Store
from harness.flows.dns_system import PLANNER, REAPER, System
from harness.flows.enactor import Enactor, Phase
from harness.flows.lease_reaper import Reaper
from harness.sim.explore_tables import Index, Numbers, States, Table, TooMany

Kind: TypeAlias = tuple[int, int, int, int]

STORE_BITS = 20
_NO_PLAN = DnsPlan(0, ())
_ENDPOINT_PHASES = (Phase.RECHECK, Phase.TAKE, Phase.WRITE)
_LOST, _HELD = 1, 2  # lease numbers that stand for all lost ones and for the one now held


class Steps(NamedTuple):
    """The steps of one actor from many states: state `before[i]` (an index) becomes `after[i]`.

    `actor` is "planner", "reaper" or "enactor"; `backwards[i]` is True when an endpoint moved to an older generation.
    """

    actor: str
    before: Numbers
    after: States
    backwards: NDArray[np.bool_]


class Codes:
    """The numbering for one spec, `addresses` ((endpoint, addresses), ...) and number of enactors.

    Numbers are given in order of discovery, so the same search gives the same numbers.
    """

    def __init__(self, spec: ControlSpec, addresses: tuple[tuple[str, tuple[str, ...]], ...]) -> None:
        self.spec = spec
        self.enactor_bits = (63 - STORE_BITS) // spec.enactors
        if self.enactor_bits < 6:
            raise TooMany(f"{spec.enactors} enactors leave {self.enactor_bits} bits for the state of each")
        self.system = dns_system.start(spec, addresses)
        self.stores: Index[Store] = Index(1 << STORE_BITS, "stores")
        self.enactors: Index[Enactor] = Index(1 << min(self.enactor_bits, 16), "enactor states")
        self._kinds: Index[Kind] = Index(1 << 16, "kinds of change")
        self._moves = Table(4, lambda mover, store: self._enactor_move(mover, store))
        self._plans = Table(3, lambda _, store: self._planner_move(store))
        self._looks = Table(4, lambda watched, store: self._reaper_move(watched, store))
        self._aged = Table(1, lambda kind, mover: (self._age(kind, mover),))
        self._raw: list[Store] = []

    @property
    def first(self) -> States:
        """The steady state, as an array of one."""
        return self.encode(self.system)

    def encode(self, system: System) -> States:
        """The number of a system, as an array of one."""
        movers = [self.enactors.number(canonical_enactor(state, system.store)) for state in system.enactors]
        watched = int(canonical_reaper(system.reaper, system.store).watched > 0)
        store = self.stores.number(canonical_store(self.spec, system.store))
        one = np.array([store], dtype=np.int64)
        return self._pack(one, np.array([movers], dtype=np.int64), np.array([watched], dtype=np.int64))

    def store_numbers(self, states: States) -> Numbers:
        """The store of each state, by number."""
        return (states >> np.uint64(self.enactor_bits * self.spec.enactors + 1)).astype(np.int64)

    def enactor_numbers(self, states: States) -> Numbers:
        """The enactors of each state, by number, ascending: one row per state."""
        mask = np.uint64((1 << self.enactor_bits) - 1)
        shifts = [1 + self.enactor_bits * k for k in reversed(range(self.spec.enactors))]
        return np.stack([((states >> np.uint64(shift)) & mask).astype(np.int64) for shift in shifts], axis=1)

    def steps(self, states: States, generations: int) -> Iterator[Steps]:
        """Every step that any actor can take from `states`; the planner stops at `generations`.

        A step that changes nothing (waiting for somebody else) is left in: it leads to a state already known.
        """
        stores, movers = self.store_numbers(states), self.enactor_numbers(states)
        watched = (states & np.uint64(1)).astype(np.int64)
        newest = np.fromiter((store.newest for store in self.stores.values), dtype=np.int64)
        may_plan = np.flatnonzero(newest[stores] < generations)
        if may_plan.size:
            plan = self._plans.rows(np.zeros_like(may_plan), stores[may_plan])
            others = self._aged.rows(plan[:, 1][:, None], movers[may_plan])[..., 0]
            after = self._pack(plan[:, 0], others, watched[may_plan] & plan[:, 2])
            yield Steps(PLANNER, may_plan, after, np.zeros(may_plan.size, dtype=np.bool_))
        for place in range(self.spec.enactors):
            # Of enactors in the same state one stands for all.
            who = np.flatnonzero(movers[:, place] != movers[:, place - 1]) if place else np.arange(states.size)
            moved = self._moves.rows(movers[who, place], stores[who])
            kind = moved[:, 2] >> 2
            others = self._aged.rows(kind[:, None], movers[who])[..., 0]
            others[:, place] = moved[:, 0]
            after = self._pack(moved[:, 1], others, watched[who] & moved[:, 2] & 1)
            yield Steps("enactor", who, after, (moved[:, 2] & 2) > 0)
        if self.spec.race_fix in LEASES:
            look = self._looks.rows(watched, stores)
            others = self._aged.rows(look[:, 1][:, None], movers)[..., 0]
            everyone = np.arange(states.size, dtype=np.int64)
            after = self._pack(look[:, 0], others, look[:, 2])
            yield Steps(REAPER, everyone, after, np.zeros(states.size, dtype=np.bool_))

    def alone(self, mover: int, store: int) -> tuple[int, int]:
        """One step of an enactor, by numbers: (enactor, store) afterwards."""
        row = self._moves.row(mover, store)
        return row[0], row[1]

    def planned(self, mover: int, store: int) -> tuple[int, int]:
        """One step of the planner, as an enactor looking on sees it: (enactor, store) afterwards."""
        row = self._plans.row(0, store)
        return self._aged.row(row[1], mover)[0], row[0]

    def expired(self, mover: int, store: int) -> tuple[int, int]:
        """The reaper's two looks, which end a lease that is held: (enactor, store) afterwards."""
        row = self._looks.row(1, store)
        return self._aged.row(row[1], mover)[0], row[0]

    def _pack(self, stores: Numbers, movers: Numbers, watched: Numbers) -> States:
        packed = stores.astype(np.uint64)
        for column in _sorted([movers[:, place].astype(np.uint64) for place in range(self.spec.enactors)]):
            packed = (packed << np.uint64(self.enactor_bits)) | column
        return (packed << np.uint64(1)) | watched.astype(np.uint64)

    # The rows of the tables. A kind of change is what the other actors can notice of it: see `canonical_enactor`.

    def _enactor_move(self, mover: int, number: int) -> tuple[int, ...]:
        store = self.stores.values[number]
        moved = enactor.move(self.spec, self.enactors.values[mover], store)
        state = self.enactors.number(canonical_enactor(moved.state, moved.store))
        after, kind = self._stored(moved.store)
        back = not dns_plans.never_backwards(store, moved.store)
        watching = canonical_reaper(Reaper(_HELD), moved.store).watched > 0
        return state, after, kind << 2 | back << 1 | watching, 0

    def _planner_move(self, number: int) -> tuple[int, ...]:
        _, raw, _, _ = planner.move(self.spec, self.system.planner, self.stores.values[number])
        return (*self._stored(raw), int(canonical_reaper(Reaper(_HELD), raw).watched > 0))

    def _reaper_move(self, watched: int, number: int) -> tuple[int, ...]:
        store = self.stores.values[number]
        reaper, raw, _, _ = lease_reaper.move(self.spec, Reaper(_HELD if watched else 0), store)
        return (*self._stored(raw), int(canonical_reaper(reaper, raw).watched > 0), 0)

    def _stored(self, raw: Store) -> tuple[int, int]:
        kind = self._kinds.number((raw.epoch, raw.lease.holder, raw.lease.number, raw.newest))
        if kind == len(self._raw):
            self._raw.append(raw)
        return self.stores.number(canonical_store(self.spec, raw)), kind

    def _age(self, kind: int, mover: int) -> int:
        return self.enactors.number(canonical_enactor(self.enactors.values[mover], self._raw[kind]))


def canonical_store(spec: ControlSpec, store: Store) -> Store:
    """The store that stands for all that behave alike: epoch 0, lease number 2, no way back unless read."""
    keep_rollback = spec.race_fix is RaceFix.REACHABILITY
    pointers = store.pointers if keep_rollback else tuple(Pointer(pointer.active, 0) for pointer in store.pointers)
    lease = Lease(1, _HELD) if store.lease.holder else Lease(0, _HELD)
    lease = lease if spec.race_fix in LEASES else Lease(0, 0)
    removed_at = store.newest if store.removed_at >= store.newest else 0
    return store._replace(pointers=pointers, epoch=0, lease=lease, removed_at=removed_at)


def canonical_enactor(state: Enactor, store: Store) -> Enactor:
    """The enactor that stands for all that behave alike next to `store`, which need not be canonical itself.

    Idempotent, and right for an enactor that was canonical before somebody else's step led to `store`: it reads the
    store's epoch, lease and newest generation, and nothing else.
    """
    held = store.lease.holder and state.lease == store.lease.number
    lease = 0 if not state.lease else _HELD if held else _LOST
    if state.plan is None:
        return Enactor(1, seen=store.newest if state.seen >= store.newest else 0, lease=lease)
    plan = state.plan
    if state.phase is Phase.DELETE and plan.generation < store.newest:
        plan = _NO_PLAN
    endpoint = state.endpoint if state.phase in _ENDPOINT_PHASES else 0
    epoch = -1 if state.phase is Phase.WRITE and state.epoch != store.epoch else 0
    return Enactor(1, state.phase, 0, plan, endpoint, epoch, lease, 0, state.doomed)


def canonical_reaper(reaper: Reaper, store: Store) -> Reaper:
    """The reaper watches the lease that is held, or nothing that matters: the next lease has another number."""
    watches = store.lease.holder and reaper.watched == store.lease.number
    return Reaper(_HELD if watches else 0)


def _sorted(columns: list[States]) -> list[States]:
    """The columns with every row in ascending order: insertion sort by exchanges, all rows at once."""
    for end in range(1, len(columns)):
        for place in range(end, 0, -1):
            low, high = columns[place - 1], columns[place]
            columns[place - 1], columns[place] = np.minimum(low, high), np.maximum(low, high)
    return columns
