"""The lease reaper: ends a lease that has been held for too long, without a clock in the lease.

A lease with an expiry time in it would put time into the shared store, and two stores that differ only in a time would
be two states to explore. So expiry is somebody's step: the reaper looks twice per lease length, remembers which lease
it saw, and ends one that it sees a second time. A lease thus lives between half its length and its full length, and
the explorer may expire it at any moment, which is exactly the freedom real clocks have.

Expiry is what makes a lease safe against a dead holder, and unsafe against a slow one: the holder is not told, and
unless writes carry the lease's number (fencing) it goes on writing.
Source: Kleppmann, "How to do distributed locking", 2016; Gray and Cheriton, "Leases", SOSP 1989.
"""

from __future__ import annotations

from typing import NamedTuple

from harness.flows.dns_control import ControlSpec, Pause, pause_s
from harness.flows.dns_plans import Lease, Note, Store


class Reaper(NamedTuple):
    """The whole state: the number of the lease that was held at the last look, 0 for none."""

    watched: int = 0


def move(spec: ControlSpec, state: Reaper, store: Store) -> tuple[Reaper, Store, tuple[Note, ...], Pause]:
    """Look once: end the lease seen before, or remember the one held now."""
    held = store.lease.number if store.lease.holder else 0
    if held and held == state.watched:
        note = Note("note", (("text", f"lease {held} expired"), ("holder", store.lease.holder)))
        return Reaper(), store._replace(lease=Lease(0, held)), (note,), Pause.LEASE
    return Reaper(held), store, (), Pause.LEASE


def step(spec: ControlSpec, state: Reaper, store: Store, now_s: float) -> tuple[Reaper, Store, tuple[Note, ...], float]:
    """As `move`, with the seconds until the next step."""
    state, store, notes, pause = move(spec, state, store)
    return state, store, notes, pause_s(spec, pause, 0, 0, now_s)
