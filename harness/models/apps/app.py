"""What every dependent app has in common: a door, a client per dependency, and calls that are counted while they wait.

An app differs from the next in what it does and in how it degrades, not in how it retries. So the sameness is here:

    handle        through the door (admission), then `serve`, which the app writes
    ask           one call to a dependency, with the app's own client (retries, budget, breaker, deadline)
    system_ask    the same, on nobody's behalf: replays, refreshes, deliveries to a backlog
    gauges        waiting_orbit (calls between two attempts), calls in flight, refusals, each dependency's counters

    class Coffee(AppBrain):
        def serve(self, request, now_s):                     a generator: yields wants,
            result = yield from self.ask("kv", Request(...), request, call_no=1, now_s=now_s)
            return Response(200), result.ended_s             returns the answer and the time it then is

Call numbers make attempt ids: within one operation every call needs its own.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, NamedTuple

from harness import seeds
from harness.flows.call import CallResult, call
from harness.flows.client import Client
from harness.flows.wants import Answer, Cause, Hedged, Request, Send, Wait, Want
from harness.models.apps.base import AppRequest, Door, Response
from harness.models.component import Brain, Given
from harness.policies.client import ClientSpec


class AppSpec(NamedTuple):
    """The knobs every app has. `admission` is a policy spec or None."""

    name: str
    depends_on: tuple[str, ...]
    client: ClientSpec
    admission: Any = None


Serving = Generator[Want, Answer, tuple[Response, float]]


class AppBrain(Brain):
    """The base of the apps' brains."""

    def __init__(self, app: AppSpec, given: Given) -> None:
        super().__init__(given.note)
        self.app = app
        self.seed = given.seed
        self.door = Door(app.admission, given.seed, given.now_s)
        self.clients: Mapping[str, Client] = {
            dependency: Client(app.client, given.seed, f"{app.name}/{dependency}", given.now_s)
            for dependency in app.depends_on
        }
        self.waiting_orbit = 0  # calls that wait between two attempts
        self.in_flight = dict.fromkeys(app.depends_on, 0)
        self._system_calls = 0
        self._system_stream = seeds.stream_id(f"{app.name}/system") >> 1  # room to count up from it

    def serve(self, request: AppRequest, now_s: float) -> Serving:
        """Serve one attempt that came through the door."""
        raise NotImplementedError

    def handle(self, request: AppRequest, now_s: float) -> Generator[Want, Answer, Response]:
        """Through the door, then `serve`."""
        came_s = now_s
        cause = self.door.enter(request.attempt, now_s)
        if cause is not Cause.NONE:
            return Response(429 if cause is Cause.THROTTLED else 503, cause.name.lower())
        response = Response(500, "server_error")
        try:
            response, now_s = yield from self.serve(request, now_s)
        finally:
            self.door.leave(came_s, now_s, response.status >= 500)
        return response

    def ask(
        self, dependency: str, ask: Request, request: AppRequest, call_no: int, now_s: float
    ) -> Generator[Want, Answer, CallResult]:
        """One call on behalf of `request`, within its deadline and at its criticality."""
        flow = call(
            self.clients[dependency], dependency, ask, op=request.op, layer=request.inner_layer,
            parent_id=request.attempt, call_no=call_no, now_s=now_s, deadline_s=request.deadline_s,
            criticality=request.criticality,
        )  # fmt: skip
        return (yield from self._counted(dependency, flow))

    def system_ask(
        self, dependency: str, ask: Request, now_s: float, op: int = 0, criticality: int = 2
    ) -> Generator[Want, Answer, CallResult]:
        """One call on nobody's behalf; `op` says for which operation it makes up, 0 for none."""
        self._system_calls += 1
        flow = call(
            self.clients[dependency], dependency, ask, op=op, layer=1, parent_id=0,
            call_no=self._system_stream + self._system_calls, now_s=now_s, deadline_s=float("inf"),
            criticality=criticality,
        )  # fmt: skip
        return (yield from self._counted(dependency, flow))

    def gauges(self, now_s: float) -> dict[str, float]:
        """What all apps report; each adds its own."""
        tallies = [client.counters for client in self.clients.values()]
        seen = {
            "waiting_orbit": float(self.waiting_orbit),
            "in_flight": float(self.door.inside),
            "refused_total": float(self.door.refused_total),
            "throttled_client_total": float(sum(t.refused_by_limiter + t.refused_by_breaker for t in tallies)),
            "retries_refused_total": float(sum(t.refused_by_budget for t in tallies)),
        }
        for dependency, client in self.clients.items():
            seen[f"{dependency}_in_flight"] = float(self.in_flight[dependency])
            seen[f"{dependency}_attempts_total"] = float(client.counters.attempts)
            seen[f"{dependency}_calls_total"] = float(client.counters.calls)
        return seen

    def _counted(
        self, dependency: str, flow: Generator[Want, Answer, CallResult]
    ) -> Generator[Want, Answer, CallResult]:
        """The same flow, with what it is doing counted."""
        answer: Answer = None
        try:
            while True:
                try:
                    want = flow.send(answer)
                except StopIteration as end:
                    result: CallResult = end.value
                    return result
                orbit, sending = isinstance(want, Wait), isinstance(want, Send | Hedged)
                self.waiting_orbit += orbit
                self.in_flight[dependency] += sending
                try:
                    answer = yield want
                finally:
                    self.waiting_orbit -= orbit
                    self.in_flight[dependency] -= sending
        finally:
            flow.close()
