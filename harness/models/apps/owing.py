"""An app that owes: work it took and could not finish, written down, and done exactly once when its store is back.

Three apps take an order, a sale or a check-in while their store is away. The naive way keeps the request and repeats it
in a loop; then a write whose reply was lost is done twice, a dead store is asked all day, and nobody can say what is
still owed. What they share is here:

    boxes       outboxes by name (`harness.models.outbox`), each with senders, pace, retry wait, expiry of its own
    write_of    one record of an operation under its key, only if absent, with a token: repeating it changes nothing.
                Without idempotency keys the store names the record after the attempt, so a repeat is a second record
    told        a call for a user, and whether it surely had no effect: nothing left, or it was refused at the door
    replay      what to do for one owed item; the app writes this
    the gate    follows every call to the store; while it is shut and work waits, one small read every `probe_every_s`
                asks whether the store is back, because work that only waits would never find out

What is owed and what was thrown away for its age goes into the export, where the audit looks for it. At a crash the
boxes were written down; replays under way begin again.

A fallback begins when the call to the store has failed. A store that is slow, not gone, keeps the app waiting until its
own client's deadline, and with the default that is when its users leave too: an app whose fallback is to help against
slowness needs `client: {deadline: ...}` shorter than theirs. Leaves out: the cost of writing the boxes down.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from typing import Any, NamedTuple

from harness import seeds
from harness.flows.call import CallResult
from harness.flows.client import worth_repeating
from harness.flows.wants import Answer, Cause, Flow, Reply, Request, Result, Want
from harness.models.apps.app import AppBrain, AppSpec
from harness.models.apps.base import AppRequest
from harness.models.component import Given
from harness.models.outbox import Item, Outbox, OutboxSpec

_PROBE = Request("read", {"table": "probe", "key": "store"}, write=False)


class OwingSpec(NamedTuple):
    """What all owing apps have besides their boxes."""

    idempotency_keys: bool
    probe_every_s: float


class Told(NamedTuple):
    """How a call to the store ended. `without_effect`: it failed, and surely nothing was done."""

    result: CallResult
    without_effect: bool


class OwingApp(AppBrain):
    """The base of apps with outboxes. The store is the first component the app depends on."""

    def __init__(self, app: AppSpec, owing: OwingSpec, boxes: Mapping[str, OutboxSpec], given: Given) -> None:
        if not app.depends_on:
            raise ValueError(f"{app.name} depends on nothing; it needs a store first in depends_on, as in [kv]")
        super().__init__(app, given)
        self.owing = owing
        self.store = app.depends_on[0]
        self.degraded_total = 0
        self.boxes = {
            name: Outbox(spec, seeds.mix(given.seed, seeds.stream_id(f"{app.name}/{name}")), given.now_s)
            for name, spec in boxes.items()
        }
        self._shut = False
        self._probe_s = math.inf
        self._probing = False

    def replay(self, box: str, item: Item, now_s: float) -> Generator[Want, Answer, tuple[bool, float]]:
        """Do what is owed; True when it is settled, and the time it then is."""
        raise NotImplementedError

    def gone_stale(self, box: str, op: int, now_s: float) -> None:
        """An item was thrown away for its age."""

    def background(self, now_s: float) -> list[Flow]:
        """Replays that may start now, and a probe when it is time for one."""
        flows = super().background(now_s)
        for name, box in self.boxes.items():
            while box.next_s() <= now_s:
                known = len(box.expired)
                item = box.take(now_s)
                for op, _ in box.expired[known:]:
                    self.gone_stale(name, op, now_s)
                if item is None:
                    break
                flows.append(self._replayed(name, box, item, now_s))
        if self._probe_due_s() <= now_s:
            self._probing = True
            flows.append(self._probe(now_s))
        return flows

    def wake_s(self) -> float:
        """When the next replay or probe may start."""
        return min(super().wake_s(), self._probe_due_s(), *(box.next_s() for box in self.boxes.values()))

    def gauges(self, now_s: float) -> dict[str, float]:
        """The app's, and each box's readings under its name."""
        seen = {**super().gauges(now_s), "degraded_total": float(self.degraded_total)}
        for name, box in self.boxes.items():
            seen[f"waiting_{name}"] = float(box.waiting)
            seen[f"{name}_sending"] = float(box.sending)
            seen[f"{name}_added_total"] = float(box.added_total)
            seen[f"{name}_sent_total"] = float(box.sent_total)
            seen[f"{name}_failed_total"] = float(box.failed_total)
            seen[f"{name}_expired_total"] = float(len(box.expired))
            seen[f"{name}_dropped_total"] = float(box.dropped_total)
        return seen

    def export(self) -> dict[str, Any]:
        """For the audit: what is owed, and since when; what was thrown away."""
        return {
            "owed": [entry for box in self.boxes.values() for entry in box.owed()],
            "expired": [entry for box in self.boxes.values() for entry in box.expired],
            "outbox_dropped": sum(box.dropped_total for box in self.boxes.values()),
            "idempotency_keys": self.owing.idempotency_keys,
        }

    def told(self, ask: Request, request: AppRequest, call_no: int, now_s: float) -> Generator[Want, Answer, Told]:
        """One call to the store for a user's request."""
        return (yield from self._heard(self.ask(self.store, ask, request, call_no, now_s)))

    def system_told(self, ask: Request, op: int, now_s: float) -> Generator[Want, Answer, Told]:
        """One call to the store that makes up for operation `op`; 0 for none."""
        return (yield from self._heard(self.system_ask(self.store, ask, now_s, op)))

    def write_of(
        self, table: str, key: str, record: Mapping[str, Any], *more: Mapping[str, Any], sort: str = ""
    ) -> Request:
        """The write that puts `record` under `key`, once however often it is sent; `more` writes go with it.

        A token stands for one set of writes: where two sorts of record compete for one key, each names its `sort`.
        """
        if not self.owing.idempotency_keys:
            return Request("write", {"writes": [{"table": table, "put": record}, *more]})
        keyed = {"table": table, "key": key, "put": record, "if": {"absent": True}}
        return Request("write", {"writes": [keyed, *more], "token": f"{table}-{key}{sort}"})

    def is_done(self, result: CallResult) -> bool:
        """True when the store confirmed the write, or says that this operation's record is there already."""
        return result.ok or (self.owing.idempotency_keys and result.reply.cause is Cause.CONFLICT)

    def _heard(self, flow: Generator[Want, Answer, CallResult]) -> Generator[Want, Answer, Told]:
        """The same flow; what its attempts met opens or shuts the gate."""
        without_effect = True
        answer: Answer = None
        result: CallResult | None = None
        try:
            while result is None:
                try:
                    want = flow.send(answer)
                except StopIteration as end:
                    result = end.value
                    continue
                answer = yield want
                if isinstance(answer, Reply):
                    without_effect = without_effect and answer.result in (Result.UNSENT, Result.REFUSED)
        finally:
            flow.close()
        reached = not worth_repeating(result.reply)
        self._shut = not reached
        if self._shut:
            self._probe_s = result.ended_s + self.owing.probe_every_s
        for box in self.boxes.values():
            box.heard(reached)
        return Told(result, without_effect and not result.ok)

    def _probe_due_s(self) -> float:
        if not self._shut or self._probing or not any(box.waiting for box in self.boxes.values()):
            return math.inf
        return self._probe_s

    def _probe(self, now_s: float) -> Generator[Want, Answer, None]:
        try:
            yield from self.system_told(_PROBE, 0, now_s)
        finally:
            self._probing = False

    def _replayed(self, name: str, box: Outbox, item: Item, now_s: float) -> Generator[Want, Answer, None]:
        done = False
        try:
            done, now_s = yield from self.replay(name, item, now_s)
        finally:  # also when the process ends in the middle of it
            if done:
                box.sent(item.op)
            else:
                box.failed(item.op, now_s)


def whole(params: Mapping[str, Any], name: str, default: int | None = None) -> int:
    """A number among a request's params. Raises ValueError saying what was found."""
    found = params.get(name, default)
    if isinstance(found, bool) or not isinstance(found, int) or found < 0:
        raise ValueError(f"{name} is {found!r}; give a whole number of at least 0")
    return found
