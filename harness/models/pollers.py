"""The poller of an event source: takes messages from a queue, has them run, deletes them; and what kills it.

A poller is a process with a lease. It notes in the store every so often that it is alive, and it needs the queue. While
either has failed for longer than its patience it gives up and *stays* dead: whatever it depended on comes back, and the
messages still wait, until somebody starts it again (in October 2025 for 136 minutes). Nothing else is wrong then, no
error is counted anywhere; only the age of the oldest message grows.

    lane        receive a batch (waiting a little for the first message) -> run it -> delete its messages
    more lanes  one at a time, at most `lanes_per_s`, while batches come back full; fewer when a receive finds nothing
    refused     the batch is tried again every `retry_s` until it was held `hold_s`; then it goes back by itself, as
                one more receive, and with a bound on receives it may become a dead letter without ever having run
    failed      the messages come back when their visibility ends

A dying poller drops what its lanes hold: a batch that has run and was not deleted is run again by the next one. What it
sends has operation 0: nobody asked for it. Leaves out: several event sources, filters, reports of partial batches.
Source: the Lambda developer guide (SQS event source mapping: scaling by batches that are full, throttles until the
visibility ends); AWS's summary of 19 and 20 October 2025.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from typing import Any, NamedTuple

from harness import seeds
from harness.flows.call import CallResult, call
from harness.flows.client import Client
from harness.flows.wants import Answer, Flow, Request, Wait, Want
from harness.policies import pacing
from harness.policies.pacing import PaceSpec

QUEUE = "queue"
STORE = "kv"
LAYER = 1
PAUSE_S = 0.1  # between two receives that found nothing, or failed, at the least
GAUGES = (
    "poller_alive",
    "poller_lanes",
    "poller_deaths_total",
    "poller_batches_total",
    "poller_messages_total",
    "poller_held_too_long_total",
)
_CALLS = seeds.stream_id("functions/poller")


class PollerSpec(NamedTuple):
    """Durations in seconds. With `checkpoint_s` inf it holds no lease in the store."""

    batch: int = 5
    wait_s: float = 0.2  # what a receive waits for the first message
    patience_s: float = 2.0
    checkpoint_s: float = 0.5
    lanes: int = 2  # at the least
    most_lanes: int = 20
    lanes_per_s: float = 5.0
    retry_s: float = 0.2
    hold_s: float = 2.0


class Ran(NamedTuple):
    """How running a batch (or anything) ended. `refusal` is not "" when nothing ran; `worked`: the work was done."""

    ok: bool
    refusal: str
    ended_s: float
    worked: bool = False
    began_s: float = math.nan
    service_s: float = 0.0


Run = Callable[[list[dict[str, Any]], float], Generator[Want, Answer, Ran]]


class Poller:
    """One event source's poller. `run` plays one batch; `clients` are by target. Times are seconds from zero."""

    def __init__(
        self, spec: PollerSpec, clients: dict[str, Client], run: Run, note: Callable[..., None], now_s: float
    ) -> None:
        self.spec = spec
        self.alive = True
        self.killed = False  # a fault holds it down
        self.lanes = 0
        self.deaths_total = self.batches_total = self.messages_total = self.held_too_long_total = 0
        self._clients = clients
        self._run = run
        self._note = note
        self._failing: dict[str, float] = {}  # dependency -> since when
        self._life = 0  # number of the process; what an earlier one started is dead
        self._call_no = _CALLS
        self._growth = PaceSpec(1.0 / spec.lanes_per_s, 1)
        self._pace = pacing.start(self._growth, now_s)
        self._died_s = math.nan
        self._flows: list[Flow] = []
        self._begin(now_s)

    def background(self, now_s: float) -> list[Flow]:
        """Lanes and checkpoints to start now."""
        flows, self._flows = self._flows, []
        return flows

    def wake_s(self) -> float:
        """At once when there is something to start, else never: its flows wake themselves."""
        return -math.inf if self._flows else math.inf

    def die(self, now_s: float, because: str) -> None:
        """The process ends, and nobody starts another."""
        if not self.alive:
            return
        self.alive = False
        self._life += 1
        self.lanes = 0
        self._flows.clear()
        self.deaths_total += 1
        self._died_s = now_s
        self._note("poller_died", because=because)

    def restart(self, now_s: float) -> bool:
        """Operators start it again; False when a fault holds it down or it is alive already."""
        if self.alive or self.killed:
            return False
        self.alive = True
        self._note("poller_restarted", dead_for_s=round(now_s - self._died_s, 6))
        self._begin(now_s)
        return True

    def crashed(self) -> None:
        """The whole service died; a poller that was dead before stays dead afterwards."""
        self._life += 1
        self.lanes = 0
        self._flows.clear()

    def restarted(self, now_s: float) -> None:
        """The service is there again."""
        if self.alive:
            self._begin(now_s)

    def gauges(self) -> dict[str, float]:
        """Whether it lives, its lanes, and what it has done."""
        found = (
            self.alive, self.lanes, self.deaths_total, self.batches_total, self.messages_total,
            self.held_too_long_total,
        )  # fmt: skip
        return dict(zip(GAUGES, map(float, found), strict=True))

    def _begin(self, now_s: float) -> None:
        self._failing.clear()
        for _ in range(self.spec.lanes):
            self._add_lane(now_s)
        if self.spec.checkpoint_s < math.inf:
            self._flows.append(self._checkpoints(self._life, now_s))

    def _add_lane(self, now_s: float) -> None:
        self.lanes += 1
        self._flows.append(self._lane(self._life, now_s))

    def _lane(self, life: int, now_s: float) -> Generator[Want, Answer, None]:
        spec = self.spec
        while life == self._life:
            asked_s = now_s
            result = yield from self._call(QUEUE, Request("receive", {"max": spec.batch, "wait_s": spec.wait_s}), now_s)
            now_s = result.ended_s
            if life != self._life or not self._heard(QUEUE, result.ok, now_s):
                return
            messages = (result.reply.body or {}).get("messages", []) if result.ok else []
            if messages:
                self._grow(len(messages), now_s)
                now_s = yield from self._batch(messages, life, now_s)
            elif result.ok and self.lanes > spec.lanes:
                self.lanes -= 1
                return
            elif now_s < asked_s + PAUSE_S:
                now_s = yield Wait(asked_s + PAUSE_S)

    def _batch(self, messages: list[dict[str, Any]], life: int, now_s: float) -> Generator[Want, Answer, float]:
        """Run a batch, and delete it if that went well; the moment it then is."""
        held_until_s = now_s + self.spec.hold_s
        while True:
            ran = yield from self._run(messages, now_s)
            now_s = ran.ended_s
            if life != self._life:
                return now_s
            if not ran.refusal:
                break
            if now_s + self.spec.retry_s >= held_until_s:
                self.held_too_long_total += 1
                return now_s
            now_s = yield Wait(now_s + self.spec.retry_s)
            if life != self._life:
                return now_s
        if ran.ok:
            receipts = [message["receipt"] for message in messages]
            result = yield from self._call(QUEUE, Request("delete", {"receipts": receipts}), now_s)
            now_s = result.ended_s
            self.batches_total += 1
            self.messages_total += len(messages)
            if life == self._life:
                self._heard(QUEUE, result.ok, now_s)
        return now_s

    def _checkpoints(self, life: int, now_s: float) -> Generator[Want, Answer, None]:
        """Renew the lease in the store, for as long as this process lives."""
        lease = Request("write", {"writes": [{"table": "pollers", "key": QUEUE, "put": {"process": life}}]})
        while life == self._life:
            due_s = now_s + self.spec.checkpoint_s
            result = yield from self._call(STORE, lease, now_s)
            now_s = result.ended_s
            if life != self._life or not self._heard(STORE, result.ok, now_s):
                return
            now_s = yield Wait(max(due_s, now_s))

    def _call(self, target: str, request: Request, now_s: float) -> Generator[Want, Answer, CallResult]:
        self._call_no += 1
        return call(
            self._clients[target], target, request, op=0, layer=LAYER, parent_id=0, call_no=self._call_no,
            now_s=now_s, deadline_s=math.inf,
        )  # fmt: skip

    def _heard(self, source: str, ok: bool, now_s: float) -> bool:
        """Learn how a dependency fared; False when that was the end."""
        if ok:
            self._failing.pop(source, None)
            return True
        since_s = self._failing.setdefault(source, now_s)
        if now_s - since_s >= self.spec.patience_s:
            self.die(now_s, source)
        return self.alive

    def _grow(self, found: int, now_s: float) -> None:
        if found == self.spec.batch and self.lanes < self.spec.most_lanes:
            self._pace, granted = pacing.take(self._growth, self._pace, now_s)
            if granted:
                self._add_lane(now_s)
