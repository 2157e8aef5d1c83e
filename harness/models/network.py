"""The network manager: instances are attached and detached at once on paper, and later in truth.

    POST /attach {instance}             200 {"change"}: accepted; or 429 RequestLimitExceeded
    POST /detach {instance}             200 {"change"}
    POST /reachable {instance}          200 {"reachable"}
    POST /reachable_many {instances}    200 {"reachable": [...]}, in their order

An instance is up before it is reachable. Those who started it look whether it is, and if it is not for too long they
replace it: they detach it and attach another. That is right for one broken instance and wrong for all of them at once,
because it puts two more changes into the line in which everybody waits. So a backlog that is longer than the callers'
patience feeds itself after its cause is gone (the changes themselves: `network_backlog.py`).

The announced fix is to limit the intake by the *length of the line* and not by a rate, because only the line knows how
long a newcomer would wait: over `limit_by_queue` waiting changes, attaches are refused, and the caller, who has nothing
to replace then, backs off. Detaches are always accepted: refusing them would keep dead instances in the network. To ask
for what is wanted already changes nothing and is never refused, so a caller may repeat a request whose answer was lost.

Real refusals of this kind carry no Retry-After, and neither do these. Sources: the public summary of the outage of
October 2025 (backlog of changes for new and terminated instances; "rate limiting based on the size of the waiting
queue" announced); `RequestLimitExceeded` is EC2's code for a throttled request.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeGuard

from harness.flows.wants import Cause, Flow
from harness.flows.wire import STATUS_OF, code_of
from harness.models.apps.base import AppRequest, Response
from harness.models.component import Brain, Given, Params, Switch, refusal
from harness.models.network_backlog import ATTACH, DETACH, Backlog
from harness.models.station import StationSpec
from harness.policies import deeds

ERROR = "RequestLimitExceeded"
OPERATIONS = ("attach", "detach", "reachable", "reachable_many")
INSTANCES_MAX = 10_000  # in one question


class NetworkSpec(NamedTuple):
    """`workers` carry changes out; `backlog_cost` as in `Backlog`; `limit_by_queue` None refuses nothing."""

    workers: StationSpec
    backlog_cost: float = 0.2
    limit_by_queue: int | None = None


class Network(Brain):
    """The brain of `network`. Instances are whole numbers, chosen by those who start them."""

    def __init__(self, spec: NetworkSpec, given: Given) -> None:
        super().__init__(given.note)
        self.backlog = Backlog(spec.workers, spec.backlog_cost, given.seed, given.now_s)
        self.limit = spec.limit_by_queue
        self.refused_by_queue_total = 0
        controls = self.backlog.controls
        self.faults = {
            "latency": Switch(self.backlog.latency, self.backlog.heal_latency),
            "capacity": Switch(controls.on["capacity"], controls.off["capacity"]),
        }
        self.actions = {
            "add_capacity": controls.act["add_capacity"],
            "drop_queue": self.backlog.drop_queue,
            "limit_by_queue": self._set_limit,
        }

    def handle(self, request: AppRequest, now_s: float) -> Flow:
        """Every answer is given at once; only the truth takes time."""
        return self._answer(request, now_s)
        yield  # a flow that wants nothing

    def background(self, now_s: float) -> list[Flow]:
        """Apply the changes that have been carried out."""
        self.backlog.settle(now_s)
        return super().background(now_s)

    def wake_s(self) -> float:
        """When the next change is carried out."""
        return min(self.backlog.next_s(), super().wake_s())

    def crashed(self, now_s: float) -> None:
        """Accepted changes are written down; the work on them is lost."""
        self.backlog.crashed(now_s)

    def restarted(self, now_s: float) -> None:
        """Begin with what is written down."""
        self.backlog.restarted(now_s)
        self.note("backlog_resumed", changes=self.backlog.pending)

    def gauges(self, now_s: float) -> dict[str, float]:
        """The backlog's; `limit_by_queue` is -1 without a limit."""
        return {
            **self.backlog.gauges(now_s),
            "limit_by_queue": -1.0 if self.limit is None else float(self.limit),
            "refused_by_queue_total": float(self.refused_by_queue_total),
        }

    def export(self) -> dict[str, Any]:
        """Where every accepted change is: applied, lost, or still on its way."""
        backlog = self.backlog
        return {
            "accepted": backlog.accepted_total,
            "propagated": backlog.propagated_total,
            "dropped": backlog.dropped_total,
            "pending": backlog.pending,
        }

    def _answer(self, request: AppRequest, now_s: float) -> Response:
        if request.operation not in OPERATIONS:
            there_are = f"there are: {', '.join(OPERATIONS)}"
            return refusal(404, "unknown_operation", f"no {request.operation!r}; {there_are}")
        if request.operation == "reachable_many":
            asked = request.params.get("instances")
            if not isinstance(asked, list) or len(asked) > INSTANCES_MAX or not all(map(_is_instance, asked)):
                return refusal(400, "bad_request", f"give instances: a list of at most {INSTANCES_MAX:,} whole numbers")
            self.backlog.settle(now_s)
            return Response(200, "", {"reachable": [self.backlog.is_reachable(instance) for instance in asked]})
        instance = request.params.get("instance")
        if not _is_instance(instance):
            return refusal(400, "bad_request", f"instance is {instance!r}; give a whole number")
        if request.operation == "reachable":
            self.backlog.settle(now_s)
            return Response(200, "", {"reachable": self.backlog.is_reachable(instance)})
        return self._change(instance, ATTACH if request.operation == "attach" else DETACH, request.criticality, now_s)

    def _change(self, instance: int, kind: str, criticality: int, now_s: float) -> Response:
        backlog = self.backlog
        if not backlog.is_new(instance, kind):
            return Response(200, "", {"change": backlog.number_of(instance)})
        if kind == ATTACH and self.limit is not None and backlog.waiting(now_s) >= self.limit:
            self.refused_by_queue_total += 1
            return Response(429, "throttled", {"error": ERROR})
        cause = backlog.accept(instance, kind, now_s, criticality)
        if cause is not Cause.NONE:
            return Response(STATUS_OF[cause], code_of(cause), {"error": ERROR})
        return Response(200, "", {"change": backlog.accepted_total})

    def _set_limit(self, params: Params, now_s: float) -> dict[str, int]:
        limit = deeds.LIMIT.of(params)
        self.limit = limit
        return {"limit": limit, "waiting": self.backlog.waiting(now_s)}


def _is_instance(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63
