"""An enactor: takes the newest plan, checks once that it is newer, writes it endpoint by endpoint, cleans up.

Written as one atomic step it shows no fault in any schedule. The race lives in the gaps, so every gap is a step here:

    PICK      the newest plan seen              -> CHECK, or wait for a newer one
    CHECK     newer than what was last applied? -> TAKE, or give the run up.  Once per run: the defect
    TAKE      read the lock's epoch             -> WRITE, or back off while the lock cannot be had
    WRITE     one transaction for one endpoint  -> TAKE for the next endpoint, SCAN after the last
    SCAN      list the plans that are old       -> DELETE
    DELETE    delete them                       -> PICK

A transaction fails when the lock has moved since TAKE, and the enactor backs off and tries again, for as long as it
takes. Nothing bounds the time between CHECK and WRITE, and nothing at WRITE asks about generations. So a delayed
enactor writes an old plan over a newer one (`stale_apply`), and the clean-up of the enactor that wrote the newer one
deletes it (`cleanup.py`).

The batch of WRITE records the plan it replaces as the way back. If that plan is gone the batch cannot be made: the
enactor fails, gives the run up, picks the next plan, and fails again, for ever. All enactors run the same code, so all
of them do. That is why the automation could not repair what it had broken.

Fixes that act here (`dns_plans.RaceFix`): `recheck` looks at the endpoint's generation before TAKE; `compare_and_set`
looks inside the transaction; the leases allow one run at a time, `lease_fencing` also refuses the writes of a lease
that is lost; `refuse_empty` refuses a plan without addresses; `self_heal` writes without a way back if there is none.

`move` is timeless and the whole state is a value, so the explorer can schedule it; `step` adds the seconds.
Source: `dns_plans.py`. The single freshness check is AWS's own account; TAKE and WRITE follow the talk.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from harness.flows import cleanup, dns_plans
from harness.flows.dns_control import QUICK_RETRIES, ControlSpec, Pause, enactor_name, pause_s
from harness.flows.dns_plans import LEASES, DnsPlan, Lease, Note, RaceFix, Store


class Phase(StrEnum):
    """The step an enactor takes next."""

    PICK = "pick"
    CHECK = "check"
    RECHECK = "recheck"  # with the fix of that name only
    TAKE = "take"
    WRITE = "write"
    SCAN = "scan"
    DELETE = "delete"


class Enactor(NamedTuple):
    """The whole state of one enactor. Generation 0 and lease number 0 mean none."""

    number: int  # 1, 2, ...
    phase: Phase = Phase.PICK
    seen: int = 1  # the newest generation this enactor is done with, one way or another
    plan: DnsPlan | None = None  # the plan of this run: content and all, so that it can be written even after deletion
    endpoint: int = 0  # the place of the endpoint to write next
    epoch: int = 0  # the lock's epoch as read by TAKE
    lease: int = 0  # the number of the lease this run holds, or believes it holds
    retries: int = 0  # refusals in a row, counted no further than the back-off needs
    doomed: tuple[int, ...] = ()
    stuck: bool = False  # a run failed for want of a current plan, and none has come to its end since


class Move(NamedTuple):
    """What one step leads to."""

    state: Enactor
    store: Store
    notes: tuple[Note, ...] = ()
    pause: Pause = Pause.NOTHING


def step(
    spec: ControlSpec, state: Enactor, store: Store, now_s: float
) -> tuple[Enactor, Store, tuple[Note, ...], float]:
    """As `move`, with the seconds until the next step."""
    moved = move(spec, state, store)
    wait_s = pause_s(spec, moved.pause, moved.state.number, moved.state.retries, now_s)
    return moved.state, moved.store, moved.notes, wait_s


def move(spec: ControlSpec, state: Enactor, store: Store) -> Move:
    """The enactor's next step. A step that changes neither state nor store waits for somebody else's."""
    if state.phase is Phase.PICK:
        return _pick(spec, state, store)
    plan = state.plan
    if plan is None:
        raise AssertionError(f"az{state.number} is in {state.phase} without a plan")
    match state.phase:
        case Phase.CHECK:
            if plan.generation <= dns_plans.applied(store):
                return _give_up(state, store)
            return Move(state._replace(phase=_first(spec), endpoint=0), store)
        case Phase.RECHECK:
            if plan.generation < store.pointers[state.endpoint].active:
                return _give_up(state, store, _refused(state, "a newer generation is live"))
            return Move(state._replace(phase=Phase.TAKE), store)
        case Phase.TAKE:
            return _take(spec, state, store, plan)
        case Phase.WRITE:
            return _write(spec, state, store, plan)
        case Phase.SCAN:
            found = cleanup.doomed(spec, store, plan.generation)
            if not found:
                return _give_up(state, store)
            return Move(state._replace(phase=Phase.DELETE, doomed=found), store)
        case Phase.DELETE:
            if spec.race_fix is RaceFix.LEASE_FENCING and store.lease != Lease(state.number, state.lease):
                return _give_up(state, store, _refused(state, "the lease was lost"))
            store, notes = cleanup.remove(spec, store, state.number, plan.generation, state.doomed)
            return _give_up(state, store, *notes)


def _pick(spec: ControlSpec, state: Enactor, store: Store) -> Move:
    if store.newest <= state.seen:
        return Move(state, store, pause=Pause.PLAN)
    if spec.race_fix in LEASES and not state.lease:
        if store.lease.holder:
            return _blocked(state, store)
        lease = Lease(state.number, store.lease.number + 1)
        return Move(state._replace(lease=lease.number, retries=0), store._replace(lease=lease))
    return Move(state._replace(phase=Phase.CHECK, plan=dns_plans.newest_plan(store), retries=0), store)


def _take(spec: ControlSpec, state: Enactor, store: Store, plan: DnsPlan) -> Move:
    if state.endpoint == 0 and state.number in store.stalled:
        return _blocked(state._replace(phase=_first(spec)), store)
    if store.pointers[state.endpoint].active == plan.generation:  # another enactor has written this plan: nothing to do
        return _next(spec, state, store)
    return Move(state._replace(phase=Phase.WRITE, epoch=store.epoch), store, pause=Pause.WRITE)


def _write(spec: ControlSpec, state: Enactor, store: Store, plan: DnsPlan) -> Move:
    index = state.endpoint
    endpoint, active = store.endpoints[index], store.pointers[index].active
    if store.epoch != state.epoch:
        return _blocked(state._replace(phase=_first(spec)), store)
    if spec.race_fix is RaceFix.LEASE_FENCING and store.lease != Lease(state.number, state.lease):
        return _give_up(state, store, _refused(state, "the lease was lost", endpoint))
    if spec.race_fix is RaceFix.COMPARE_AND_SET and plan.generation < active:
        return _give_up(state, store, _refused(state, "a newer generation is live", endpoint))
    if spec.race_fix is RaceFix.REFUSE_EMPTY and not plan.targets[index]:
        return _give_up(state, store, _refused(state, "the plan has no addresses for it", endpoint))
    if spec.race_fix is not RaceFix.SELF_HEAL and dns_plans.find(store, active) is None:
        why = f"the current plan of {endpoint}, generation {active}, does not exist and cannot be kept as the way back"
        notes = () if state.stuck else (_note(state, "enactor_error", endpoint=endpoint, error=why),)
        return _give_up(state._replace(stuck=True), store, *notes)
    kind = "stale_apply" if plan.generation < active else "apply"
    note = _note(state, kind, endpoint=endpoint, replaced=active)
    return _next(spec, state, dns_plans.install(store, plan, index))._replace(notes=(note,))


def _next(spec: ControlSpec, state: Enactor, store: Store) -> Move:
    """The endpoint is done: on to the next, or to the clean-up after the last."""
    if state.endpoint + 1 < len(store.endpoints):
        return Move(state._replace(phase=_first(spec), endpoint=state.endpoint + 1, retries=0), store)
    return Move(state._replace(phase=Phase.SCAN, retries=0, stuck=False), store, pause=Pause.SETTLE)


def _blocked(state: Enactor, store: Store) -> Move:
    return Move(state._replace(retries=min(state.retries + 1, QUICK_RETRIES + 1)), store, pause=Pause.RETRY)


def _give_up(state: Enactor, store: Store, *notes: Note) -> Move:
    """The run is over, well or badly: release the lease if it is still ours, and look for the next plan."""
    if state.lease and store.lease == Lease(state.number, state.lease):
        store = store._replace(lease=Lease(0, state.lease))
    seen = state.plan.generation if state.plan else state.seen
    after = Enactor(state.number, seen=seen, stuck=state.stuck)
    return Move(after, store, notes, Pause.PLAN)


def _first(spec: ControlSpec) -> Phase:
    return Phase.RECHECK if spec.race_fix is RaceFix.RECHECK else Phase.TAKE


def _refused(state: Enactor, why: str, endpoint: str = "") -> Note:
    return _note(state, "note", text=f"write refused: {why}", endpoint=endpoint)


def _note(state: Enactor, kind: str, **fields: object) -> Note:
    generation = state.plan.generation if state.plan else 0
    return Note(kind, (("enactor", enactor_name(state.number)), ("generation", generation), *fields.items()))
