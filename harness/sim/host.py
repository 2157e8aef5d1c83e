"""Any component with a brain, in virtual time: the twin of `mock_services/host.py`.

Every request is a flow, and so is everything the brain does unasked. The host has the heap where its live twin has an
event loop, writes the same rows, and offers the same faults and actions: the brain's own, those of the valve at its
door, and the two that a process suffers as a whole:

    crash       what is under way breaks, new connections are refused, flows end, memory is lost; then it is back
    partition   with `to`: what it sends there never arrives; without: what is sent to it never arrives
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from harness.flows.wants import Cause, Flow
from harness.models.apps.base import AppRequest, Response
from harness.models.component import Brain
from harness.models.valve import Valve
from harness.record.rows import RowWriter
from harness.sim.conversation import Conversation
from harness.sim.heap import Heap, Ticket, cancel
from harness.sim.network import Caller, Exchange

Params = Mapping[str, Any]
Switch = tuple[Callable[[Params], None], Callable[[], None]]  # inject, heal
_REFUSALS = (Cause.QUEUE_FULL, Cause.THROTTLED)
_CODES = {cause.name.lower(): cause for cause in Cause}


def _ns(at_s: float) -> int:
    return -1 if math.isnan(at_s) else round(at_s * 1e9)


class Host:
    """One hosted component. Its caller, through which it reaches the others, is given once all of them are there."""

    caller: Caller

    def __init__(
        self,
        heap: Heap,
        brain: Brain,
        valve: Valve,
        max_age_s: float,
        silent: bool,
        cancels: bool,
        late: bool,
        rows: RowWriter,
    ) -> None:
        self.max_age_s = max_age_s
        self.down = False
        self.since_s = -math.inf
        self.brain = brain
        self.late = late  # whether its flows take late replies
        self.beside: dict[_Beside, None] = {}  # in the order in which they began
        self._heap = heap
        self._valve = valve
        self._silent = silent
        self._cancels = cancels
        self._deaf = False  # the partition fault keeps everything from it
        self._rows = rows
        self._inside: dict[int, _Served] = {}
        self._wake: Ticket | None = None
        self._wake_s = math.inf
        self.faults: dict[str, Switch] = {
            "crash": (self._crash, self._restart),
            "partition": (self._cut_off, self._rejoin),
        }
        for name, switch in {**valve.faults, **brain.faults}.items():
            self.faults[name] = self._fault(switch.on, switch.off)
        self.actions = {name: self._action(deed) for name, deed in {**valve.actions, **brain.actions}.items()}

    def arrive(self, exchange: Exchange) -> None:
        """Serve one request as a flow."""
        if self._deaf:
            return
        if self.down:
            exchange.break_off()
            return
        _, (operation, params, _), attempt, _, op, layer, n, _, deadline_s, criticality = exchange.want
        now_s = self._heap.now_s
        cause = self._valve.admit(attempt, criticality, n == 0, now_s)
        if cause is not Cause.NONE:
            self._rows.add(attempt, 0, _ns(now_s), -1, _ns(now_s), 0, exchange.gone)
            if not (self._silent and cause in _REFUSALS):
                exchange.fail(cause)
            return
        request = AppRequest(operation, params, attempt, op, deadline_s, criticality, layer, n)
        talk = _Served(self, exchange, self.brain.handle(request, now_s))
        self._inside[attempt] = talk
        talk.begin()

    def served(self, exchange: Exchange, came_s: float, response: Response) -> None:
        """A request's flow has ended: answer, with the row."""
        attempt = exchange.want.attempt_id
        self._inside.pop(attempt, None)
        self._row(exchange, came_s, response)
        if response.status == 200:
            exchange.reply(response.body)
            return
        cause = _CODES.get(response.code, Cause.SERVER_ERROR)
        if not (self._silent and cause in _REFUSALS):
            exchange.fail(cause, response.retry_after_s, response.status)

    def gave_up(self, exchange: Exchange) -> None:
        """With cancellation the flow ends with its caller; else it goes on."""
        if self._cancels and exchange.want.attempt_id in self._inside:
            talk = self._inside.pop(exchange.want.attempt_id)
            talk.abandon()
            self._row(exchange, talk.came_s)

    def gauges(self, now_s: float) -> dict[str, float]:
        """The brain's readings, the valve's and the resolver's."""
        return {
            **self.brain.gauges(now_s),
            **self._valve.gauges(now_s),
            **self.caller.cache.gauges(),
            "down": float(self.down),
        }

    def export(self) -> dict[str, Any]:
        """What the brain knows."""
        return self.brain.export()

    def close(self) -> None:
        """Cut what is under way and write its rows."""
        for attempt, talk in list(self._inside.items()):
            talk.cut()
            came_ns = _ns(talk.came_s)
            self._rows.add(attempt, 0, came_ns, came_ns, -1, 0, int(talk.exchange.gone))
        for other in list(self.beside):
            other.cut()

    def stepped(self) -> None:
        """One of the flows went a step: start what the brain now wants besides, and keep to its alarm."""
        if self.down:
            return
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

    def _row(self, exchange: Exchange, came_s: float, response: Response | None = None) -> None:
        """An attempt that worked nobody's slot began when it came and held nothing."""
        began_s, service_s = came_s, 0.0
        if response is not None and not math.isnan(response.began_s):
            began_s, service_s = response.began_s, response.service_s
        ended_ns = round(self._heap.now_s * 1e9)
        self._rows.add(
            exchange.want.attempt_id, 0, round(came_s * 1e9), round(began_s * 1e9), ended_ns,
            round(service_s * 1e9), exchange.gone,
        )  # fmt: skip

    # Faults and deeds

    def _fault(self, on: Callable[[Params, float], None], off: Callable[[float], None]) -> Switch:
        def inject(params: Params) -> None:
            on(params, self._heap.now_s)
            self.stepped()

        def heal() -> None:
            off(self._heap.now_s)
            self.stepped()

        return inject, heal

    def _action(self, deed: Callable[[Params, float], object]) -> Callable[[Params], object]:
        def act(params: Params) -> object:
            found = deed(params, self._heap.now_s)
            self.stepped()
            return found

        return act

    def _crash(self, params: Params) -> None:
        if self.down:
            return
        self.down = True
        self.since_s = self._heap.now_s
        for talk in list(self._inside.values()):
            talk.abandon()
            self._rows.add(talk.exchange.want.attempt_id, 0, _ns(talk.came_s), -1, _ns(self._heap.now_s), 0,
                           talk.exchange.gone)  # fmt: skip
            talk.exchange.break_off()
        self._inside.clear()
        for other in list(self.beside):
            other.abandon()
        self.beside.clear()
        if self._wake_s < math.inf and self._wake is not None:
            cancel(self._wake)
            self._wake, self._wake_s = None, math.inf
        self.brain.crashed(self._heap.now_s)

    def _restart(self) -> None:
        if self.down:
            self.down = False
            self.brain.restarted(self._heap.now_s)
            self.stepped()

    def _cut_off(self, params: Params) -> None:
        self._rejoin()
        to = params.get("to")
        if to is None:
            self._deaf = True
        else:
            self.caller.cut_off(str(to))

    def _rejoin(self) -> None:
        self._deaf = False
        self.caller.cut_off(None)


class _Served(Conversation):
    """The flow of one request to a component."""

    __slots__ = ("_server", "came_s", "exchange")

    def __init__(self, server: Host, exchange: Exchange, flow: Flow) -> None:
        super().__init__(flow, server.caller, None, server.stepped, server.late)
        self._server = server
        self.exchange = exchange
        self.came_s = exchange.arrived_s

    def end(self, value: Response) -> None:
        """Answer the request."""
        self._server.served(self.exchange, self.came_s, value)


class _Beside(Conversation):
    """A flow that a component plays unasked."""

    __slots__ = ("_server",)

    def __init__(self, server: Host, flow: Flow) -> None:
        super().__init__(flow, server.caller, None, server.stepped, server.late)
        self._server = server

    def end(self, value: object) -> None:
        """It is over; nobody waits for it."""
        self._server.beside.pop(self, None)
