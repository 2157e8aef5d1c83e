"""One enactor, step by step, and what each fix changes in it."""

from __future__ import annotations

from harness.flows import cleanup, dns_plans, enactor
from harness.flows.dns_control import ControlSpec, Pause
from harness.flows.dns_plans import DnsPlan, Lease, Pointer, RaceFix, Store
from harness.flows.enactor import Enactor, Phase

ADDRESSES = (("kv", ("a", "b")), ("queue", ("c",)))
SPEC = ControlSpec(keep_generations=1)


def planned(generations: int) -> Store:
    """A store where generation 1 is live and `generations` exist."""
    store = dns_plans.start(ADDRESSES)
    for _ in range(generations - 1):
        store = dns_plans.append(store, (("b", "a"), ("c",)))
    return store


def live(store: Store, generation: int) -> Store:
    """The store with `generation` live everywhere."""
    return store._replace(pointers=tuple(Pointer(generation, generation - 1) for _ in store.endpoints))


def walk(spec: ControlSpec, state: Enactor, store: Store, steps: int) -> tuple[Enactor, Store, list[str], list[Pause]]:
    notes: list[str] = []
    pauses = []
    for _ in range(steps):
        state, store, said, pause = enactor.move(spec, state, store)
        notes += [note.kind for note in said]
        pauses.append(pause)
    return state, store, notes, pauses


def stale(spec: ControlSpec, phase: Phase) -> tuple[Enactor, Store]:
    """An enactor that holds generation 2, at `phase` of its first endpoint, while generation 5 is live."""
    store = live(planned(5), 5)
    plan = dns_plans.find(store, 2)
    return Enactor(1, phase, plan=plan, epoch=store.epoch), store


def test_a_run_takes_every_gap_one_step_at_a_time() -> None:
    state, store = Enactor(1), planned(3)
    phases = []
    for _ in range(8):
        phases.append(state.phase)
        state, store, _, _ = enactor.move(SPEC, state, store)
    assert phases == ["pick", "check", "take", "write", "take", "write", "scan", "delete"]
    assert state == Enactor(1, seen=3)
    assert [plan.generation for plan in store.plans] == [2, 3]
    assert store.pointers == (Pointer(3, 1), Pointer(3, 1))


def test_the_pauses_of_a_run_are_its_writes_and_the_wait_before_the_clean_up() -> None:
    pauses = walk(SPEC, Enactor(1), planned(3), 8)[3]
    none, write = Pause.NOTHING, Pause.WRITE
    assert pauses == [none, none, write, none, write, Pause.SETTLE, none, Pause.PLAN]


def test_with_no_newer_plan_nothing_changes() -> None:
    state, store = Enactor(1), planned(1)
    assert enactor.move(SPEC, state, store) == (state, store, (), Pause.PLAN)


def test_the_check_gives_up_a_plan_that_is_already_live() -> None:
    store = live(planned(3), 3)
    state = Enactor(1, Phase.CHECK, plan=dns_plans.find(store, 3))
    assert enactor.move(SPEC, state, store) == (Enactor(1, seen=3), store, (), Pause.PLAN)


def test_a_transaction_fails_when_the_lock_has_moved_and_is_tried_again() -> None:
    state, store, _, _ = walk(SPEC, Enactor(1), planned(3), 3)
    other = dns_plans.install(store, dns_plans.newest_plan(store), 1)
    state, store, notes, pause = enactor.move(SPEC, state, other)
    assert (state.phase, state.retries, store, notes, pause) == (Phase.TAKE, 1, other, (), Pause.RETRY)
    state, store, _, _ = walk(SPEC, state, store, 2)
    assert store.pointers == (Pointer(3, 1), Pointer(3, 1))
    assert state.retries == 0


def test_a_plan_another_enactor_has_written_is_not_written_twice() -> None:
    store = live(planned(3), 3)
    state = Enactor(1, Phase.TAKE, plan=dns_plans.find(store, 3))
    state, after, notes, _ = enactor.move(SPEC, state, store)
    assert (state.endpoint, after, notes) == (1, store, ())


def test_a_stalled_enactor_backs_off_and_its_retries_stop_counting() -> None:
    store = planned(3)._replace(stalled=frozenset({1}))
    state, after, _, pauses = walk(SPEC, Enactor(1), store, 30)
    assert after == store
    assert state.retries == 4  # else every retry would be another state
    assert pauses[2:] == [Pause.RETRY] * 28


def test_a_stall_does_not_catch_an_enactor_that_is_already_writing() -> None:
    state, store, _, _ = walk(SPEC, Enactor(1), planned(3), 4)
    state, store, _, _ = walk(SPEC, state, store._replace(stalled=frozenset({1})), 2)
    assert store.pointers == (Pointer(3, 1), Pointer(3, 1))


def test_a_delayed_enactor_writes_an_old_plan_over_a_newer_one() -> None:
    state, store = stale(SPEC, Phase.TAKE)
    _, store, notes, _ = walk(SPEC, state, store, 2)
    assert notes == ["stale_apply"]
    assert store.pointers[0] == Pointer(2, 5)


def test_clean_up_deletes_a_live_plan_because_it_goes_by_age() -> None:
    store = planned(5)._replace(pointers=(Pointer(2, 5), Pointer(5, 4)))
    assert cleanup.doomed(SPEC, store, 5) == (1, 2, 3)
    after, notes = cleanup.remove(SPEC, store, 2, 5, (1, 2, 3))
    assert [note.kind for note in notes] == ["clean", "active_plan_deleted"]
    assert dict(notes[1].fields) == {"endpoint": "kv", "generation": 2, "enactor": "az2"}
    assert dns_plans.answers(after, "kv") == ()
    assert dns_plans.answers(after, "queue") == ("c",)


def test_an_enactor_without_the_current_plan_fails_once_aloud_and_for_ever() -> None:
    store = dns_plans.delete(live(planned(6), 2), (2,))
    state, after, notes, _ = walk(SPEC, Enactor(1), store, 4)
    assert (state, after, notes) == (Enactor(1, seen=6, stuck=True), store, ["enactor_error"])
    for _ in range(20):
        store = dns_plans.append(store, (("a",), ("c",)))
        state, after, notes, _ = walk(SPEC, state, store, 4)
        assert (after, notes, state.stuck) == (store, [], True)
    restored, _ = dns_plans.restore(dns_plans.append(store, (("a",), ("c",))))
    state, after, notes, _ = walk(SPEC, state, dns_plans.append(restored, (("a",), ("c",))), 6)
    assert (notes, state.stuck) == (["apply", "apply"], False)


def test_self_heal_writes_without_a_way_back() -> None:
    spec = SPEC._replace(race_fix=RaceFix.SELF_HEAL)
    store = dns_plans.delete(live(planned(6), 2), (2,))
    _, after, notes, _ = walk(spec, Enactor(1), store, 6)
    assert notes == ["apply", "apply"]
    assert dns_plans.never_empty(after)


def test_compare_and_set_refuses_inside_the_transaction() -> None:
    spec = SPEC._replace(race_fix=RaceFix.COMPARE_AND_SET)
    state, store = stale(spec, Phase.WRITE)
    state, after, (note,), _ = enactor.move(spec, state, store)
    assert after == store
    assert state == Enactor(1, seen=2)
    assert dict(note.fields)["text"] == "write refused: a newer generation is live"


def test_recheck_refuses_before_the_transaction_but_not_inside_it() -> None:
    spec = SPEC._replace(race_fix=RaceFix.RECHECK)
    state, store = stale(spec, Phase.RECHECK)
    assert enactor.move(spec, state, store).state == Enactor(1, seen=2)
    state, store = stale(spec, Phase.WRITE)
    assert [note.kind for note in enactor.move(spec, state, store).notes] == ["stale_apply"]


def test_a_lease_lets_one_enactor_run_and_is_given_back() -> None:
    spec = SPEC._replace(race_fix=RaceFix.LEASE_NO_FENCING)
    state, store, _, _ = walk(spec, Enactor(1), planned(3), 1)
    assert store.lease == Lease(1, 1)
    assert enactor.move(spec, Enactor(2), store).pause is Pause.RETRY
    state, store, _, _ = walk(spec, state, store, 8)
    assert state == Enactor(1, seen=3)
    assert store.lease == Lease(0, 1)


def test_a_lost_lease_is_noticed_only_with_fencing() -> None:
    for fix, written in ((RaceFix.LEASE_NO_FENCING, ["stale_apply"]), (RaceFix.LEASE_FENCING, ["note"])):
        spec = SPEC._replace(race_fix=fix)
        state, store = stale(spec, Phase.WRITE)
        state, store = state._replace(lease=1), store._replace(lease=Lease(2, 2))
        moved = enactor.move(spec, state, store)
        assert [note.kind for note in moved.notes] == written
        assert moved.store.lease == Lease(2, 2)  # nobody gives back another's lease


def test_reachability_spares_what_is_live_and_the_way_back() -> None:
    spec = SPEC._replace(race_fix=RaceFix.REACHABILITY)
    store = planned(5)._replace(pointers=(Pointer(2, 3), Pointer(5, 4)))
    after, _ = cleanup.remove(spec, store, 2, 5, (1, 2, 3))
    assert [plan.generation for plan in after.plans] == [2, 3, 4, 5]


def test_refuse_empty_spares_only_what_is_live_and_refuses_plans_without_addresses() -> None:
    spec = SPEC._replace(race_fix=RaceFix.REFUSE_EMPTY)
    store = planned(5)._replace(pointers=(Pointer(2, 3), Pointer(5, 4)))
    after, _ = cleanup.remove(spec, store, 2, 5, (1, 2, 3))
    assert [plan.generation for plan in after.plans] == [2, 4, 5]
    state = Enactor(1, Phase.WRITE, plan=DnsPlan(6, ((), ("c",))), epoch=store.epoch)
    assert enactor.move(spec, state, store).store == store


def test_a_velocity_limit_takes_one_address_a_period() -> None:
    spec = SPEC._replace(race_fix=RaceFix.VELOCITY_LIMIT)
    store = planned(5)._replace(pointers=(Pointer(2, 5), Pointer(5, 4)))
    store, _ = cleanup.remove(spec, store, 2, 5, (1, 2, 3))
    assert [plan.generation for plan in store.plans] == [2, 4, 5]
    assert len(dns_plans.answers(store, "kv")) == 1
    again, notes = cleanup.remove(spec, store, 3, 5, (2,))
    assert (again, notes) == (store, ())
    later = dns_plans.append(store, (("a",), ("c",)))
    emptied, notes = cleanup.remove(spec, later, 3, 5, (2,))
    assert dns_plans.answers(emptied, "kv") == ()
    assert [note.kind for note in notes] == ["clean", "active_plan_deleted"]
