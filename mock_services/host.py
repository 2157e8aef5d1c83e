"""Any component with a brain, on the wire: sockets, a resolver, one timer, and the faults of a process.

    POST /<operation>         any number of addresses, one brain behind them all
    faults and actions        the brain's own, those of the valve at its door, and `crash` and `partition`
    gauges                    the brain's, the valve's, the resolver's and the connections

Each attempt is a flow that the driver plays inside aiohttp's handler; what the brain does unasked is a flow in a task
of its own. The brain is asked for such flows after every step, since any step may have made one due, and by a timer
when it said so.

How it dies and is cut off is in `life.py`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from aiohttp import web

from harness import build as build_
from harness import seeds
from harness.errors import SpecError
from harness.flows.wants import Cause, Flow
from harness.models.apps.base import AppRequest, Response
from harness.models.component import Brain, Given
from harness.models.valve import Valve
from harness.policies.resolver import ResolverSpec
from harness.record.region import DNS_PORT
from harness.spec.experiment import Conventions
from harness.spec.knobs import Hosted
from harness.spec.region import KNOBS
from mock_services.alarm import Alarm
from mock_services.contract import Action, Component, Fault, Params, ServiceContext
from mock_services.driver import Driver
from mock_services.http_face import HttpFace, ServedLog, gone, read, refuse, reply
from mock_services.life import Life
from mock_services.outbound import Outbound
from mock_services.resolver import RegionResolver

_REFUSALS = frozenset({"queue_full", "throttled"})


async def host(context: ServiceContext) -> Component:
    """The component of this process. Raises SpecError for a bad mapping, RunError when a port is taken."""
    name = context.component
    experiment = context.plan.get("spec", {})
    try:
        knobs = KNOBS[name].model_validate(dict(context.spec))
        conventions = Conventions.model_validate(dict(experiment.get("conventions") or {}))
        resolver = build_.resolver_spec(knobs.client.resolver or knobs.resolver)
        build_.brain_of(name, knobs, _given(context, experiment, conventions, 0.0))  # what cannot work is told now
    except ValueError as error:
        raise SpecError(f"region.{name}: {error}") from error
    service = HostedService(context, knobs, resolver, conventions)
    service.bind()
    return service


def _given(context: ServiceContext, experiment: Mapping[str, Any], conventions: Conventions, now_s: float) -> Given:
    load = experiment.get("load") or {}
    users = build_.users_of({story: int(part.get("users") or 0) for story, part in load.items()}, context.component)
    return Given(
        context.seed, now_s, context.journal.write, tuple(context.region.places), users,
        conventions.service_draw, conventions.cancellation,
    )  # fmt: skip


class _Open(NamedTuple):
    """An attempt being served."""

    attempt: int  # 0 when the caller gave no id
    arrived_s: float
    transport: asyncio.BaseTransport | None
    task: asyncio.Task[Any] | None


class HostedService(Component):
    """One brain behind one HTTP face."""

    def __init__(
        self, context: ServiceContext, knobs: Hosted, resolver: ResolverSpec, conventions: Conventions
    ) -> None:
        super().__init__()
        self._context = context
        self._clock = context.clock
        self._knobs = knobs
        self._resolver_spec = resolver
        self._conventions = conventions
        self._life = Life(context, self._new_face, self._die, self._return, self._send_nothing_to)
        self._open: dict[object, _Open] = {}
        self._at_work: set[int] = set()  # attempts with an id
        self._duplicates = 0
        self._beside: set[asyncio.Task[Any]] = set()
        self._alarm = Alarm(self._clock, self._look)
        self._unnamed_stream = seeds.stream_id(f"{context.component}/unnamed")
        self._unnamed = 0

    def bind(self) -> None:
        """Take the component's addresses. Raises RunError when a port is taken."""
        self._life.bind()

    async def start(self) -> None:
        """See the contract."""
        context, now_s = self._context, self._clock.now_s()
        self._resolver = RegionResolver(self._resolver_spec, (context.region.dns_address, DNS_PORT), self._clock.now_s)
        self._outbound = Outbound(context.region, self._resolver, self._clock)
        given = _given(context, context.plan.get("spec", {}), self._conventions, now_s)
        self._brain: Brain = build_.brain_of(context.component, self._knobs, given)
        self._valve = Valve(context.seed, now_s)
        self._driver = Driver(
            self._clock, self._outbound, context.attempts(), context.targets(), self._conventions.late_replies,
            self._look,
        )  # fmt: skip
        self._served = ServedLog(context.served())
        for name, switch in {**self._valve.faults, **self._brain.faults}.items():
            self.faults[name] = self._fault(switch.on, switch.off)
        self.faults.update(self._life.faults)
        for name, deed in {**self._valve.actions, **self._brain.actions}.items():
            self.actions[name] = self._action(deed)
        await self._life.begin()
        self._look(self._clock.now_s())

    async def stop(self) -> None:
        """See the contract; attempts still open are written as unfinished."""
        self._driver.stopping = True
        self._alarm.off()
        await self._life.end()
        await self._end(list(self._beside))
        for attempt, arrived_s, transport, _ in self._open.values():
            self._served.add(attempt, arrived_s, arrived_s, math.nan, 0.0, gone(transport))
        await self._outbound.close()
        await self._resolver.close()

    def gauges(self) -> dict[str, float]:
        """See the module."""
        now_s = self._clock.now_s()
        return {
            **self._brain.gauges(now_s),
            **self._valve.gauges(now_s),
            **self._resolver.cache.gauges(),
            "down": float(self._life.down),
            "duplicate_attempts_total": float(self._duplicates),
            "connections": float(self._life.face.connections),
        }

    def export(self) -> dict[str, Any]:
        """What the brain knows."""
        return self._brain.export()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one attempt."""
        arrived_s = self._clock.now_s()
        transport = request.transport
        try:
            asked = await read(request)
        except ValueError as error:
            return reply(400, "bad_request", {"message": str(error)})
        face = self._life.face
        if self._life.deaf:
            return await face.hold(request)
        context = asked.context
        cause = self._valve.admit(asked.attempt, context.criticality, context.n == 0, arrived_s)
        if cause is not Cause.NONE:
            self._served.add(asked.attempt, arrived_s, math.nan, self._clock.now_s(), 0.0, gone(transport))
            silent = self._conventions.refusal == "silent" and cause is not Cause.INJECTED
            return await face.hold(request) if silent else refuse(cause)
        op = context.op if asked.attempt else self._ticket()
        about = AppRequest(
            asked.operation, asked.params, asked.attempt, op, context.deadline_s, context.criticality,
            context.layer, context.n,
        )  # fmt: skip
        if asked.attempt in self._at_work:
            self._duplicates += 1
            return reply(409, "duplicate_attempt", {"message": f"attempt {asked.attempt} is being served already"})
        if asked.attempt:
            self._at_work.add(asked.attempt)
        key = object()
        self._open[key] = _Open(asked.attempt, arrived_s, transport, asyncio.current_task())
        try:
            response: Response = await self._driver.play(self._brain.handle(about, arrived_s))
        except asyncio.CancelledError:
            if not self._driver.stopping:
                self._over(key, math.nan)
            raise
        refused = response.code in _REFUSALS
        self._over(key, math.nan if refused else response.began_s, refused=refused, service_s=response.service_s)
        if refused and self._conventions.refusal == "silent":
            return await face.hold(request)
        return reply(response.status, response.code, response.body, response.retry_after_s)

    def _new_face(self) -> HttpFace:
        max_age_s, cancels = self._knobs.connection.max_age_s, self._conventions.cancellation
        return HttpFace(self.handle, self._context.seed, max_age_s, cancels)

    def _over(self, key: object, began_s: float, *, refused: bool = False, service_s: float = 0.0) -> None:
        """Write the served row. An attempt that worked nobody's slot began when it came and held nothing."""
        attempt, arrived_s, transport, _ = self._open.pop(key)
        self._at_work.discard(attempt)
        if math.isnan(began_s) and not (refused or self._life.down):
            began_s = arrived_s
        self._served.add(attempt, arrived_s, began_s, self._clock.now_s(), service_s, gone(transport))

    def _ticket(self) -> int:
        """An operation number for an attempt that came without an id (a canary): far from those of the plan."""
        self._unnamed += 1
        return seeds.mix(self._context.seed, self._unnamed_stream, self._unnamed)

    def _send_nothing_to(self, component: str | None) -> None:
        self._outbound.cut_off(component)

    # What the brain does unasked

    def _look(self, now_s: float) -> None:
        """Start the flows that may go by now, and set the timer to when the next may."""
        if self._driver.stopping or self._life.down:
            return
        wake_s = self._brain.wake_s()
        if wake_s <= now_s:
            for flow in self._brain.background(now_s):
                self._start(flow)
            wake_s = self._brain.wake_s()
        self._alarm.set(wake_s, now_s)

    def _start(self, flow: Flow) -> None:
        task = asyncio.create_task(self._driver.play(flow))
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    async def _end(self, tasks: list[asyncio.Task[Any]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Faults and deeds

    def _fault(self, on: Callable[[Params, float], None], off: Callable[[float], None]) -> Fault:
        def inject(params: Params) -> None:
            on(params, self._clock.now_s())
            self._look(self._clock.now_s())

        def heal() -> None:
            off(self._clock.now_s())
            self._look(self._clock.now_s())

        return Fault(inject, heal)

    def _action(self, deed: Callable[[Params, float], object]) -> Action:
        def act(params: Params) -> object:
            found = deed(params, self._clock.now_s())
            self._look(self._clock.now_s())
            return found

        return act

    async def _die(self) -> None:
        self._alarm.off()
        await self._end([*(served.task for served in self._open.values() if served.task is not None), *self._beside])
        self._brain.crashed(self._clock.now_s())  # when every flow has closed: they give back what they hold

    def _return(self) -> None:
        self._brain.restarted(self._clock.now_s())
        self._look(self._clock.now_s())
