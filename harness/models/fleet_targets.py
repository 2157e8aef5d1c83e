"""A fleet behind a load balancer: its hosts are registered as targets, and those that fail their checks are replaced.

Two habits that are right on any other day. A new host is registered as soon as it is launched, long before anybody can
reach it, because the balancer checks it anyway and will wait. And a host that the balancer calls unhealthy is ended and
another launched in its place, because hosts are cattle. Then comes the day when the network is late: each new host is a
target whose checks alternate, the checker drowns in them and calls good hosts unhealthy, the fleet ends those, and each
new one is again a target that nobody can reach yet, and two more changes for the network that is behind.

    register      at once when launched; what failed is told again at the next evaluation, the latest change only
    deregister    when the host ends
    health        asked once an evaluation for all hosts older than `grace_s`; no answer, or a target that the balancer
                  does not know, is no evidence. Of the unhealthy the oldest end first, some in each evaluation

Hosts from before the run are the balancer's own first targets: instances -1, -2, ... there and here.

Leaves out: draining connections before a target goes. Sources: EC2 Auto Scaling (health checks of the load balancer,
grace period); AWS, 19 and 20 October 2025: checks ran on instances whose network state had not propagated, and their
failures ended hosts of the function service and left it under-scaled.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence

from harness import seeds
from harness.flows.call import CallResult, call
from harness.flows.client import Client
from harness.flows.wants import Answer, Flow, Request, Want

BALANCER = "balancer"
LAYER = 1


class Targets:
    """The hosts of `owner` as targets. `grace_s` inf never asks for their health. Times are seconds from zero."""

    def __init__(self, client: Client, owner: str, grace_s: float) -> None:
        self.grace_s = grace_s
        self.sick: set[int] = set()  # instances that were unhealthy when last heard of
        self._client = client
        self._calls = seeds.stream_id(f"{owner}/targets")
        self._owed: dict[int, str] = {}  # the latest change of each instance that the balancer has not heard of
        self._telling = self._asking = False

    @property
    def owed(self) -> int:
        """Changes the balancer has not heard of."""
        return len(self._owed)

    def join(self, instance: int) -> None:
        """It is up; `tell` says so."""
        self._owed[instance] = "register"

    def leave(self, instance: int) -> None:
        """It ends."""
        self.sick.discard(instance)
        self._owed[instance] = "deregister"

    def lost(self) -> None:
        """The process died with what it had under way; what is owed is written down."""
        self._telling = self._asking = False

    def round(self, instances: Sequence[int], now_s: float) -> list[Flow]:
        """Conversations to begin: what is owed, and the health of these instances."""
        flows: list[Flow] = [self.tell(now_s)] if self._owed else []
        if instances and not self._asking and self.grace_s < math.inf:
            self._asking = True
            flows.append(self._ask(list(instances), now_s))
        return flows

    def tell(self, now_s: float) -> Generator[Want, Answer, None]:
        """Tell all that is owed, one after another, until a call fails; the next round goes on."""
        if self._telling:
            return
        self._telling = True
        while self._owed:
            instance, change = next(iter(self._owed.items()))
            result = yield from self._call(Request(change, {"instance": instance}), now_s)
            now_s = result.ended_s
            if not result.ok:
                break
            if self._owed.get(instance) == change:
                del self._owed[instance]
        self._telling = False

    def _ask(self, instances: list[int], now_s: float) -> Generator[Want, Answer, None]:
        result = yield from self._call(Request("health", {"instances": instances}, write=False), now_s)
        self._asking = False
        found = (result.reply.body or {}).get("healthy", []) if result.ok else []
        self.sick = {
            instance
            for instance, healthy in zip(instances, found, strict=False)
            if healthy is False and self._owed.get(instance) != "deregister"
        }

    def _call(self, request: Request, now_s: float) -> Generator[Want, Answer, CallResult]:
        self._calls += 1
        return call(
            self._client, BALANCER, request, op=0, layer=LAYER, parent_id=0, call_no=self._calls, now_s=now_s,
            deadline_s=math.inf,
        )  # fmt: skip
