"""The DNS automation in time: planner, enactors and clean-up on one small heap of logical time.

Each actor as its own timer would interleave as the operating system pleases: on a busy machine a timer that is 40 ms
late changes who writes first, and the race would come and go with the load on the host. Here a step is due at an exact
moment and runs *as of* that moment, in order of (due, birth), however late the driver calls `advance`. The driver
sets one timer, for `next_due_s`. So the interleaving depends on the knobs and on when a stall begins and ends, and on
nothing else; the simulated world runs the very same thing.

    due(next step of an actor) = due(this step) + pause

What comes from outside (a stall, the operator) acts at the moment it is given, after everything due by then.

After the operator's repair an enactor counts as failing until a run of it has come to its end.
Leaves out: sockets and names (`zone.py`), and journal files (events are returned).
"""

from __future__ import annotations

import heapq
import itertools
from typing import NamedTuple

from harness.flows import dns_system
from harness.flows.dns_control import ControlSpec, Pause, enactor_name, pause_s
from harness.flows.dns_plans import Note, Store
from harness.flows.dns_system import System


class Event(NamedTuple):
    """A note and the logical moment it happened, in seconds from zero."""

    t_s: float
    note: Note


class DnsAutomation:
    """Runs the automation's steps when they fall due. Methods take `now_s`, which must not go backwards.

    `addresses` gives the endpoints the plans manage: ((name, (address, ...)), ...), at least one.
    """

    def __init__(
        self, spec: ControlSpec, addresses: tuple[tuple[str, tuple[str, ...]], ...], now_s: float = 0.0
    ) -> None:
        self.spec = spec
        self.system: System = dns_system.start(spec, addresses)
        self._births = itertools.count()
        self._due: list[tuple[float, int, int, str]] = []
        for number, actor in enumerate(dns_system.actors(spec)):
            first = Pause.LEASE if actor == dns_system.REAPER else Pause.PLAN
            self._push(now_s + pause_s(spec, first, number, 0, now_s), number, actor)

    @property
    def store(self) -> Store:
        """What resolution answers from."""
        return self.system.store

    def next_due_s(self) -> float:
        """When the next step falls due."""
        return self._due[0][0]

    def advance(self, now_s: float) -> list[Event]:
        """Run every step due by `now_s`, in order, each as of its own moment."""
        events: list[Event] = []
        while self._due[0][0] <= now_s:
            due_s, _, number, actor = heapq.heappop(self._due)
            moved = dns_system.move(self.spec, self.system, actor)
            self.system = moved.system
            events += [Event(due_s, note) for note in moved.notes]
            enactors = self.system.enactors
            retries = enactors[number - 1].retries if 0 < number <= len(enactors) else 0
            self._push(due_s + pause_s(self.spec, moved.pause, number, retries, due_s), number, actor)
        return events

    def stall(self, enactor: str, now_s: float) -> list[Event]:
        """Keep `enactor` ("az1") from getting the lock for the first write of a run, until `unstall`.

        Only that gap, between its freshness check and its first write, is stretched; a run that is already writing goes
        on. Raises ValueError for an enactor that does not exist.
        """
        events = self.advance(now_s)
        self.system = dns_system.stall(self.system, self._number(enactor), True)
        return events

    def unstall(self, enactor: str, now_s: float) -> list[Event]:
        """Let `enactor` have the lock again; it finds out at its next retry."""
        events = self.advance(now_s)
        self.system = dns_system.stall(self.system, self._number(enactor), False)
        return events

    def restore(self, now_s: float) -> list[Event]:
        """The operator points every endpoint at the newest plan."""
        events = self.advance(now_s)
        self.system, notes = dns_system.restore(self.system)
        return events + [Event(now_s, note) for note in notes]

    def gauges(self) -> dict[str, float]:
        """active_gen (the oldest live one), newest_gen, plans, enactors_failing."""
        store = self.store
        return {
            "active_gen": float(min(pointer.active for pointer in store.pointers)),
            "newest_gen": float(store.newest),
            "plans": float(len(store.plans)),
            "enactors_failing": float(dns_system.failing(self.system)),
        }

    def _push(self, due_s: float, number: int, actor: str) -> None:
        heapq.heappush(self._due, (due_s, next(self._births), number, actor))

    def _number(self, enactor: str) -> int:
        names = [enactor_name(state.number) for state in self.system.enactors]
        if enactor not in names:
            raise ValueError(f"enactor: {enactor!r} does not exist; it is one of {', '.join(names)}")
        return names.index(enactor) + 1
