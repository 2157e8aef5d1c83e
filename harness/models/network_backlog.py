"""Changes on their way into the network: accepted at once, true later, and in the meantime a backlog.

An instance that starts or stops is a *change*: switches, routers and load balancers far away must learn of it. Whoever
asked is told "accepted" and goes on, so nothing pushes back: the line of changes can grow without anybody feeling it,
until instances that were started minutes ago still cannot be reached. The tempting model gives every change a fixed
delay; it has unlimited capacity, and so no backlog. Here the changes queue for workers:

    accepted  ->  line  ->  a worker carries it out  ->  applied: the instance is reachable, or gone

Two things are true of such a manager and matter. A later change of an instance must never be undone by an earlier one
that took longer, so each change has a number and the state only goes forward. And the more changes wait, the longer
each takes, because it must be put in order and merged with those before it:

    service time of a change = its own draw x (1 + cost x waiting / 100)

The waiting changes are those when the change is started; hence, whatever the run says of `service_draw`, times here are
drawn at the start. The second rule is a stand-in: of the outage of October 2025 it was published that propagation
latencies rose as the manager worked through its backlog of changes for new and terminated instances, and not why.

What is accepted is written down, so a crash loses work in progress and nothing else. Leaves out: collapsing an attach
and a detach that both still wait, and the many places a change must reach.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from harness import seeds
from harness.flows.wants import Cause
from harness.models.station import Done, Station, StationSpec
from harness.models.store_controls import StoreControls

ATTACH, DETACH = "attach", "detach"
PER = 100.0  # waiting changes that cost `cost`
_CHANGE = seeds.stream_id("network/change")
Params = Mapping[str, Any]


class Change(NamedTuple):
    """One accepted change; numbers rise in the order of acceptance, from 1."""

    number: int
    instance: int
    kind: str  # ATTACH or DETACH
    accepted_s: float
    criticality: int = 0


class Backlog:
    """The changes of one manager. Times are seconds from the run's zero."""

    def __init__(self, workers: StationSpec, cost: float, seed: int, now_s: float) -> None:
        """`cost`: extra service time for 100 waiting changes, as a share of a change's own."""
        self.station = Station(workers._replace(service_draw="start", cancellation=False), seed, now_s)
        self.controls = StoreControls(self.station, seed)
        self._cost = cost
        self._slowdown = 1.0  # by a fault
        self._jobs: dict[int, Change] = {}  # accepted and not yet applied, in order of acceptance
        self._under_way: dict[int, list[Change]] = {}  # the same by instance
        self._latest: dict[int, Change] = {}  # of each instance, as accepted
        self._applied: dict[int, Change] = {}  # of each instance, as the network knows it
        self.reachable = 0
        self.attached = 0
        self.accepted_total = self.propagated_total = self.dropped_total = 0
        self.last_propagation_s = 0.0

    @property
    def pending(self) -> int:
        """Changes accepted and not yet applied, those in the workers' hands included."""
        return len(self._jobs)

    def is_reachable(self, instance: int) -> bool:
        """Whether the network knows the instance."""
        applied = self._applied.get(instance)
        return applied is not None and applied.kind == ATTACH

    def is_new(self, instance: int, kind: str) -> bool:
        """False for what is wanted already: to attach again, or to detach what never was attached."""
        latest = self._latest.get(instance)
        return (DETACH if latest is None else latest.kind) != kind

    def number_of(self, instance: int) -> int:
        """The number of the latest change accepted for an instance, 0 for none."""
        latest = self._latest.get(instance)
        return 0 if latest is None else latest.number

    def accept(self, instance: int, kind: str, now_s: float, criticality: int = 0) -> Cause:
        """Put one change into the line: NONE, or why the workers' own admission refuses it."""
        self.settle(now_s)
        change = Change(self.accepted_total + 1, instance, kind, now_s, criticality)
        cause = self._offer(change, now_s)
        if cause is Cause.NONE:
            self.accepted_total += 1
            self._latest[instance] = change
            self.attached += 1 if kind == ATTACH else -1
            self._price(now_s)
        return cause

    def next_s(self) -> float:
        """When the next change is applied; inf for never."""
        return self.station.next_event_s()

    def settle(self, now_s: float) -> list[Change]:
        """Apply what has been carried out by now; the changes, in order."""
        applied = []
        while (at_s := self.station.next_event_s()) <= now_s:  # one by one: each is followed by another price
            for done in self.station.advance(at_s):
                applied += self._ended(done)
            self._price(at_s)
        return applied

    def latency(self, params: Params, now_s: float) -> None:
        """A fault: changes take longer. Raises ValueError for bad parameters and has then changed nothing."""
        self.settle(now_s)
        self.controls.on["latency"](params, now_s)
        factor = params.get("factor")
        self._slowdown = 1.0 if factor is None else float(factor)
        self._price(now_s)

    def heal_latency(self, now_s: float) -> None:
        """The end of that fault."""
        self.settle(now_s)
        self.controls.off["latency"](now_s)
        self._slowdown = 1.0
        self._price(now_s)

    def drop_queue(self, params: Params, now_s: float) -> dict[str, int]:
        """Forget what waits. What was to be attached stays out of reach; what was to be detached stays in it."""
        self.settle(now_s)
        dropped = self.controls.drop_queue(now_s)
        for done in dropped:
            self._ended(done)
        self._price(now_s)
        return {"dropped": len(dropped)}

    def crashed(self, now_s: float) -> None:
        """What the workers held is theirs no more; the changes are written down."""
        self.settle(now_s)
        self.station.lose_all(now_s)

    def restarted(self, now_s: float) -> None:
        """Take up every change that is written down and not applied, in the order of acceptance."""
        for job, change in list(self._jobs.items()):
            if self._offer(change, now_s) is not Cause.NONE:  # no room in the line of the new process
                self._ended(Done(job, Cause.DROPPED, change.accepted_s, math.nan, now_s, 0.0))
        self._price(now_s)

    def waiting(self, now_s: float) -> int:
        """Changes that no worker has begun."""
        self.settle(now_s)
        return round(self.station.gauges(now_s)["waiting_queue"])

    def cost_factor(self, waiting: float) -> float:
        """How many times its own draw a change takes that is started while so many wait, faults apart."""
        return 1.0 + self._cost * waiting / PER

    def gauges(self, now_s: float) -> dict[str, float]:
        """Levels and totals."""
        self.settle(now_s)
        seen = self.station.gauges(now_s)
        return {
            "waiting_changes": self.pending - seen["in_service"],  # also while the process is down
            "in_service": seen["in_service"],
            "slots": seen["slots"],
            "oldest_change_s": seen["oldest_wait_s"],
            "last_propagation_s": self.last_propagation_s,
            "cost_factor": self.cost_factor(seen["waiting_queue"]),
            "attached": float(self.attached),
            "reachable": float(self.reachable),
            "accepted_total": float(self.accepted_total),
            "propagated_total": float(self.propagated_total),
            "dropped_total": float(self.dropped_total),
            "refused_total": seen["refused_total"],
            "busy_s_total": seen["busy_s_total"],
        }

    def _offer(self, change: Change, now_s: float) -> Cause:
        job = seeds.mix(_CHANGE, change.number)
        cause = self.station.offer(job, now_s, math.inf, change.criticality)
        if cause is Cause.NONE and job not in self._jobs:
            self._jobs[job] = change
            self._under_way.setdefault(change.instance, []).append(change)
        return cause

    def _ended(self, done: Done) -> list[Change]:
        change = self._jobs.pop(done.attempt)
        others = self._under_way[change.instance]
        others.remove(change)
        if not others:
            del self._under_way[change.instance]
        if done.cause is not Cause.NONE:
            self._lost(change)
            return []
        self.propagated_total += 1
        self.last_propagation_s = done.ended_s - change.accepted_s
        before = self._applied.get(change.instance)
        if before is None or before.number < change.number:
            self._applied[change.instance] = change
            self.reachable += (change.kind == ATTACH) - (before is not None and before.kind == ATTACH)
        return [change]

    def _lost(self, change: Change) -> None:
        """Nobody will carry it out: what is wanted is now what comes without it, so that it may be asked for anew."""
        self.dropped_total += 1
        if self._latest[change.instance] is not change:
            return
        others = self._under_way.get(change.instance)
        comes = others[-1] if others else self._applied.get(change.instance)
        if comes is None:
            del self._latest[change.instance]
        else:
            self._latest[change.instance] = comes
        self.attached += (comes is not None and comes.kind == ATTACH) - (change.kind == ATTACH)

    def _price(self, now_s: float) -> None:
        waiting = self.station.gauges(now_s)["waiting_queue"]
        self.station.set_slowdown(self._slowdown * self.cost_factor(waiting), now_s)
