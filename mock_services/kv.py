"""The table store on the wire: a station decides when, a table store decides what, and this file only carries.

    POST /read, /write      see `harness.models.table`; any number of addresses, one station behind them all
    faults and actions      see `harness.models.store_controls`; and the end of the process (`life.py`)

A request is offered to the station as it arrives. When the station says it is done, its work takes effect, whether or
not anybody still waits for the answer: without cancellation a server does not know that its caller has gone, and that
is how capacity is wasted. There is one timer, at the station's next event; capacity does not depend on its punctuality.

    began, ended    the station's own times, exact; only the reply's bytes leave when the loop gets to it
    abandoned       the caller's connection was closed before the end
    attempt 0       the caller gave no attempt id: nobody recorded this one (a canary, somebody's curl)
"""

from __future__ import annotations

import asyncio
import math
from typing import Any

from aiohttp import web

from harness import seeds
from harness.build import station_spec
from harness.errors import SpecError
from harness.flows import wire
from harness.flows.wants import Cause
from harness.models.station import Done, Station, StationSpec
from harness.models.store_controls import StoreControls
from harness.models.table import Answer, TableStore
from harness.spec.components.kv import Kv
from harness.spec.experiment import Conventions
from mock_services.alarm import Alarm
from mock_services.contract import Action, Component, Fault, Params, ServiceContext
from mock_services.http_face import Asked, HttpFace, ServedLog, gone, read, refuse, reply
from mock_services.life import Life

_UNNAMED = seeds.stream_id("kv/unnamed")
_KNOWN = frozenset({"read", "write"})


async def build(context: ServiceContext) -> Component:
    """The store of this process. Raises SpecError for a bad mapping, RunError when a port is taken."""
    try:
        spec = Kv.model_validate(dict(context.spec))
        conventions = Conventions.model_validate(dict(context.plan.get("spec", {}).get("conventions") or {}))
        station = station_spec(spec, conventions)
    except ValueError as error:
        raise SpecError(f"region.kv: {error}") from error
    service = KvService(context, station, spec.connection.max_age_s, silent=conventions.refusal == "silent")
    service.bind()
    return service


class _Work:
    """A request that the station has, until it is done."""

    __slots__ = ("answer", "arrived_s", "asked", "transport", "waiter")

    def __init__(self, asked: Asked, arrived_s: float, transport: asyncio.BaseTransport | None) -> None:
        self.asked = asked
        self.arrived_s = arrived_s
        self.transport = transport
        self.answer: Answer | None = None
        self.waiter: asyncio.Future[None] | None = None


class KvService(Component):
    """One station and one store behind one HTTP face."""

    def __init__(
        self,
        context: ServiceContext,
        station: StationSpec,
        max_age_s: float | None = None,
        silent: bool = False,
    ) -> None:
        super().__init__()
        self.store = TableStore()
        self._context = context
        self._clock = context.clock
        self._spec = station
        self._silent = silent
        self._max_age_s = max_age_s
        self._life = Life(context, self._new_face, self._die, lambda: None)
        self._work: dict[int, _Work] = {}
        self._alarm = Alarm(self._clock, self._pump)
        self._unnamed = self._errors = self._duplicates = self._abandoned = 0
        self._last_wait_s = 0.0
        self.faults = {name: self._fault(name) for name in ("latency", "capacity", "errors")} | self._life.faults
        self.actions = {
            "drop_queue": self._drop_queue,
            **{name: self._action(name) for name in ("add_capacity", "throttle_intake", "open_intake")},
        }

    def bind(self) -> None:
        """Take the component's addresses. Raises RunError when a port is taken."""
        self._life.bind()

    async def start(self) -> None:
        """See the contract."""
        self._station = Station(self._spec, self._context.seed, self._clock.now_s())
        self._controls = StoreControls(self._station, self._context.seed)
        self._served = ServedLog(self._context.served())
        await self._life.begin()

    async def stop(self) -> None:
        """See the contract; what the station still has is written as unfinished."""
        self._pump(self._clock.now_s())
        self._alarm.off()
        await self._life.end()
        for work in self._work.values():
            self._served.add(work.asked.attempt, work.arrived_s, math.nan, math.nan, 0.0, gone(work.transport))
        self._work.clear()

    def gauges(self) -> dict[str, float]:
        """The station's, and what the face adds. `queue_delay_s`: the wait of the last job that was done, or of the
        oldest one waiting if that is longer."""
        now_s = self._clock.now_s()
        self._pump(now_s)
        seen = self._station.gauges(now_s)
        return {
            **seen,
            "queue_delay_s": max(self._last_wait_s, seen["oldest_wait_s"]) if self._work else 0.0,
            "abandoned_total": float(self._abandoned),
            "errors_injected_total": float(self._errors),
            "duplicate_attempts_total": float(self._duplicates),
            "items": float(self.store.items()),
            "replayed_writes_total": float(self.store.replayed_total),
            "write_conflicts_total": float(self.store.conflicts_total),
            "connections": float(self._life.face.connections),
            "connections_aged_total": float(self._life.face.aged_total),
        }

    def export(self) -> dict[str, Any]:
        """Tables and effect log (`TableStore.export`)."""
        return self.store.export()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one attempt."""
        arrived_s = self._clock.now_s()
        try:
            asked = await read(request)
        except ValueError as error:
            return reply(400, "bad_request", {"message": str(error)})
        face = self._life.face
        if self._life.deaf:
            return await face.hold(request)
        if asked.operation not in _KNOWN:
            return reply(404, "unknown_operation", {"message": f"no {asked.operation!r}; there are: read, write"})
        attempt = asked.attempt or self._ticket()
        if attempt in self._work:
            self._duplicates += 1
            return reply(409, "duplicate_attempt", {"message": f"attempt {attempt} is being served already"})
        if self._controls.hits(attempt):
            self._errors += 1
            self._served.add(asked.attempt, arrived_s, math.nan, arrived_s, 0.0, gone(request.transport))
            return refuse(Cause.INJECTED)
        context = asked.context
        now_s = self._clock.now_s()
        cause = self._station.offer(attempt, now_s, context.deadline_s, context.criticality, 0, context.n == 0)
        if cause is not Cause.NONE:
            self._served.add(asked.attempt, now_s, math.nan, now_s, 0.0, gone(request.transport))
            self._pump(now_s)
            return await face.hold(request) if self._silent else refuse(cause)
        work = self._work[attempt] = _Work(asked, now_s, request.transport)
        self._pump(now_s)
        if work.answer is None:
            await self._wait_for(attempt, work)
        answer = work.answer or Answer(503, "dropped", {})
        if self._silent and answer.code == "dropped":
            return await face.hold(request)
        return reply(answer.status, answer.code, answer.body)

    async def _wait_for(self, attempt: int, work: _Work) -> None:
        work.waiter = asyncio.get_running_loop().create_future()
        try:
            await work.waiter
        except asyncio.CancelledError:  # the caller went; with the convention `cancellation` so does the work
            now_s = self._clock.now_s()
            done = self._station.cancel(attempt, now_s)
            if done is not None:
                self._finish(done)
            self._pump(now_s)
            raise

    def _pump(self, now_s: float) -> None:
        """Let everything take effect that is done by `now_s`, and set the timer to what comes next."""
        for done in self._station.advance(now_s):
            self._finish(done)
        self._alarm.set(self._station.next_event_s(), now_s)

    def _finish(self, done: Done) -> None:
        work = self._work.pop(done.attempt, None)
        if work is None:
            return
        if done.cause is Cause.NONE:
            work.answer = self.store.perform(work.asked.operation, work.asked.params, done.attempt, done.ended_s)
            self._last_wait_s = done.began_s - done.arrived_s
        else:
            work.answer = Answer(wire.STATUS_OF.get(done.cause, 503), wire.code_of(done.cause), {})
        abandoned = gone(work.transport)
        self._abandoned += abandoned
        self._served.add(work.asked.attempt, done.arrived_s, done.began_s, done.ended_s, done.service_s, abandoned)
        if work.waiter is not None and not work.waiter.done():
            work.waiter.set_result(None)

    def _new_face(self) -> HttpFace:
        return HttpFace(self.handle, self._context.seed, self._max_age_s, self._spec.cancellation)

    async def _die(self) -> None:
        """All work inside is lost, also that in the slots; tables were written down."""
        now_s = self._clock.now_s()
        self._pump(now_s)
        self._station.lose_all(now_s)
        for work in self._work.values():
            self._served.add(work.asked.attempt, work.arrived_s, math.nan, now_s, 0.0, True)
            if work.waiter is not None:
                work.waiter.cancel()
        self._work.clear()
        self._pump(now_s)

    def _ticket(self) -> int:
        """A number for a request that came without an attempt id, so that it can be served like the others."""
        self._unnamed += 1
        return seeds.mix(self._context.seed, _UNNAMED, self._unnamed)

    def _fault(self, name: str) -> Fault:
        """A switch of the store's controls, on this service's clock."""

        def on(params: Params) -> None:
            now_s = self._clock.now_s()
            self._controls.on[name](params, now_s)
            self._pump(now_s)

        def off() -> None:
            now_s = self._clock.now_s()
            self._controls.off[name](now_s)
            self._pump(now_s)

        return Fault(on, off)

    def _drop_queue(self, params: Params) -> dict[str, Any]:
        now_s = self._clock.now_s()
        self._pump(now_s)
        dropped = self._controls.drop_queue(now_s)
        for done in dropped:
            self._finish(done)
        self._pump(now_s)
        return {"dropped": len(dropped)}

    def _action(self, name: str) -> Action:
        """An action of the store's controls, on this service's clock."""

        def act(params: Params) -> dict[str, Any]:
            now_s = self._clock.now_s()
            found = self._controls.act[name](params, now_s)
            self._pump(now_s)
            return found

        return act
