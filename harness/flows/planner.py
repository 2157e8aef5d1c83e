"""The planner: every period it appends a plan, and it never waits for anybody.

There is one planner, and its plans carry ever higher generations. It does not know which of them enactors have applied,
are applying or have given up on: planning and enacting are decoupled on purpose, so that either survives the other's
outage. The price is that any number of plans can pile up between an enactor's pick and its write.

    every plan_every:   plan[newest + 1] <- addresses behind each endpoint, turned by one place

The order of the targets turns with the generation and stands for the weights a real planner recomputes: no two
successive plans are the same record.

Leaves out: health and capacity of the targets; the race needs only that plans keep coming.
"""

from __future__ import annotations

from typing import NamedTuple

from harness.flows import dns_plans
from harness.flows.dns_control import ControlSpec, Pause, pause_s
from harness.flows.dns_plans import Note, Store


class Planner(NamedTuple):
    """The planner's whole state: the addresses behind each endpoint, in the store's order of endpoints."""

    addresses: tuple[tuple[str, ...], ...]


def move(spec: ControlSpec, state: Planner, store: Store) -> tuple[Planner, Store, tuple[Note, ...], Pause]:
    """Append the next generation."""
    generation = store.newest + 1
    targets = tuple(_turned(addresses, generation) for addresses in state.addresses)
    return state, dns_plans.append(store, targets), (Note("plan", (("generation", generation),)),), Pause.PLAN


def step(
    spec: ControlSpec, state: Planner, store: Store, now_s: float
) -> tuple[Planner, Store, tuple[Note, ...], float]:
    """As `move`, with the seconds until the next step."""
    state, store, notes, pause = move(spec, state, store)
    return state, store, notes, pause_s(spec, pause, 0, 0, now_s)


def _turned(addresses: tuple[str, ...], generation: int) -> tuple[str, ...]:
    by = generation % len(addresses) if addresses else 0
    return addresses[by:] + addresses[:by]
