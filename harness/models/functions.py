"""`functions`: code run on demand. Synchronously, asynchronously, and from a queue, all on the same hosts.

    invoke {function?}         200 when it has run | 429 throttled TooManyRequestsException | 503 dependency Unhandled
    invoke_async {function?}   200 {accepted} at once; it runs when it can, is retried, may be given up or run twice

Each execution holds one of a bounded number of environments (`functions_environments.py`, `functions_executions.py`),
and only there do the three kinds of work meet. Asynchronous events wait in `functions_events.py`; messages of
`queue` are fetched by `pollers.py`. Hosts are a fixed number, or a `fleet.py` that follows the demand.

Operators can start the poller again (`restart_poller`), favour synchronous calls over background work while a backlog
drains (`prioritise_sync {share}`, ended by `treat_alike`), throw the event queue away (`drop_queue`), and add
concurrency. The fault `kill_poller` ends the poller's process and keeps it down while it lasts; after it, nobody
starts it but an operator.

A crash loses what runs: synchronous callers hear nothing, events run again, messages come back.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any, Final, NamedTuple

from harness.flows.client import Client
from harness.flows.wants import Answer, Flow, Want
from harness.models import fleet, pollers
from harness.models.apps.base import AppRequest, Response
from harness.models.component import Brain, Given, Params, Switch
from harness.models.fleet import Fleet
from harness.models.functions_environments import (
    ASYNC,
    CONCURRENCY,
    KINDS,
    POLLER,
    RAMP,
    REFUSALS,
    SYNC,
    Environments,
    EnvironmentsSpec,
)
from harness.models.functions_events import Event, Events, EventsSpec
from harness.models.functions_executions import Asked, Executions
from harness.models.pollers import STORE, Poller, PollerSpec, Ran
from harness.models.workplace import Workplace
from harness.policies import deeds

_REASONS: Final = {CONCURRENCY: "ConcurrentInvocationLimitExceeded", RAMP: "FunctionInvocationRateLimitExceeded"}


class FunctionsSpec(NamedTuple):
    """`slots` is the concurrency without a fleet. `sync_share` is for background work while synchronous goes first."""

    environments: EnvironmentsSpec
    events: EventsSpec
    slots: int
    mean_s: float  # of an execution, for what a refusal tells the fleet
    cold_start_s: float = 0.2
    async_share: float = 1.0
    sync_share: float = 0.25
    sync_first: bool = False
    touches_store: bool = False
    writes_results: bool = False  # of messages, also if nothing else touches the store
    poller: PollerSpec | None = None


class Functions(Brain):
    """The brain. `clients` are by target, for the components there are; `hosts` is None for a fixed number of them."""

    def __init__(
        self, spec: FunctionsSpec, place: Workplace, clients: dict[str, Client], hosts: Fleet | None, given: Given
    ) -> None:
        super().__init__(given.note)
        self.spec = spec
        self.place = place
        self.fleet = hosts
        self.environments = Environments(spec.environments, self._hosted(given.now_s), given.now_s)
        store = clients.get(STORE) if spec.touches_store or spec.writes_results else None
        self.executions = Executions(
            self.environments, place, store, hosts, spec.cold_start_s, spec.mean_s, results_only=not spec.touches_store
        )
        self.events = Events(spec.events, given.seed)
        self.poller: Poller | None = None
        if spec.poller is not None:
            self.poller = Poller(spec.poller, clients, self._batch, given.note, given.now_s)
        self.message_runs: dict[int, int] = {}  # message -> times its work was done
        self._added = 0
        self._fault_slots: int | None = None
        self._prioritise(spec.sync_first, None)
        self.faults = {
            "latency": Switch(*place.faults()["latency"]),
            "capacity": Switch(self._capacity, self._capacity_back),
            "kill_poller": Switch(self._kill_poller, self._let_poller),
        }
        self.actions = {
            "add_capacity": self._add_capacity,
            "drop_queue": lambda params, now_s: {"dropped": self.events.purge()},
            "restart_poller": self._restart_poller,
            "prioritise_sync": self._prioritise_sync,
            "treat_alike": self._treat_alike,
        }

    def handle(self, request: AppRequest, now_s: float) -> Generator[Want, Answer, Response]:
        """Serve `invoke` or `invoke_async`."""
        if request.operation == "invoke_async":
            number = self.events.accept(request.op, request.params.get("function"), now_s)
            if number is None:
                return Response(429, "throttled", {"error": "TooManyRequestsException", "reason": "EventQueueFull"})
            return Response(200, "", {"accepted": number})
        if request.operation != "invoke":
            there_are = "there are: invoke, invoke_async"
            return Response(404, "unknown_operation", {"message": f"no {request.operation!r}; {there_are}"})
        refusal, cold = self.executions.take(SYNC, now_s)
        if refusal:
            reason = _REASONS[refusal]
            return Response(429, "throttled", {"error": "TooManyRequestsException", "reason": reason})
        asked = Asked(SYNC, request.op, request.layer, request.attempt)
        ran = yield from self.executions.run(asked, cold, now_s)
        if ran.ok:
            return Response(200, "", {}, ran.began_s, ran.service_s)
        code = "dependency" if ran.worked else "dropped"
        return Response(503, code, {"error": "Unhandled"}, ran.began_s, ran.service_s)

    def background(self, now_s: float) -> list[Flow]:
        """Events that may run now, the poller's lanes, and the fleet's business."""
        self.place.settle(now_s)
        flows = super().background(now_s)
        if self.fleet is not None:
            flows += self.fleet.background(now_s)
            self._resize(now_s)
        if self.poller is not None:
            flows += self.poller.background(now_s)
        while self.events.next_s() <= now_s:
            event = self.events.take(now_s)
            if event is None:
                break
            refusal, cold = self.executions.take(ASYNC, now_s)
            if refusal:
                self.events.throttled(event, now_s)
            else:
                flows.append(self._event(event, cold, now_s))
        return flows

    def wake_s(self) -> float:
        """The next end of an execution, chance of an event, or business of fleet and poller."""
        next_s = min(super().wake_s(), self.place.next_s(), self.events.next_s())
        if self.poller is not None:
            next_s = min(next_s, self.poller.wake_s())
        return next_s if self.fleet is None else min(next_s, self.fleet.wake_s())

    def crashed(self, now_s: float) -> None:
        """What ran is lost; events and hosts are not."""
        self.place.crashed(now_s)
        self.environments.lose_all()
        self.events.crashed(now_s)
        if self.poller is not None:
            self.poller.crashed()
        if self.fleet is not None:
            self.fleet.crashed()

    def restarted(self, now_s: float) -> None:
        """A poller that was alive before is started again."""
        if self.poller is not None:
            self.poller.restarted(now_s)

    def gauges(self, now_s: float) -> dict[str, float]:
        """Environments by kind of work, refusals by kind and by reason, events, poller, fleet, and the station."""
        places, events = self.environments, self.events
        refused = places.refused_total
        found = {
            **self.place.gauges(now_s),
            "concurrency_limit": float(places.limit),
            "environments_busy": float(places.busy),
            "environments_warm": float(places.warm(now_s)),
            "cold_starts_total": float(places.cold_total),
            "background_share": places.share,
            **{f"{kind}_running": float(places.running[kind]) for kind in KINDS},
            **{f"{kind}_done_total": float(self.executions.done_total[kind]) for kind in KINDS},
            **{f"{kind}_failed_total": float(self.executions.failed_total[kind]) for kind in KINDS},
            **{f"throttled_{kind}_total": float(sum(refused[kind].values())) for kind in KINDS},
            **{f"throttled_{why}_total": float(sum(refused[kind][why] for kind in KINDS)) for why in REFUSALS},
            "waiting_async": float(events.waiting),
            "oldest_event_s": events.oldest_s(now_s),
            "events_accepted_total": float(events.accepted_total),
            "events_done_total": float(events.done_total),
            "events_failed_total": float(events.failed_total),
            "events_expired_total": float(events.expired_total),
            "events_retried_total": float(events.retried_total),
            "events_duplicates_total": float(events.duplicates_total),
            "message_duplicates_total": float(sum(runs - 1 for runs in self.message_runs.values())),
        }
        found |= dict.fromkeys(pollers.GAUGES, 0.0) if self.poller is None else self.poller.gauges()
        return found | (dict.fromkeys(fleet.GAUGES, 0.0) if self.fleet is None else self.fleet.gauges(now_s))

    def export(self) -> dict[str, Any]:
        """For the audit: how every event ended, and how often the work of each message was done."""
        events = self.events
        return {
            "events": {
                "accepted": events.accepted_total,
                "done": events.done_total,
                "failed": events.failed_total,
                "expired": events.expired_total,
                "purged": events.purged_total,
                "waiting": events.waiting,
                "running": len(events.running),
                "duplicates": events.duplicates_total,
            },
            "messages": [[number, runs] for number, runs in sorted(self.message_runs.items())],
        }

    # Work that nobody waits for

    def _event(self, event: Event, cold: bool, now_s: float) -> Generator[Want, Answer, None]:
        ran = yield from self.executions.run(Asked(ASYNC, event.op), cold, now_s)
        self.events.ran(event, ran.ok, ran.worked, ran.ended_s)

    def _batch(self, messages: list[dict[str, Any]], now_s: float) -> Generator[Want, Answer, Ran]:
        retry_s = self.spec.poller.retry_s if self.spec.poller is not None else math.inf
        refusal, cold = self.executions.take(POLLER, now_s, retry_s)
        if refusal:
            return Ran(False, refusal, now_s)
        bodies = (message["body"] for message in messages)
        keys = sorted({str(body["op"]) for body in bodies if isinstance(body, dict) and "op" in body})
        ran = yield from self.executions.run(Asked(POLLER, results=keys), cold, now_s)
        if ran.worked:
            for message in messages:
                self.message_runs[message["id"]] = self.message_runs.get(message["id"], 0) + 1
        return ran

    # Capacity, and what operators and faults do

    def _hosted(self, now_s: float) -> int:
        return self.spec.slots if self.fleet is None else self.fleet.slots(now_s)

    def _resize(self, now_s: float) -> None:
        limit = self._hosted(now_s) + self._added if self._fault_slots is None else self._fault_slots
        if limit != self.environments.limit:
            self.environments.set_limit(limit)
            self.place.station.set_slots(limit, now_s)

    def _capacity(self, params: Params, now_s: float) -> None:
        self._fault_slots = deeds.SLOTS_LEFT.of(params)
        self._resize(now_s)

    def _capacity_back(self, now_s: float) -> None:
        self._fault_slots = None
        self._resize(now_s)

    def _add_capacity(self, params: Params, now_s: float) -> dict[str, int]:
        self._added += deeds.SLOTS_MORE.of(params)
        self._resize(now_s)
        return {"slots": self._hosted(now_s) + self._added}

    def _kill_poller(self, params: Params, now_s: float) -> None:
        if self.poller is None:
            raise ValueError("functions have no poller here: there is no queue they depend on")
        self.poller.killed = True
        self.poller.die(now_s, "killed")

    def _let_poller(self, now_s: float) -> None:
        if self.poller is not None:
            self.poller.killed = False  # and it stays dead

    def _restart_poller(self, params: Params, now_s: float) -> dict[str, bool]:
        restarted = self.poller is not None and self.poller.restart(now_s)
        return {"restarted": restarted, "alive": self.poller is not None and self.poller.alive}

    def _prioritise_sync(self, params: Params, now_s: float) -> dict[str, float]:
        share = None if params.get("share") is None else deeds.SHARE_LEFT.of(params)
        self._prioritise(True, share)
        return {"background_share": self.environments.share}

    def _treat_alike(self, params: Params, now_s: float) -> dict[str, float]:
        self._prioritise(False, None)
        return {"background_share": self.environments.share}

    def _prioritise(self, on: bool, share: float | None) -> None:
        given = self.spec.sync_share if share is None else share
        self.environments.share = min(given, self.spec.async_share) if on else self.spec.async_share
