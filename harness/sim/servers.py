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
from harness.sim.heap import Heap, Ticket, cancel
from harness.sim.network import Caller, Exchange

Params = Mapping[str, Any]
Switch = tuple[Callable[[Params], None], Callable[[], None]]  # inject, heal
_NO_CAUSE = Cause.NONE
_REFUSALS = (Cause.QUEUE_FULL, Cause.THROTTLED)


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
        self._wake_s = math.inf  # when it rings; inf when it does not
        self._controls = StoreControls(station, seed)
        self._erring = False  # the error fault is on
        self.faults = {name: self._fault(name) for name in ("latency", "capacity", "errors")}
        self.actions: dict[str, Callable[[Params], object]] = {
            "drop_queue": self._drop_queue,
            **{name: self._action(name) for name in ("add_capacity", "throttle_intake", "open_intake")},
        }

    def arrive(self, exchange: Exchange) -> None:
        """Offer the request to the station."""
        _, _, attempt, _, _, _, n, _, deadline_s, criticality = exchange.want
        now_s = self._heap.now_s
        if self._erring and self._controls.hits(attempt):
            self._row(attempt, now_s, math.nan, now_s, 0.0, exchange)
            exchange.fail(Cause.INJECTED)
            return
        cause = self.station.offer(attempt, now_s, deadline_s, criticality, first_try=n == 0)
        if cause is _NO_CAUSE:
            self._inside[attempt] = exchange
        else:
            self._row(attempt, now_s, math.nan, now_s, 0.0, exchange)
            if not self._silent:
                exchange.fail(cause)
        self._settle()

    def gave_up(self, exchange: Exchange) -> None:
        """Tell the station; only with the convention `cancellation` does it change anything."""
        if self.station.spec.cancellation:
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

    def _woken(self) -> None:
        self._wake_s = math.inf
        self._settle()

    def _settle(self) -> None:
        station, heap = self.station, self._heap
        next_s = station.next_event_s()
        if next_s <= heap.now_s:
            for done in station.advance(heap.now_s):
                self._done(done)
            next_s = station.next_event_s()
        if next_s != self._wake_s:
            if self._wake_s < math.inf and self._wake is not None:
                cancel(self._wake)
            self._wake = heap.at(next_s, self._woken) if next_s < math.inf else None
            self._wake_s = next_s

    def _done(self, done: Done) -> None:
        attempt, cause, arrived_s, began_s, ended_s, service_s = done
        exchange = self._inside.pop(attempt)
        if cause is _NO_CAUSE:
            self._rows.add(
                attempt, 0, round(arrived_s * 1e9), round(began_s * 1e9), round(ended_s * 1e9),
                round(service_s * 1e9), exchange.gone,
            )  # fmt: skip
            request = exchange.want.request
            answer = self.table.perform(request.operation, request.params, attempt, ended_s)
            if answer.status == 200:
                exchange.reply(answer.body)
            else:
                exchange.fail(Cause.CONFLICT if answer.status == 409 else Cause.SERVER_ERROR, status=answer.status)
            return
        self._row(attempt, arrived_s, began_s, ended_s, service_s, exchange)
        if not self._silent:
            exchange.fail(Cause.DROPPED)

    def _row(
        self, attempt: int, arrived_s: float, began_s: float, ended_s: float, service_s: float, exchange: Exchange
    ) -> None:
        self._rows.add(attempt, 0, _ns(arrived_s), _ns(began_s), _ns(ended_s), _ns(service_s), int(exchange.gone))

    def _fault(self, name: str) -> Switch:
        def on(params: Params) -> None:
            self._controls.on[name](params, self._heap.now_s)
            self._erring = self._erring or name == "errors"
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

    def _action(self, name: str) -> Callable[[Params], object]:
        def act(params: Params) -> object:
            found = self._controls.act[name](params, self._heap.now_s)
            self._settle()
            return found

        return act


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
        self.late = late  # whether its flows take late replies
        self.beside: dict[_Beside, None] = {}  # in the order in which they began
        self._rows = rows
        self._inside: dict[int, _Served] = {}
        self._wake: Ticket | None = None
        self._wake_s = math.inf

    def arrive(self, exchange: Exchange) -> None:
        """Serve one request as a flow."""
        _, (operation, params, _), attempt, _, op, _, _, _, deadline_s, criticality = exchange.want
        request = AppRequest(operation, params, attempt, op, deadline_s, criticality)
        talk = _Served(self, exchange, self.brain.handle(request, self._heap.now_s))
        self._inside[attempt] = talk
        talk.begin()

    def served(self, exchange: Exchange, came_s: float, response: Response) -> None:
        """A request's flow has ended: answer, with the row."""
        attempt = exchange.want.attempt_id
        self._inside.pop(attempt, None)
        self._row(attempt, came_s, self._heap.now_s, exchange)
        if response.status == 200:
            exchange.reply(response.body)
            return
        cause = Cause[response.code.upper()] if response.code.upper() in Cause.__members__ else Cause.SERVER_ERROR
        if not (self._silent and cause in _REFUSALS):
            exchange.fail(cause, status=response.status)

    def gave_up(self, exchange: Exchange) -> None:
        """With cancellation the flow ends with its caller; else it goes on."""
        if self._cancels and exchange.want.attempt_id in self._inside:
            talk = self._inside.pop(exchange.want.attempt_id)
            talk.abandon()
            self._row(exchange.want.attempt_id, talk.came_s, self._heap.now_s, exchange)

    def gauges(self, now_s: float) -> dict[str, float]:
        """The brain's readings and the resolver's counters."""
        return {**self.brain.gauges(now_s), **self.caller.cache.gauges()}

    def close(self) -> None:
        """Cut what is under way and write its rows."""
        for attempt, talk in list(self._inside.items()):
            talk.cut()
            came_ns = _ns(talk.came_s)
            self._rows.add(attempt, 0, came_ns, came_ns, -1, 0, int(talk.exchange.gone))
        for other in list(self.beside):
            other.cut()

    def _row(self, attempt: int, came_s: float, ended_s: float, exchange: Exchange) -> None:
        came_ns = round(came_s * 1e9)
        self._rows.add(attempt, 0, came_ns, came_ns, round(ended_s * 1e9), 0, exchange.gone)

    def stepped(self) -> None:
        """One of the flows went a step: start what the brain now wants besides, and keep to its alarm."""
        for flow in self.brain.background(self._heap.now_s):
            talk = _Beside(self, flow)
            self.beside[talk] = None
            talk.begin()
        wake_s = self.brain.wake_s()
        if wake_s != self._wake_s:
            if self._wake_s < math.inf and self._wake is not None:
                cancel(self._wake)
            self._wake = self._heap.at(wake_s, self._woken) if wake_s < math.inf else None
            self._wake_s = self._wake[0] if self._wake is not None else math.inf  # never in the past

    def _woken(self) -> None:
        self._wake_s = math.inf
        self.stepped()


class _Served(Conversation):
    """The flow of one request to an app."""

    __slots__ = ("_server", "came_s", "exchange")

    def __init__(self, server: AppServer, exchange: Exchange, flow: Flow) -> None:
        super().__init__(flow, server.caller, None, server.stepped, server.late)
        self._server = server
        self.exchange = exchange
        self.came_s = exchange.arrived_s

    def end(self, value: Response) -> None:
        """Answer the request."""
        self._server.served(self.exchange, self.came_s, value)


class _Beside(Conversation):
    """A flow that an app plays unasked."""

    __slots__ = ("_server",)

    def __init__(self, server: AppServer, flow: Flow) -> None:
        super().__init__(flow, server.caller, None, server.stepped, server.late)
        self._server = server

    def end(self, value: object) -> None:
        """It is over; nobody waits for it."""
        self._server.beside.pop(self, None)
