"""`compute`: instances on droplets, launched and terminated through a throttled interface.

    launch {purpose?, owner?, run_for_s?, token?}   200 {instance} | 503 InsufficientInstanceCapacity
    terminate {instance | owner}                    200 {terminated: instance or null}
    describe {instance?}                            200 {instances, droplets_free, ...} or {state}
    every one that changes something                429 RequestLimitExceeded | 503 Unavailable (the store failed)

A launch needs a droplet that is free and *leased* (`compute_leases.py`), a record in the table store, and the network's
word that the instance will be attached. Running instances need nothing: they live through an outage, and only new ones
are missing, which is felt when load ramps or hosts must be replaced. If the network's manager refuses, the launch is
taken back and throttled, so that its backlog is felt at the door; if it merely fails, the instance is up without a
network, and compute repeats what it owes until it is accepted.

A launch with a `token` seen before is answered with the first one's outcome, also while that is still under way: a
user's second try is not a second instance. Instances with `run_for_s` end by themselves.

Leaves out: sizes and zones of instances, and the time to boot (`network` makes new instances wait anyway).
Source: AWS's account of October 2025; EC2's API throttling (token buckets per account, `RequestLimitExceeded`).
"""

from __future__ import annotations

import math
from collections.abc import Generator
from heapq import heappop, heappush
from typing import Any, NamedTuple

from harness.flows.call import CallResult, call
from harness.flows.client import Client
from harness.flows.lease_manager import LeaseSpec
from harness.flows.wants import Answer, Flow, Gate, Park, Request, Result, Want
from harness.models.apps.base import AppRequest, Response
from harness.models.component import Brain, Given, Params, refusal
from harness.models.compute_api import ApiThrottle, Asked
from harness.models.compute_droplets import Droplets, Instance
from harness.models.compute_leases import STORE, LeaseKeeper
from harness.models.compute_network import NETWORK, Owed
from harness.policies import deeds
from harness.policies.client import ClientSpec
from harness.policies.pacing import PaceSpec

_RECORD_CALL, _NETWORK_CALL = 1, 2
_LIMIT = Response(429, "throttled", {"error": "RequestLimitExceeded"})
_FULL = Response(503, "throttled", {"error": "InsufficientInstanceCapacity"})
_UNAVAILABLE = Response(503, "dependency", {"error": "Unavailable"})


class ComputeSpec(NamedTuple):
    """`api` paces what changes something; None is no throttle."""

    leases: LeaseSpec
    tick_s: float
    api: PaceSpec | None
    client: ClientSpec
    leased_at_start: bool = True


class Compute(Brain):
    """The brain; see `harness.models.component` for how it is driven."""

    def __init__(self, spec: ComputeSpec, given: Given) -> None:
        """ValueError for knobs that mean nothing."""
        super().__init__(given.note)
        self.spec = spec
        self.store = Client(spec.client, given.seed, f"compute/{STORE}", given.now_s)
        self.network = Client(spec.client, given.seed, f"compute/{NETWORK}", given.now_s)
        self.owed = Owed(self.network)
        self.keeper = LeaseKeeper(
            spec.leases, spec.tick_s, self.store, given.note, given.now_s, leased=spec.leased_at_start
        )
        self.droplets = Droplets(spec.leases.droplets, self.keeper.has)
        self.launches_total = self.terminations_total = self.ended_total = 0
        self.no_capacity_total = self.dependency_total = self.network_refused_total = 0
        self._has_network = NETWORK in given.region
        self.api = ApiThrottle(spec.api, given.now_s)
        self._ends: list[tuple[float, int]] = []
        self._tokens: dict[str, Instance | list[Gate]] = {}  # launched, or those who wait for a launch under way
        self._down = False
        self.actions = {
            "throttle_intake": self._throttle_intake,
            "open_intake": self._open_intake,
            "restart_managers": self._restart_managers,
            "throttle_api": self.api.throttle,
            "open_api": self.api.open,
        }

    def handle(self, request: AppRequest, now_s: float) -> Generator[Want, Answer, Response]:
        """Serve `launch`, `terminate` or `describe`."""
        try:
            asked = Asked.of(request.params)
        except ValueError as error:
            return refusal(400, "bad_request", str(error))
        match request.operation:
            case "launch":
                return (yield from self._launch(asked, request, now_s))
            case "terminate" if asked.instance is None and asked.owner is None:
                return refusal(400, "bad_request", "terminate what? give instance or owner")
            case "terminate":
                return (yield from self._terminate(asked, request, now_s))
            case "describe":
                return self._describe(asked)
            case other:
                return refusal(404, "unknown_operation", f"no {other!r}; there are: launch, terminate, describe")

    def background(self, now_s: float) -> list[Flow]:
        """Ticks of the lease manager, and instances whose time is up."""
        while self._ends and self._ends[0][0] <= now_s:
            number = heappop(self._ends)[1]
            if number in self.droplets.instances and number not in self.droplets.ending:
                self.ended_total += 1
                self._gone(number, now_s)
        flows = self.keeper.advance(now_s)
        return [*super().background(now_s), *flows]

    def wake_s(self) -> float:
        """The next tick or end of an instance."""
        if self._down:
            return math.inf
        next_s = self.keeper.next_s()
        if self._ends and self._ends[0][0] < next_s:
            next_s = self._ends[0][0]
        return min(super().wake_s(), next_s)

    def crashed(self, now_s: float) -> None:
        """The line is lost, and so are launches under way; leases and instances are written down."""
        self._down = True
        self._tokens = {token: known for token, known in self._tokens.items() if isinstance(known, Instance)}
        self.keeper.crashed()

    def restarted(self, now_s: float) -> None:
        """Take up the ticks, and tell the network what it is still owed."""
        self._down = False
        self.keeper.restarted(now_s)
        for flow in self.owed.again(now_s):
            self.start(flow)

    def gauges(self, now_s: float) -> dict[str, float]:
        """The lease manager's, and those of the interface."""
        return {
            **self.keeper.gauges(),
            "waiting_network_changes": float(len(self.owed.changes)),
            "instances": float(len(self.droplets.instances)),
            "droplets_free": float(self.droplets.free),
            "droplets_launchable": float(self.droplets.launchable()),
            "launching": float(self.droplets.reserved),
            "launches_total": float(self.launches_total),
            "terminations_total": float(self.terminations_total),
            "instances_ended_total": float(self.ended_total),
            "insufficient_capacity_total": float(self.no_capacity_total),
            "request_limit_exceeded_total": float(self.api.refused_total + self.network_refused_total),
            "network_refused_total": float(self.network_refused_total),
            "dependency_failed_total": float(self.dependency_total),
        }

    def export(self) -> dict[str, Any]:
        """Instances that are up, by owner where they have one, and what the network was not told."""
        found = self.droplets.instances.values()
        rows = [[one.number, one.droplet, one.owner] for one in found]
        return {"instances": rows, "owed": sorted(self.owed.changes.items()), "droplets": self.spec.leases.droplets}

    def _launch(self, asked: Asked, request: AppRequest, now_s: float) -> Generator[Want, Answer, Response]:
        token = asked.token
        if token is None:
            return (yield from self._launched(asked, request, now_s))
        known = self._tokens.get(token)
        if isinstance(known, Instance):
            return Response(200, "", {"instance": known.number, "replayed": True})
        if known is not None:
            gate = Gate()
            known.append(gate)
            answer: Response = yield Park(gate)
            return answer
        waiters = self._tokens[token] = []
        response = _UNAVAILABLE
        try:
            response = yield from self._launched(asked, request, now_s)
        finally:  # also when the caller went and took this flow along
            if self._tokens.get(token) is waiters:
                del self._tokens[token]
            for gate in waiters:
                gate.open(response)
        return response

    def _launched(self, asked: Asked, request: AppRequest, now_s: float) -> Generator[Want, Answer, Response]:
        if not self.api.let_in(now_s):
            return _LIMIT
        droplet = self.droplets.reserve()
        if droplet is None:
            self.no_capacity_total += 1
            return _FULL
        one = self.droplets.number(droplet, asked.owner, asked.token)
        up = False
        try:
            put = {"droplet": droplet, "purpose": asked.purpose, "owner": asked.owner, "state": "running"}
            result = yield from self._record(one.number, put, "launch", request, now_s)
            if not result.ok:
                self.dependency_total += 1
                return _UNAVAILABLE
            now_s = result.ended_s
            attached = True
            if self._has_network:
                tell = Request("attach", {"instance": one.number})
                result = yield from self._call(self.network, NETWORK, tell, request, _NETWORK_CALL, now_s)
                now_s, attached = result.ended_s, result.ok
                if result.reply.result is Result.REFUSED:
                    self.network_refused_total += 1
                    return _LIMIT
            up = True
        finally:
            if not up:
                self.droplets.give_back(droplet)
        self.droplets.up(one)
        self.launches_total += 1
        if one.token is not None:
            self._tokens[one.token] = one
        if asked.run_for_s < math.inf:
            heappush(self._ends, (now_s + asked.run_for_s, one.number))
        if not attached:
            self.start(self.owed.add(one.number, "attach", now_s))
        return Response(200, "", {"instance": one.number, "replayed": False})

    def _terminate(self, asked: Asked, request: AppRequest, now_s: float) -> Generator[Want, Answer, Response]:
        if not self.api.let_in(now_s):
            return _LIMIT
        one = self.droplets.to_end(asked.instance, asked.owner)
        if one is None:  # gone already, which is what was asked for
            return Response(200, "", {"terminated": None})
        self.droplets.ending.add(one.number)
        try:
            put = {"droplet": one.droplet, "state": "terminated"}
            result = yield from self._record(one.number, put, "terminate", request, now_s)
        finally:
            self.droplets.ending.discard(one.number)
        if not result.ok:
            self.dependency_total += 1
            return _UNAVAILABLE
        if one.number in self.droplets.instances:
            self.terminations_total += 1
            self._gone(one.number, result.ended_s)
        return Response(200, "", {"terminated": one.number})

    def _describe(self, asked: Asked) -> Response:
        if asked.instance is None:
            found = {"instances": len(self.droplets.instances), "droplets_free": self.droplets.free}
            return Response(200, "", {**found, "droplets_launchable": self.droplets.launchable()})
        state = "running" if asked.instance in self.droplets.instances else "terminated"
        return Response(200, "", {"instance": asked.instance, "state": state})

    def _gone(self, number: int, now_s: float) -> None:
        one = self.droplets.end(number)
        if one.token is not None:
            self._tokens.pop(one.token, None)
        if self._has_network:
            self.start(self.owed.add(number, "detach", now_s))

    def _record(
        self, number: int, put: dict[str, Any], what: str, request: AppRequest, now_s: float
    ) -> Generator[Want, Answer, CallResult]:
        """Write down what becomes of an instance."""
        write: dict[str, Any] = {"table": "instances", "key": str(number), "put": put}
        if what == "launch":
            write["if"] = {"absent": True}
        ask = Request("write", {"writes": [write], "token": f"{what}-{number}"})
        return self._call(self.store, STORE, ask, request, _RECORD_CALL, now_s)

    def _call(
        self, client: Client, target: str, ask: Request, request: AppRequest, call_no: int, now_s: float
    ) -> Generator[Want, Answer, CallResult]:
        return call(
            client, target, ask, op=request.op, layer=request.inner_layer, parent_id=request.attempt, call_no=call_no,
            now_s=now_s, deadline_s=request.deadline_s, criticality=request.criticality,
        )  # fmt: skip

    # What operators do

    def _throttle_intake(self, params: Params, now_s: float) -> dict[str, int]:
        leases = self.spec.leases
        safe = leases.attempts_per_tick * leases.timeout_ticks
        cap = deeds.CAP.of(params) if "cap" in params else safe
        self.keeper.throttle(cap)
        return {"cap": cap}

    def _open_intake(self, params: Params, now_s: float) -> dict[str, int]:
        self.keeper.throttle(0)
        return {}

    def _restart_managers(self, params: Params, now_s: float) -> dict[str, int]:
        dropped = self.keeper.restart()
        self.note("managers_restarted", dropped=dropped)
        return {"dropped": dropped}
