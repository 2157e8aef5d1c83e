"""The region's services in virtual time: the same brains as live, with the heap where aiohttp stands.

    StoreServer    a station in front of a table store: the work happens when the station says Done, also for callers
                   who have gone
    AppServer      an app's brain: every request is a flow, and so is everything it does unasked

Both write the served rows that their live twins write, and offer faults and actions under the same names. What they
must not do is decide anything: a decision here would be a second implementation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from harness.flows.wants import Cause, Flow
from harness.models.apps.base import App, AppRequest, Response
from harness.models.station import Done, Station
from harness.models.store_controls import StoreControls
from harness.models.table import TableStore
from harness.record.rows import RowWriter
from harness.sim.conversation import Conversation
from harness.sim.heap import Heap, Ticket
from harness.sim.network import Caller, Exchange

Params = Mapping[str, Any]
Switch = tuple[Callable[[Params], None], Callable[[], None]]  # inject, heal


def _ns(at_s: float) -> int:
    return -1 if math.isnan(at_s) else round(at_s * 1e9)


class StoreServer:
    """The component `kv`: one station, one set of tables."""

    def __init__(
        self, heap: Heap, station: Station, seed: int, max_age_s: float, silent: bool, rows: RowWriter
    ) -> None:
        self.max_age_s = max_age_s
        self.station = station
        self.table = TableStore()
        self._heap = heap
        self._silent = silent
        self._rows = rows
        self._inside: dict[int, Exchange] = {}
        self._wake: Ticket | None = None
        self._controls = StoreControls(station, seed)
        self.faults = {name: self._fault(name) for name in ("latency", "capacity", "errors")}
        self.actions: dict[str, Callable[[Params], object]] = {
            "drop_queue": self._drop_queue,
            "add_capacity": self._add,
        }

    def arrive(self, exchange: Exchange) -> None:
        """Offer the request to the station."""
        want, now_s = exchange.want, self._heap.now_s
        if self._controls.hits(want.attempt_id):
            self._row(want.attempt_id, now_s, math.nan, now_s, 0.0, exchange)
            exchange.fail(Cause.INJECTED)
            return
        cause = self.station.offer(
            want.attempt_id, now_s, deadline_s=want.deadline_s, criticality=want.criticality, first_try=want.n == 0
        )
        if cause is Cause.NONE:
            self._inside[want.attempt_id] = exchange
        else:
            self._row(want.attempt_id, now_s, math.nan, now_s, 0.0, exchange)
            if not self._silent:
                exchange.fail(cause)
        self._settle()

    def gave_up(self, exchange: Exchange) -> None:
        """Tell the station; only with the convention `cancellation` does it change anything."""
        done = self.station.cancel(exchange.want.attempt_id, self._heap.now_s)
        if done is not None:
            self._done(done)
        self._settle()

    def gauges(self, now_s: float) -> dict[str, float]:
        """The station's readings."""
        return {**self.station.gauges(now_s), "items": float(self.table.items())}

    def close(self) -> None:
        """Write the rows of what is still inside."""
        for attempt, exchange in self._inside.items():
            self._rows.add(attempt, 0, _ns(exchange.arrived_s), -1, -1, 0, int(exchange.gone))
        self._inside.clear()

    def _settle(self) -> None:
        for done in self.station.advance(self._heap.now_s):
            self._done(done)
        next_s = self.station.next_event_s()
        if self._wake is not None:
            if self._wake.step is not None and self._wake.at_s == next_s:
                return
            self._wake.cancel()
        self._wake = self._heap.at(next_s, self._settle) if next_s < math.inf else None

    def _done(self, done: Done) -> None:
        exchange = self._inside.pop(done.attempt)
        self._row(done.attempt, done.arrived_s, done.began_s, done.ended_s, done.service_s, exchange)
        if done.cause is Cause.NONE:
            request = exchange.want.request
            answer = self.table.perform(request.operation, request.params, done.attempt, done.ended_s)
            if answer.status == 200:
                exchange.reply(answer.body)
            else:
                exchange.fail(Cause.CONFLICT if answer.status == 409 else Cause.SERVER_ERROR, status=answer.status)
        elif not self._silent:
            exchange.fail(Cause.DROPPED)

    def _row(
        self, attempt: int, arrived_s: float, began_s: float, ended_s: float, service_s: float, exchange: Exchange
    ) -> None:
        self._rows.add(attempt, 0, _ns(arrived_s), _ns(began_s), _ns(ended_s), _ns(service_s), int(exchange.gone))

    def _fault(self, name: str) -> Switch:
        def on(params: Params) -> None:
            self._controls.on[name](params, self._heap.now_s)
            self._settle()

        def off() -> None:
            self._controls.off[name](self._heap.now_s)
            self._settle()

        return on, off

    def _drop_queue(self, params: Params) -> dict[str, int]:
        dropped = self._controls.drop_queue(self._heap.now_s)
        for done in dropped:
            self._done(done)
        self._settle()
        return {"dropped": len(dropped)}

    def _add(self, params: Params) -> object:
        found = self._controls.add_capacity(params, self._heap.now_s)
        self._settle()
        return found


class AppServer:
    """A dependent app: its brain, and the caller through which it reaches others."""

    def __init__(
        self,
        heap: Heap,
        brain: App,
        caller: Caller,
        max_age_s: float,
        silent: bool,
        cancels: bool,
        late: bool,
        rows: RowWriter,
    ) -> None:
        self.max_age_s = max_age_s
        self.brain = brain
        self.caller = caller
        self.faults: dict[str, Switch] = {}
        self.actions: dict[str, Callable[[Params], object]] = {}
        self._heap = heap
        self._silent = silent
        self._cancels = cancels
        self._late = late
        self._rows = rows
        self._inside: dict[int, tuple[Exchange, float, Conversation]] = {}
        self._beside: set[Conversation] = set()
        self._wake: Ticket | None = None

    def arrive(self, exchange: Exchange) -> None:
        """Serve one request as a flow."""
        want, now_s = exchange.want, self._heap.now_s
        request = AppRequest(
            want.request.operation, want.request.params, want.attempt_id, want.op, want.deadline_s, want.criticality
        )

        def ended(response: Response) -> None:
            self._inside.pop(want.attempt_id, None)
            self._row(want.attempt_id, now_s, self._heap.now_s, exchange)
            if response.status == 200:
                exchange.reply(response.body)
                return
            cause = Cause[response.code.upper()] if response.code.upper() in Cause.__members__ else Cause.SERVER_ERROR
            if not (self._silent and cause in (Cause.QUEUE_FULL, Cause.THROTTLED)):
                exchange.fail(cause, status=response.status)

        talk = Conversation(self.brain.handle(request, now_s), self.caller, ended, self._stepped, self._late)
        self._inside[want.attempt_id] = (exchange, now_s, talk)
        talk.begin()

    def gave_up(self, exchange: Exchange) -> None:
        """With cancellation the flow ends with its caller; else it goes on."""
        if self._cancels and exchange.want.attempt_id in self._inside:
            _, came_s, talk = self._inside.pop(exchange.want.attempt_id)
            talk.abandon()
            self._row(exchange.want.attempt_id, came_s, self._heap.now_s, exchange)

    def gauges(self, now_s: float) -> dict[str, float]:
        """The brain's readings and the resolver's counters."""
        return {**self.brain.gauges(now_s), **self.caller.cache.gauges()}

    def close(self) -> None:
        """Cut what is under way and write its rows."""
        for attempt, (exchange, came_s, talk) in list(self._inside.items()):
            talk.cut()
            self._rows.add(attempt, 0, _ns(came_s), _ns(came_s), -1, 0, int(exchange.gone))
        for talk in list(self._beside):
            talk.cut()

    def _row(self, attempt: int, came_s: float, ended_s: float, exchange: Exchange) -> None:
        self._rows.add(attempt, 0, _ns(came_s), _ns(came_s), _ns(ended_s), 0, int(exchange.gone))

    def _stepped(self) -> None:
        for flow in self.brain.background(self._heap.now_s):
            self._start(flow)
        wake_s = self.brain.wake_s()
        if self._wake is not None:
            if self._wake.step is not None and self._wake.at_s == wake_s:
                return
            self._wake.cancel()
        self._wake = self._heap.at(wake_s, self._stepped) if wake_s < math.inf else None

    def _start(self, flow: Flow) -> None:
        talk = Conversation(flow, self.caller, lambda _: self._beside.discard(talk), self._stepped, self._late)
        self._beside.add(talk)
        talk.begin()
