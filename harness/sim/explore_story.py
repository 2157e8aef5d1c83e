"""A failing schedule as a story, and the table of fixes it is held against.

A schedule is a list of names; a person needs to see who knew what when. Each step is told from the real values before
and after it and from the notes the step itself left, the ones that go into the journal of a run, so that the story of a
search and the journal of its replay use the same words.

`CLAIMS` is what the analysis of the event says each fix stops and does not stop, as far as it speaks of the four
invariants; `differences` finds where the search says otherwise. Source: AWS's summary and its readers, see
`harness.flows.dns_plans`; the velocity limit is claimed against sudden loss only, which is none of the four.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.flows import dns_plans
from harness.flows.dns_plans import Note, RaceFix, Store
from harness.flows.dns_system import PLANNER, REAPER, System
from harness.flows.enactor import Phase
from harness.sim.explore import Finding, Invariant, Verdict
from harness.sim.explore_trace import Schedule

_EXISTS, _EMPTY = Invariant.ACTIVE_PLAN_EXISTS, Invariant.NEVER_EMPTY
_BACK, _PROGRESS = Invariant.NEVER_BACKWARDS, Invariant.CAN_MAKE_PROGRESS
_HOLDS, _FAILS = Verdict.PROVED, Verdict.REFUTED

CLAIMS: dict[RaceFix, dict[Invariant, Verdict]] = {
    RaceFix.NONE: {_EXISTS: _FAILS, _EMPTY: _FAILS, _BACK: _FAILS, _PROGRESS: _FAILS},
    RaceFix.RECHECK: {_EXISTS: _FAILS, _EMPTY: _FAILS, _BACK: _FAILS},  # shrinks the window only
    RaceFix.COMPARE_AND_SET: {_EXISTS: _HOLDS, _EMPTY: _HOLDS, _BACK: _HOLDS},
    RaceFix.LEASE_NO_FENCING: {_EXISTS: _FAILS, _EMPTY: _FAILS, _BACK: _FAILS},  # a paused holder writes on
    RaceFix.LEASE_FENCING: {_EXISTS: _HOLDS, _EMPTY: _HOLDS, _BACK: _HOLDS},
    RaceFix.REACHABILITY: {_EXISTS: _HOLDS, _EMPTY: _HOLDS, _BACK: _FAILS},  # the stale plan stays live
    RaceFix.REFUSE_EMPTY: {_EMPTY: _HOLDS, _BACK: _FAILS},
    RaceFix.SELF_HEAL: {_EMPTY: _FAILS, _PROGRESS: _HOLDS},  # the empty interval remains, its permanence does not
    RaceFix.VELOCITY_LIMIT: {_EMPTY: _FAILS},  # a slow drain
}

BROKEN: dict[Invariant, str] = {
    _EXISTS: "the active plan is deleted",
    _EMPTY: "a record is empty",
    _BACK: "a record moves to an older generation",
    _PROGRESS: "no continuation can make a later plan live; only an operator can",
}


def differences(findings: Iterable[Finding]) -> list[Finding]:
    """The settled findings that say otherwise than `CLAIMS`."""
    return [
        found
        for found in findings
        if found.verdict is not Verdict.UNSETTLED
        and found.verdict is not CLAIMS[found.fix].get(found.invariant, found.verdict)
    ]


def told(schedule: Schedule) -> list[str]:
    """One line a step: its number, who moved, what it did."""
    width = max(len(actor) for actor in schedule.actors)
    system, lines = schedule.start, []
    for number, (actor, moved) in enumerate(zip(schedule.actors, schedule.moves, strict=True), 1):
        said = _step(system, actor, moved.system, moved.notes) + _shrunk(system.store, moved.system.store)
        lines.append(f"{number:>4}  {actor:<{width}}  {said}")
        system = moved.system
    return lines


def _step(before: System, actor: str, after: System, notes: tuple[Note, ...]) -> str:
    if actor == PLANNER:
        return f"plans generation {after.store.newest}"
    if actor == REAPER:
        holder = before.store.lease.holder
        if notes:
            return f"sees az{holder} hold the same lease again and ends it"
        return f"sees that az{holder} holds the lease" if holder else "sees no lease"
    index = int(actor.removeprefix("az")) - 1
    return _enactor_step(before, index, after, {note.kind: dict(note.fields) for note in notes})


def _enactor_step(before: System, index: int, after: System, notes: dict[str, dict[str, object]]) -> str:
    old, new, store = before.enactors[index], after.enactors[index], before.store
    generation = old.plan.generation if old.plan else 0
    name, live = store.endpoints[old.endpoint], store.pointers[old.endpoint].active
    done = new.phase is Phase.PICK
    if "note" in notes:
        return f"is refused at {name} and gives up: {str(notes['note']['text']).removeprefix('write refused: ')}"
    match old.phase:
        case Phase.PICK if new.plan:
            return f"picks generation {new.plan.generation}"
        case Phase.PICK:
            return "takes the lease" if new.lease and not old.lease else "waits"
        case Phase.CHECK:
            newest = dns_plans.applied(store)
            if done:
                return f"checks: generation {generation} is no newer than {newest}, which is live; gives up"
            return f"checks, once: generation {generation} is newer than {newest}, the newest that is live"
        case Phase.RECHECK:
            return f"looks again: {name} has generation {live}, which is not newer than {generation}"
        case Phase.TAKE if new.phase is Phase.WRITE:
            return f"reads the lock, to write {name}"
        case Phase.TAKE:
            return "cannot have the lock" if new.retries else f"finds generation {generation} at {name} already"
        case Phase.WRITE if "apply" in notes:
            return f"writes generation {generation} to {name}, in place of {live}"
        case Phase.WRITE if "stale_apply" in notes:
            return f"writes generation {generation} to {name} over {live}, which is newer"
        case Phase.WRITE if done:
            return f"gives up: generation {live}, live at {name}, is gone"
        case Phase.WRITE:
            return "finds the lock moved; will retry"
        case Phase.SCAN:
            return f"lists what is older than its own {generation}: {_list(new.doomed)}" if new.doomed else "is done"
        case Phase.DELETE:
            deleted = notes.get("clean", {}).get("deleted")
            return f"deletes {_list(deleted)}" if isinstance(deleted, list) else "thins what it listed"


def _shrunk(before: Store, after: Store) -> str:
    """What endpoints lost by a step that did not write them."""
    said = ""
    for index, name in enumerate(after.endpoints):
        had, has = len(dns_plans.answers_at(before, index)), len(dns_plans.answers_at(after, index))
        if has < had and before.pointers[index] == after.pointers[index]:
            said += f"; {name} now resolves to {f'{has} of {had} addresses' if has else 'nothing'}"
    return said


def _list(generations: Iterable[int]) -> str:
    numbers = [str(generation) for generation in generations]
    return f"generation{'s' if numbers[1:] else ''} {', '.join(numbers)}"
