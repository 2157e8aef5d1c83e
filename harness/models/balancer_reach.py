"""Asking the network which of the newly registered targets it knows by now.

The tempting shortcut is to believe a target from the moment it is registered, or to ask for each at each check, which
makes a balancer with many new targets the network's heaviest user at its worst time. So there is one question a round
for all that are in doubt, and none when nobody is:

    no answer (late counts as none)   UNKNOWN: their checks fail
    "not reachable"                   PARTLY: known here and not there, so their checks pass and fail in turn
    "reachable"                       FULLY, and never asked again

A round is one check period, and the deadline of its question is the next round. Leaves out: targets that become
unreachable later; a detached instance is deregistered by whoever detached it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator

from harness import seeds
from harness.flows.call import Client, call
from harness.flows.wants import Answer, Flow, Request, Want
from harness.models.health_checks import Seen, Target

NETWORK = "network"
_CALLS = seeds.stream_id("balancer/network")


class Reach:
    """The targets in doubt. `changed` is told, with the time, when an answer has come. Times in seconds from zero."""

    def __init__(self, client: Client, every_s: float, changed: Callable[[float], None]) -> None:
        self.doubtful: dict[int, Target] = {}  # by instance
        self.next_s = math.inf  # when to ask
        self._client = client
        self._every_s = every_s
        self._changed = changed
        self._asking = False
        self._asked = 0

    def doubt(self, instance: int, target: Target, now_s: float) -> None:
        """Ask for this one from now on."""
        target.seen = Seen.UNKNOWN
        self.doubtful[instance] = target
        if math.isinf(self.next_s):
            self.next_s = now_s

    def forget(self, instance: int) -> None:
        """It is deregistered."""
        self.doubtful.pop(instance, None)

    def round(self, now_s: float) -> Flow | None:
        """The question that is due, as a flow; None when none is, or the last one is still open."""
        if now_s < self.next_s:
            return None
        self.next_s = now_s + self._every_s if self.doubtful else math.inf
        if not self.doubtful or self._asking:
            return None
        self._asking = True
        return self._ask(list(self.doubtful), now_s)

    def lost(self) -> None:
        """The question under way is lost with its process."""
        self._asking = False

    def again(self, now_s: float) -> None:
        """The process is back."""
        self.next_s = now_s if self.doubtful else math.inf

    def _ask(self, instances: list[int], now_s: float) -> Generator[Want, Answer, None]:
        self._asked += 1
        result = yield from call(
            self._client, NETWORK, Request("reachable_many", {"instances": instances}, write=False), op=0, layer=1,
            parent_id=0, call_no=_CALLS + self._asked, now_s=now_s, deadline_s=now_s + self._every_s,
        )  # fmt: skip
        self._asking = False
        told = (result.reply.body or {}).get("reachable", []) if result.ok else []
        known = dict(zip(instances, told, strict=False))
        for instance in instances:
            target = self.doubtful.get(instance)
            if target is None:  # deregistered meanwhile
                continue
            if known.get(instance):
                target.seen = Seen.FULLY
                del self.doubtful[instance]
            else:
                target.seen = Seen.PARTLY if instance in known else Seen.UNKNOWN
        self._changed(result.ended_s)
