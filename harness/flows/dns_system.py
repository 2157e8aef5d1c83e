"""The whole DNS automation as one value: store, planner, enactors and lease reaper, and whose turn can be next.

One value means that a state can be kept, compared, put in a set, and continued in every possible way. The explorer
needs no more than this: from a system, every system that some actor's next step leads to.

    start(spec, addresses)       the steady state: generation 1 live everywhere, nobody under way
    actors(spec)                 their names: planner, az1, az2, ..., and reaper with a lease fix
    move(spec, system, actor)    one step of one actor, timeless
    enabled(spec, system)        the actors whose step would change anything

Leaves out: time. The live order of steps is in `harness.models.dns_automation`.
"""

from __future__ import annotations

from typing import NamedTuple

from harness.flows import dns_plans, enactor, lease_reaper, planner
from harness.flows.dns_control import ControlSpec, Pause, enactor_name
from harness.flows.dns_plans import LEASES, Note, Store
from harness.flows.enactor import Enactor
from harness.flows.lease_reaper import Reaper
from harness.flows.planner import Planner

PLANNER = "planner"
REAPER = "reaper"


class System(NamedTuple):
    """Everything there is to know about the automation at one moment."""

    store: Store
    planner: Planner
    enactors: tuple[Enactor, ...]
    reaper: Reaper


class Moved(NamedTuple):
    """One step of one actor."""

    system: System
    notes: tuple[Note, ...]
    pause: Pause


def start(spec: ControlSpec, addresses: tuple[tuple[str, tuple[str, ...]], ...]) -> System:
    """The steady state for `addresses` ((endpoint, addresses), ...). ValueError when there is no endpoint."""
    if not addresses:
        raise ValueError("endpoints: there are none; name at least one component for the plans to manage")
    store = dns_plans.start(addresses)
    enactors = tuple(Enactor(number) for number in range(1, spec.enactors + 1))
    return System(store, Planner(tuple(targets for _, targets in addresses)), enactors, Reaper())


def actors(spec: ControlSpec) -> tuple[str, ...]:
    """All actors, in a fixed order."""
    enactors = tuple(enactor_name(number) for number in range(1, spec.enactors + 1))
    return (PLANNER, *enactors, *((REAPER,) if spec.race_fix in LEASES else ()))


def move(spec: ControlSpec, system: System, actor: str) -> Moved:
    """The next step of `actor`, one of `actors(spec)`."""
    if actor == PLANNER:
        plans, store, notes, pause = planner.move(spec, system.planner, system.store)
        return Moved(system._replace(planner=plans, store=store), notes, pause)
    if actor == REAPER:
        reaper, store, notes, pause = lease_reaper.move(spec, system.reaper, system.store)
        return Moved(system._replace(reaper=reaper, store=store), notes, pause)
    index = actors(spec).index(actor) - 1
    moved = enactor.move(spec, system.enactors[index], system.store)
    enactors = (*system.enactors[:index], moved.state, *system.enactors[index + 1 :])
    return Moved(system._replace(enactors=enactors, store=moved.store), moved.notes, moved.pause)


def enabled(spec: ControlSpec, system: System) -> tuple[str, ...]:
    """The actors whose next step would change the system; the planner always can, so the explorer bounds its plans."""
    return tuple(actor for actor in actors(spec) if move(spec, system, actor).system != system)


def stall(system: System, number: int, stalled: bool) -> System:
    """The system with enactor `number` kept from the lock, or no longer kept."""
    now = system.store.stalled | {number} if stalled else system.store.stalled - {number}
    return system._replace(store=system.store._replace(stalled=now))


def restore(system: System) -> tuple[System, tuple[Note, ...]]:
    """The system after the operator's repair by hand; see `dns_plans.restore`."""
    store, notes = dns_plans.restore(system.store)
    return system._replace(store=store), notes


def failing(system: System) -> int:
    """How many enactors have failed for want of a current plan and have not completed a run since."""
    return sum(state.stuck for state in system.enactors)
