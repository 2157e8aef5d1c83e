"""The load balancer: targets in zones, checked, routed to, and with no more capacity than what is routed.

    POST /route {...}                    a target serves it; then `functions` is invoked, if it depends on it
    POST /register {instance, zone?}     200 {"zone"}; the zone with the fewest targets unless it says otherwise
    POST /deregister {instance}          200 {"removed"}
    POST /health {instances}             200 {"healthy": [true, false, or null for one that is no target]}

A balancer adds no capacity, it only finds some; so what it takes out is lost to its users at once, and what is left
must carry everybody. The worker slots of the targets are one station whose number of slots follows the routed targets
(`balancer_slots.py`). Without any, a request is refused with 503. Which targets those are is decided elsewhere: by the
checker (`health_checks.py`) and by the rules of routing (`balancer_routing.py`).

A registered instance is not simply there: it is reachable when `network` says so (`balancer_reach.py`). The targets
that were there from the start are reachable, and so are all of a balancer that does not depend on `network`. These
first ones have the instance numbers -1, -2, ...: nobody launched them in this run, and an owner may still ask for their
health, and deregister them.

Registrations are written down, as is what is routed; a crash loses requests and checks under way. Leaves out: one line
per target (all routed targets share one), and targets that really break.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any, NamedTuple

from harness import seeds
from harness.flows.call import Client, call
from harness.flows.wants import Answer, Cause, Flow, Request, Result, Want
from harness.flows.wire import STATUS_OF, code_of
from harness.models.apps.base import AppRequest, Response
from harness.models.balancer_reach import NETWORK, Reach
from harness.models.balancer_routing import Routing, RoutingSpec
from harness.models.balancer_slots import Slots
from harness.models.component import Brain, Given, Params, Switch, refusal
from harness.models.health_checks import CheckSpec, HealthChecks, Seen, Target
from harness.models.workplace import Workplace
from harness.policies import deeds
from harness.policies.client import ClientSpec

ERROR = "NoHealthyTargets"
OPERATIONS = ("route", "register", "deregister", "health")
FUNCTIONS = "functions"
INSTANCES_MAX = 10_000  # in one question
_FLAP = seeds.stream_id("balancer/flap")


class BalancerSpec(NamedTuple):
    """`targets_per_zone` built-in targets in each zone, with `slots_per_target` workers each."""

    targets_per_zone: int
    slots_per_target: int
    checks: CheckSpec
    routing: RoutingSpec
    client: ClientSpec
    uses: tuple[str, ...] = ()  # of `network` and `functions`, those to ask and to forward to


class Balancer(Brain):
    """The brain of `balancer`. `place` is the station of the targets; its slots are set here."""

    def __init__(self, spec: BalancerSpec, place: Workplace, given: Given) -> None:
        super().__init__(given.note)
        self.spec = spec
        self.place = place
        self.routing = Routing(spec.routing, given.note)
        self.checks = HealthChecks(spec.checks, self.routing)
        self.no_capacity_total = 0
        self._seed = given.seed
        clients = {name: Client(spec.client, given.seed, f"balancer/{name}", given.now_s) for name in spec.uses}
        self._functions = clients.get(FUNCTIONS)
        self._reach = Reach(clients[NETWORK], spec.checks.every_s, self._reached) if NETWORK in clients else None
        self._by_instance: dict[int, Target] = {}
        self._births = 0
        self._slots = Slots(place.station, self.routing, spec.slots_per_target)
        latency_on, latency_off = place.faults()["latency"]
        self.faults = {
            "flap": Switch(self._flap, self._settle_down),
            "latency": Switch(latency_on, latency_off),
            "capacity": Switch(self._slots.limit, self._slots.free),
        }
        self.actions = {
            "failover_off": self._failover_off,
            "failover_on": self._failover_on,
            "add_capacity": self._slots.add,
            "drop_queue": place.drop_queue,
        }
        for zone in range(spec.routing.zones):
            for _ in range(spec.targets_per_zone):
                target = self._new_target(zone, None, given.now_s)
                self._by_instance[-1 - target.number] = target
        self._slots.follow(given.now_s)

    # Requests

    def handle(self, request: AppRequest, now_s: float) -> Flow:
        """Serve one request."""
        self._look(now_s)
        if request.operation == "route":
            return (yield from self._route(request, now_s))
        if request.operation not in OPERATIONS:
            there_are = f"there are: {', '.join(OPERATIONS)}"
            return refusal(404, "unknown_operation", f"no {request.operation!r}; {there_are}")
        if request.operation == "health":
            return self._health(request.params.get("instances"))
        instance, zone = request.params.get("instance"), request.params.get("zone")
        if isinstance(instance, bool) or not isinstance(instance, int):
            return refusal(400, "bad_request", f"instance is {instance!r}; give a whole number")
        if request.operation == "deregister":
            return Response(200, "", {"removed": self._deregister(instance, now_s)})
        zones = self.spec.routing.zones
        if zone is not None and (isinstance(zone, bool) or not isinstance(zone, int) or not 0 <= zone < zones):
            return refusal(400, "bad_request", f"zone is {zone!r}; zones are numbered 0 to {zones - 1}")
        return Response(200, "", {"zone": self._register(instance, zone, now_s)})

    def _route(self, request: AppRequest, now_s: float) -> Generator[Want, Answer, Response]:
        if self.place.station.gauges(now_s)["slots"] == 0.0:
            self.no_capacity_total += 1
            return Response(503, "server_error", {"error": ERROR})
        done = yield from self.place.work(
            request.attempt, now_s, request.deadline_s, request.criticality, first_try=request.n == 0
        )
        if done.cause is not Cause.NONE:
            return Response(STATUS_OF[done.cause], code_of(done.cause))
        body: dict[str, Any] = {}
        if self._functions is not None:
            ask = Request("invoke", {"function": str(request.params.get("function", "page"))})
            result = yield from call(
                self._functions, FUNCTIONS, ask, op=request.op, layer=request.inner_layer,
                parent_id=request.attempt, call_no=0, now_s=done.ended_s, deadline_s=request.deadline_s,
                criticality=request.criticality,
            )  # fmt: skip
            if not result.ok:
                reply = result.reply
                if reply.result is Result.REFUSED:  # passed on as it is
                    return Response(reply.status, code_of(reply.cause), None, done.began_s, done.service_s)
                return Response(503, "dependency", None, done.began_s, done.service_s)
            body = {"answer": result.reply.body}
        return Response(200, "", body, done.began_s, done.service_s)

    def _register(self, instance: int, zone: int | None, now_s: float) -> int:
        target = self._by_instance.get(instance)
        if target is None:
            target = self._new_target(self.routing.smallest_zone() if zone is None else zone, instance, now_s)
            self._by_instance[instance] = target
            if self._reach is not None:
                self._reach.doubt(instance, target, now_s)
            self._slots.follow(now_s)
        return target.zone

    def _deregister(self, instance: int, now_s: float) -> bool:
        target = self._by_instance.pop(instance, None)
        if target is None:
            return False
        if self._reach is not None:
            self._reach.forget(instance)
        self.checks.remove(target)
        self.routing.remove(target)
        self._slots.follow(now_s)
        return True

    def _health(self, instances: object) -> Response:
        if not isinstance(instances, list) or len(instances) > INSTANCES_MAX:
            return refusal(400, "bad_request", f"give instances: a list of at most {INSTANCES_MAX:,} whole numbers")
        found = (self._by_instance.get(one) if isinstance(one, int) else None for one in instances)
        return Response(200, "", {"healthy": [None if target is None else target.healthy for target in found]})

    def _new_target(self, zone: int, instance: int | None, now_s: float) -> Target:
        target = Target(self._births, zone, instance, Seen.FULLY, in_service=instance is None)
        self._births += 1
        self.routing.add(target)
        self.checks.add(target, now_s)
        return target

    # What it does unasked

    def background(self, now_s: float) -> list[Flow]:
        """Checks up to now, and the question to the network when it is due."""
        self._look(now_s)
        self.place.settle(now_s)
        question = None if self._reach is None else self._reach.round(now_s)
        if question is not None:
            self.start(question)
        return super().background(now_s)

    def wake_s(self) -> float:
        """When a check or a request ends, or the network is to be asked."""
        ask_s = math.inf if self._reach is None else self._reach.next_s
        return min(self.checks.next_s(), self.place.next_s(), ask_s, super().wake_s())

    def _look(self, now_s: float) -> None:
        if self.checks.next_s() <= now_s:
            self.checks.advance(now_s)
            self._slots.follow(now_s)

    def _reached(self, now_s: float) -> None:
        self._look(now_s)
        self._slots.follow(now_s)

    # A process's end, and its return

    def crashed(self, now_s: float) -> None:
        """Requests and checks under way are lost."""
        self.place.crashed(now_s)
        self.checks.lose()
        if self._reach is not None:
            self._reach.lost()

    def restarted(self, now_s: float) -> None:
        """Check every target anew."""
        for target in self.routing.targets:
            self.checks.add(target, now_s)
        if self._reach is not None:
            self._reach.again(now_s)

    # Faults and deeds

    def _flap(self, params: Params, now_s: float) -> None:
        share = deeds.SHARE.of(params)
        self._look(now_s)
        order = sorted(self.routing.targets, key=lambda target: seeds.draw(self._seed, _FLAP, target.number))
        for rank, target in enumerate(order):
            target.flaps = rank < round(share * len(order))

    def _settle_down(self, now_s: float) -> None:
        self._look(now_s)
        for target in self.routing.targets:
            target.flaps = False

    def _failover_off(self, params: Params, now_s: float) -> dict[str, int]:
        self._look(now_s)
        self.routing.failover_off()
        self._slots.follow(now_s)
        self.note("failover_off", routed=self.routing.serving)
        return {"routed": self.routing.serving}

    def _failover_on(self, params: Params, now_s: float) -> dict[str, int]:
        self._look(now_s)
        self.routing.failover_on()
        healthy = sum(target.healthy for target in self.routing.targets)
        self.note("failover_on", healthy=healthy)
        return {"healthy": healthy}

    # What can be seen

    def gauges(self, now_s: float) -> dict[str, float]:
        """Of targets, checks and the station; `capacity_share` is of the reachable targets."""
        self._look(now_s)
        targets = self.routing.targets
        reachable = sum(target.seen is Seen.FULLY for target in targets)
        return {
            "targets": float(len(targets)),
            "healthy": float(sum(target.healthy for target in targets)),
            "unreachable": float(len(targets) - reachable),
            "zones_in": float(sum(self.routing.zone_in)),
            "capacity_share": self.routing.serving / reachable if reachable else 0.0,
            "fail_open": float(self.routing.open),
            "name_in_full": float(self.routing.in_full),
            "failover": float(self.routing.acts),
            "zone_removals_total": float(self.routing.zone_removals_total),
            "removed_total": float(self.routing.removed_total),
            "no_capacity_total": float(self.no_capacity_total),
            **self.checks.gauges(now_s),
            **self.place.gauges(now_s),
        }

    def export(self) -> dict[str, Any]:
        """The targets as they are."""
        return {
            "targets": [
                {"instance": target.instance, "zone": target.zone, "healthy": target.healthy, "routed": target.routed}
                for target in self.routing.targets
            ]
        }
