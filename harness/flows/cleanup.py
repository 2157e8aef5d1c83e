"""Clean-up: an enactor that has applied a plan deletes the plans much older than it, so the zone does not fill up.

The rule is by age: a plan is doomed when

    generation < mine - keep_generations

where `mine` is what *this* enactor just applied. Age is a stand-in for "nobody uses it", and the two come apart when
another enactor, long delayed, has just made an old plan live again: the clean-up then deletes the live plan, and the
record is empty at once. This is the only place where plans are deleted.

Choosing and deleting are separate steps, as in life: the list is made first. What the fixes change is the deletion,
which can look at the store in the same transaction:

    reachability      spares a plan that any endpoint's pointer or way back names. The record cannot be emptied; a stale
                      plan that was applied stays live until the next one.
    refuse_empty      spares a plan whose deletion would leave a record without addresses.
    velocity_limit    a live record loses at most one address per planning period; total loss at once becomes a slow
                      drain, which the next applied plan usually, but not certainly, overtakes.
    lease_fencing     refuses the deletion unless the enactor still holds the lease it ran under.

Leaves out: deleting one by one; the doomed go in one batch.
"""

from __future__ import annotations

from harness.flows import dns_plans
from harness.flows.dns_control import ControlSpec, enactor_name
from harness.flows.dns_plans import DnsPlan, Note, RaceFix, Store


def doomed(spec: ControlSpec, store: Store, mine: int) -> tuple[int, ...]:
    """The generations that are old enough to delete after applying `mine`."""
    return tuple(plan.generation for plan in store.plans if plan.generation < mine - spec.keep_generations)


def remove(
    spec: ControlSpec, store: Store, number: int, mine: int, generations: tuple[int, ...]
) -> tuple[Store, tuple[Note, ...]]:
    """One transaction of enactor `number`: delete `generations`, less what the fix spares."""
    live = frozenset(pointer.active for pointer in store.pointers)
    match spec.race_fix:
        case RaceFix.REACHABILITY:
            used = live | {pointer.rollback for pointer in store.pointers}
            goes = tuple(generation for generation in generations if generation not in used)
        case RaceFix.REFUSE_EMPTY:
            goes = tuple(generation for generation in generations if generation not in live)
        case RaceFix.VELOCITY_LIMIT:
            store, goes = _slowly(store, generations, live)
        case _:
            goes = generations
    goes = tuple(generation for generation in goes if dns_plans.find(store, generation) is not None)
    if not goes:
        return store, ()
    notes = [Note("clean", (("enactor", enactor_name(number)), ("mine", mine), ("deleted", list(goes))))]
    for endpoint, pointer in zip(store.endpoints, store.pointers, strict=True):
        if pointer.active in goes:
            fields = (("endpoint", endpoint), ("generation", pointer.active), ("enactor", enactor_name(number)))
            notes.append(Note("active_plan_deleted", fields))
    return dns_plans.delete(store, goes), tuple(notes)


def _slowly(store: Store, generations: tuple[int, ...], live: frozenset[int]) -> tuple[Store, tuple[int, ...]]:
    """The store with live doomed plans thinned by one address per endpoint, and the generations that may go whole."""
    goes = [generation for generation in generations if generation not in live]
    for generation in generations:
        plan = dns_plans.find(store, generation)
        if generation not in live or plan is None or store.removed_at >= store.newest:
            continue
        thin = DnsPlan(generation, tuple(targets[1:] for targets in plan.targets))
        others = tuple(thin if other.generation == generation else other for other in store.plans)
        store = store._replace(plans=others)
        if not any(targets for i, targets in enumerate(thin.targets) if store.pointers[i].active == generation):
            goes.append(generation)
    if any(generation in live for generation in generations):
        store = store._replace(removed_at=store.newest)
    return store, tuple(sorted(goes))
