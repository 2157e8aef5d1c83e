"""What the network is owed: instances it must still be told of, repeated until it listens.

A change that was refused or lost must not be forgotten: an instance would be up and never reachable, or gone and for
ever in the network's books. Nor may two tellers race, so that a detachment overtakes the attachment it follows. So
there is one flow for each instance, and it tells the *latest* change. It is written down and outlives a crash.
"""

from __future__ import annotations

import math
from collections.abc import Generator

from harness import seeds
from harness.flows.call import call
from harness.flows.client import Client
from harness.flows.wants import Answer, Flow, Request, Wait, Want

NETWORK = "network"
RETRY_S = 1.0
_CALLS = seeds.stream_id("compute/owed")


class Owed:
    """Changes not yet accepted, by instance: "attach" or "detach"."""

    def __init__(self, client: Client) -> None:
        self.changes: dict[int, str] = {}
        self._client = client
        self._calls = 0

    def add(self, instance: int, change: str, now_s: float) -> Flow:
        """Owe a change; the flow to be played beside (one that ends at once if the instance has its teller)."""
        has_teller = instance in self.changes
        self.changes[instance] = change
        return _nothing() if has_teller else self._tell(instance, now_s)

    def again(self, now_s: float) -> list[Flow]:
        """After a crash, when all flows were closed: a new one for each."""
        return [self._tell(instance, now_s) for instance in self.changes]

    def _tell(self, instance: int, now_s: float) -> Generator[Want, Answer, None]:
        while instance in self.changes:
            change = self.changes[instance]
            self._calls += 1
            result = yield from call(
                self._client, NETWORK, Request(change, {"instance": instance}), op=0, layer=1, parent_id=0,
                call_no=_CALLS + self._calls, now_s=now_s, deadline_s=math.inf,
            )  # fmt: skip
            now_s = result.ended_s
            if not result.ok:
                now_s = yield Wait(now_s + RETRY_S)
            elif self.changes[instance] == change:
                del self.changes[instance]


def _nothing() -> Flow:
    yield from ()
