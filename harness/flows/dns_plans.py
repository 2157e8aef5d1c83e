"""The plan store: all that planner, enactors and clean-up share, as one immutable value.

A DNS plan says which addresses stand behind each endpoint. It is kept under its generation; an endpoint's record is a
*pointer* to a generation, and so resolution is two look-ups:

    answers(endpoint) = targets of plan[active(endpoint)]  if that plan exists, else nothing at all

That "else" is the outage: whoever deletes a plan that a pointer still names empties the record at once, without any
error anywhere. Pointer and plan must therefore never part; nothing in the naive system enforces it.

Writes to the zone are transactions conditional on a lock record: a writer reads the lock's epoch, and its batch fails
if the epoch has moved since. That keeps two batches from mixing. It says nothing about *which generation* is newer,
and that is the gap this model is about. The batch writes the plan's own record tree again, points the endpoint at it,
and notes the generation it replaces as the way back, which is why the plan being replaced must still exist.

Everything here is a value: hashable, comparable, without time. Two invariants failed in the event and are given as
functions: `active_plans_exist` and `never_empty`.

Leaves out: weights (the order of a plan's targets stands for them) and several zones.
Sources: AWS, "Summary of the Amazon DynamoDB service disruption in us-east-1", 2025; the talk DAT453 (lock record,
trees, rollback pointer).
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class RaceFix(StrEnum):
    """What is done about the race. What each stops, and does not stop, is written where it acts (enactor, clean-up)."""

    NONE = "none"
    RECHECK = "recheck"  # look again before each write; the window shrinks but stays
    COMPARE_AND_SET = "compare_and_set"  # the transaction itself refuses an older generation
    LEASE_NO_FENCING = "lease_no_fencing"  # one run at a time, but a paused holder still writes
    LEASE_FENCING = "lease_fencing"  # one run at a time, and writes carry the lease's number
    REACHABILITY = "reachability"  # clean-up spares plans that an endpoint or its way back names
    REFUSE_EMPTY = "refuse_empty"  # no transaction may leave a record empty
    SELF_HEAL = "self_heal"  # an enactor tolerates a missing current plan
    VELOCITY_LIMIT = "velocity_limit"  # a record loses at most one address per planning period


LEASES = (RaceFix.LEASE_NO_FENCING, RaceFix.LEASE_FENCING)


class DnsPlan(NamedTuple):
    """One generation: for each endpoint (in the store's order) the addresses that stand behind it."""

    generation: int
    targets: tuple[tuple[str, ...], ...]


class Pointer(NamedTuple):
    """An endpoint's record: the generation it answers from, and the one it came from (0: none)."""

    active: int
    rollback: int


class Lease(NamedTuple):
    """The right to run, for the lease fixes. `holder` 0 is nobody; every grant has its own number."""

    holder: int
    number: int


class Store(NamedTuple):
    """The shared world of the DNS automation.

    `newest` is the last generation planned. `epoch` is the lock record's number and moves with every transaction.
    `stalled` names the enactors (by number) who cannot get the lock at present: the trigger from outside.
    `removed_at` is the generation that was newest when an address was last removed from a live record.
    """

    endpoints: tuple[str, ...]
    plans: tuple[DnsPlan, ...]  # by generation, ascending
    newest: int
    pointers: tuple[Pointer, ...]  # one per endpoint
    epoch: int = 0
    lease: Lease = Lease(0, 0)
    stalled: frozenset[int] = frozenset()
    removed_at: int = 0


class Note(NamedTuple):
    """Something worth a journal entry: its kind and its fields, as JSON-able pairs."""

    kind: str
    fields: tuple[tuple[str, object], ...]


def start(addresses: tuple[tuple[str, tuple[str, ...]], ...]) -> Store:
    """A store in its steady state: generation 1 is planned and live at every endpoint of `addresses`."""
    first = DnsPlan(1, tuple(targets for _, targets in addresses))
    endpoints = tuple(name for name, _ in addresses)
    return Store(endpoints, (first,), 1, tuple(Pointer(1, 0) for _ in endpoints))


def find(store: Store, generation: int) -> DnsPlan | None:
    """The plan of that generation, or None when it was deleted or never was."""
    for plan in reversed(store.plans):
        if plan.generation == generation:
            return plan
    return None


def newest_plan(store: Store) -> DnsPlan:
    """The plan of the newest generation, which is always there."""
    plan = find(store, store.newest)
    if plan is None:
        raise AssertionError("clean-up deletes only plans older than one that was applied")
    return plan


def answers(store: Store, endpoint: str) -> tuple[str, ...]:
    """The addresses the endpoint's record resolves to; none when its plan is gone. KeyError for an unknown endpoint."""
    if endpoint not in store.endpoints:
        raise KeyError(endpoint)
    return answers_at(store, store.endpoints.index(endpoint))


def answers_at(store: Store, index: int) -> tuple[str, ...]:
    """As `answers`, by the endpoint's place in the store."""
    plan = find(store, store.pointers[index].active)
    return plan.targets[index] if plan else ()


def applied(store: Store) -> int:
    """The newest generation that is live anywhere: what the enactor's one freshness check compares with."""
    return max(pointer.active for pointer in store.pointers)


def append(store: Store, targets: tuple[tuple[str, ...], ...]) -> Store:
    """The store with the next generation planned."""
    plan = DnsPlan(store.newest + 1, targets)
    return store._replace(plans=(*store.plans, plan), newest=plan.generation)


def install(store: Store, plan: DnsPlan, index: int) -> Store:
    """One transaction: write `plan`'s tree, point endpoint `index` at it, note the way back, move the lock."""
    pointers = list(store.pointers)
    pointers[index] = Pointer(plan.generation, pointers[index].active)
    return store._replace(plans=_with(store.plans, plan), pointers=tuple(pointers), epoch=store.epoch + 1)


def delete(store: Store, generations: tuple[int, ...]) -> Store:
    """The store without those plans; pointers are left as they are, even if that empties them."""
    return store._replace(plans=tuple(plan for plan in store.plans if plan.generation not in generations))


def restore(store: Store) -> tuple[Store, tuple[Note, ...]]:
    """The operator's repair by hand: every endpoint points at the newest plan again, whatever it pointed at.

    Nothing else can repair an emptied record, because an enactor must find the plan it replaces. The lock moves, so a
    transaction that was under way fails and starts over.
    """
    generation = newest_plan(store).generation
    pointers = tuple(Pointer(generation, generation) for _ in store.endpoints)
    emptied = [name for i, name in enumerate(store.endpoints) if not answers_at(store, i)]
    note = Note("restored", (("generation", generation), ("were_empty", emptied)))
    return store._replace(pointers=pointers, epoch=store.epoch + 1), (note,)


def active_plans_exist(store: Store) -> bool:
    """Invariant: no pointer names a plan that was deleted."""
    return all(find(store, pointer.active) is not None for pointer in store.pointers)


def never_empty(store: Store) -> bool:
    """Invariant: every record resolves to at least one address."""
    return all(answers_at(store, index) for index in range(len(store.endpoints)))


def never_backwards(before: Store, after: Store) -> bool:
    """Invariant of one transition: no endpoint moves to an older generation."""
    return all(new.active >= old.active for old, new in zip(before.pointers, after.pointers, strict=True))


def _with(plans: tuple[DnsPlan, ...], plan: DnsPlan) -> tuple[DnsPlan, ...]:
    """`plans` with `plan`'s tree written: as it was planned, even where clean-up had deleted or thinned it."""
    others = [other for other in plans if other.generation != plan.generation]
    return tuple(sorted((*others, plan), key=lambda item: item.generation))
