"""Mobile banking on the wire: `harness.models.apps.mobile_banking` with sockets, a resolver and one timer.

    POST /transfer, /balance      any number of addresses, one brain behind them all
    gauges                        the brain's, the resolver's and the connections

Each attempt of a user is a flow that the driver plays inside aiohttp's handler; each replay of the outbox is a flow in
a task of its own. The brain is asked for replays after every step, since any step may have opened the outbox, and by a
timer when it said so.
"""

from __future__ import annotations

import asyncio
import math
import socket
from typing import Any, NamedTuple

from aiohttp import web

from harness import seeds
from harness.build import banking_spec, resolver_spec
from harness.errors import SpecError
from harness.flows.wants import Flow
from harness.models.apps.base import AppRequest, Response
from harness.models.apps.mobile_banking import BankingSpec
from harness.models.apps.mobile_banking import MobileBanking as Brain
from harness.policies.resolver import ResolverSpec
from harness.record.region import DNS_PORT
from harness.spec.experiment import Conventions
from harness.spec.region import MobileBanking as BankingKnobs
from mock_services.contract import Component, ServiceContext
from mock_services.driver import Driver
from mock_services.http_face import HttpFace, ServedLog, gone, read, reply
from mock_services.outbound import Outbound
from mock_services.resolver import RegionResolver

NAME = "mobile_banking"
USERS = 400  # to prewarm when the experiment has no load for this app
_UNNAMED = seeds.stream_id("mobile_banking/unnamed")


async def build(context: ServiceContext) -> Component:
    """The app of this process. Raises SpecError for a bad mapping, RunError when a port is taken."""
    experiment = context.plan.get("spec", {})
    try:
        knobs = BankingKnobs.model_validate(dict(context.spec))
        conventions = Conventions.model_validate(dict(experiment.get("conventions") or {}))
        users = int(((experiment.get("load") or {}).get(NAME) or {}).get("users") or USERS)
        spec = banking_spec(knobs, users)
        resolver = resolver_spec(knobs.client.resolver or knobs.resolver)
    except ValueError as error:
        raise SpecError(f"region.{NAME}: {error}") from error
    socks = [context.bind_tcp(address, context.place.port) for address in context.place.addresses]
    return BankingService(context, spec, resolver, conventions, socks, knobs.connection.max_age_s)


class _Open(NamedTuple):
    """An attempt being served."""

    attempt: int  # 0 when the caller gave no id
    arrived_s: float
    transport: asyncio.BaseTransport | None


class BankingService(Component):
    """The app's brain behind one HTTP face."""

    def __init__(
        self,
        context: ServiceContext,
        spec: BankingSpec,
        resolver: ResolverSpec,
        conventions: Conventions,
        socks: list[socket.socket],
        max_age_s: float | None,
    ) -> None:
        super().__init__()
        self._context = context
        self._clock = context.clock
        self._spec = spec
        self._resolver_spec = resolver
        self._conventions = conventions
        self._socks = socks
        self._face = HttpFace(self.handle, context.seed, max_age_s, conventions.cancellation)
        self._open: dict[object, _Open] = {}
        self._replays: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = math.inf
        self._unnamed = 0

    async def start(self) -> None:
        """See the contract."""
        region = self._context.region
        self._resolver = RegionResolver(self._resolver_spec, (region.dns_address, DNS_PORT), self._clock.now_s)
        self._outbound = Outbound(region, self._resolver, self._clock)
        self._brain = Brain(self._spec, self._context.seed, self._clock.now_s())
        self._driver = Driver(
            self._clock, self._outbound, self._context.attempts(), self._context.targets(),
            self._conventions.late_replies, self._look,
        )  # fmt: skip
        self._served = ServedLog(self._context.served())
        await self._face.start(self._socks)

    async def stop(self) -> None:
        """See the contract; attempts still open are written as unfinished."""
        self._driver.stopping = True
        if self._timer is not None:
            self._timer.cancel()
        await self._face.stop()
        for task in self._replays:
            task.cancel()
        await asyncio.gather(*self._replays, return_exceptions=True)
        for attempt, arrived_s, transport in self._open.values():
            self._served.add(attempt, arrived_s, arrived_s, math.nan, 0.0, gone(transport))
        await self._outbound.close()
        await self._resolver.close()

    def gauges(self) -> dict[str, float]:
        """See the module."""
        return {
            **self._brain.gauges(self._clock.now_s()),
            **self._resolver.cache.gauges(),
            "connections": float(self._face.connections),
        }

    def export(self) -> dict[str, Any]:
        """What the app knows to be done, and what it still owes."""
        return self._brain.export()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one attempt of a user."""
        arrived_s = self._clock.now_s()
        transport = request.transport
        try:
            asked = await read(request)
        except ValueError as error:
            return reply(400, "bad_request", {"message": str(error)})
        context = asked.context
        op = context.op if asked.attempt else self._ticket()
        about = AppRequest(asked.operation, asked.params, asked.attempt, op, context.deadline_s, context.criticality)
        key = object()
        self._open[key] = _Open(asked.attempt, arrived_s, transport)
        try:
            response: Response = await self._driver.play(self._brain.handle(about, arrived_s))
        except asyncio.CancelledError:
            if not self._driver.stopping:
                self._end(key, self._clock.now_s())
            raise
        refused = response.code in ("queue_full", "throttled")
        self._end(key, self._clock.now_s(), refused)
        if refused and self._conventions.refusal == "silent":
            return await self._face.hold(request)
        return reply(response.status, response.code, response.body)

    def _end(self, key: object, ended_s: float, refused: bool = False) -> None:
        """Write the served row. An app has no worker slots, so it began at once and its service time is 0."""
        attempt, arrived_s, transport = self._open.pop(key)
        began_s = math.nan if refused else arrived_s
        self._served.add(attempt, arrived_s, began_s, ended_s, 0.0, gone(transport))

    def _ticket(self) -> int:
        """An operation number for an attempt that came without an id (a canary): far from those of the plan."""
        self._unnamed += 1
        return seeds.mix(self._context.seed, _UNNAMED, self._unnamed)

    def _look(self, now_s: float) -> None:
        """Start the replays that may go by now, and set the timer to when the next may."""
        if self._driver.stopping:
            return
        wake_s = self._brain.wake_s()
        if wake_s <= now_s:
            for flow in self._brain.background(now_s):
                self._start(flow)
            wake_s = self._brain.wake_s()
        if wake_s == self._timer_s:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_s = wake_s
        if wake_s < math.inf:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(loop.time() + max(0.0, wake_s - now_s), self._on_timer, wake_s)

    def _on_timer(self, due_s: float) -> None:
        self._timer = None
        self._timer_s = math.inf
        self._look(max(due_s, self._clock.now_s()))

    def _start(self, flow: Flow) -> None:
        task = asyncio.create_task(self._driver.play(flow))
        self._replays.add(task)
        task.add_done_callback(self._replays.discard)
