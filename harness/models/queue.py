"""`queue`: messages that wait until somebody takes them, behind an interface with worker slots of its own.

    send {body}                     200 {id} | 503 queue_full OverCapacity
    receive {max?, wait_s?}         200 {messages: [{id, body, receipt, attempts, sent_s}]} | 429 throttled OverLimit
    delete {receipt | receipts}     200 {deleted: n}      (an old receipt deletes nothing, and is no error)

What messages do is in `queue_messages.py`; this is the door. Every request holds a slot for its service time. A
receive that finds nothing may then wait up to `wait_s` *outside* the slots for one to come (long polling): idle
consumers cost neither slots nor requests, and the first message wakes exactly one of them, the one that waited longest.

A consumer that has gone while its receive waited still gets the messages if its flow goes on (no cancellation): they
are hidden until the visibility timeout, as messages in a lost response are. Messages are durable: a crash loses the
requests inside and no message. An operator's `purge` empties the queue, `redrive` puts the dead letters back, and
`drop_queue` throws away requests that wait at the door, not messages.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator
from typing import Any, NamedTuple

from harness.flows.wants import Answer, Cause, Flow, Gate, Park, Want
from harness.models.apps.base import AppRequest, Response
from harness.models.component import Brain, Given, Params, Switch
from harness.models.queue_messages import Messages, MessagesSpec
from harness.models.station import Done
from harness.models.workplace import Workplace

MOST_AT_ONCE = 10  # messages in one receive, receipts in one delete
_UNAVAILABLE = {Cause.THROTTLED: "RequestThrottled", Cause.QUEUE_FULL: "ServiceUnavailable"}


class QueueSpec(NamedTuple):
    """The messages' rules. `wait_limit_s` bounds what a receive may wait for the first of them (seconds)."""

    messages: MessagesSpec
    wait_limit_s: float = 20.0


class Queue(Brain):
    """The brain; see `harness.models.component` for how it is driven."""

    def __init__(self, spec: QueueSpec, place: Workplace, given: Given) -> None:
        super().__init__(given.note)
        self.spec = spec
        self.messages = Messages(spec.messages, given.now_s)
        self.place = place
        self.faults = {name: Switch(*pair) for name, pair in self.place.faults().items()}
        self.actions = {
            **self.place.actions(),
            "purge": lambda params, now_s: {"purged": self.messages.purge(now_s)},
            "redrive": self._redrive,
        }
        self.full_total = self.over_limit_total = self.empty_total = 0
        self._ops: list[int] = []  # by message: the operation it was sent for, 0 for none
        self._waiters: OrderedDict[int, tuple[Gate, float]] = OrderedDict()  # receives that wait: (gate, until)
        self._waits = 0

    def handle(self, request: AppRequest, now_s: float) -> Generator[Want, Answer, Response]:
        """Serve `send`, `receive` or `delete`."""
        if request.operation not in ("send", "receive", "delete"):
            there_are = "there are: send, receive, delete"
            return Response(404, "unknown_operation", {"message": f"no {request.operation!r}; {there_are}"})
        done = yield from self.place.work(
            request.attempt, now_s, request.deadline_s, request.criticality, first_try=request.n == 0
        )
        if done.cause is not Cause.NONE:
            status = 429 if done.cause is Cause.THROTTLED else 503
            body = {"error": _UNAVAILABLE.get(done.cause, "ServiceUnavailable")}
            return Response(status, done.cause.name.lower(), body, done.began_s, done.service_s)
        if request.operation == "receive":
            response = yield from self._receive(request, done)
        else:
            response = (self._send if request.operation == "send" else self._delete)(request, done)
        return response._replace(began_s=done.began_s, service_s=done.service_s)

    def background(self, now_s: float) -> list[Flow]:
        """Resume requests that are served and receives that have waited long enough."""
        self.place.settle(now_s)
        self._wake_waiters(now_s)
        return super().background(now_s)

    def wake_s(self) -> float:
        """The next end of a request, of a wait, or of a message's invisibility that somebody waits for."""
        next_s = min(super().wake_s(), self.place.next_s())
        if self._waiters:
            next_s = min(next_s, self.messages.next_s(), *(until_s for _, until_s in self._waiters.values()))
        return next_s

    def crashed(self, now_s: float) -> None:
        """Requests are lost; messages are not."""
        self.place.crashed(now_s)
        self._waiters.clear()

    def gauges(self, now_s: float) -> dict[str, float]:
        """The door's station, and the messages."""
        found, oldest_s = self.messages, self.messages.oldest_s(now_s)
        return {
            **self.place.gauges(now_s),
            "waiting_messages": float(found.waiting),
            "in_flight": float(found.in_flight),
            "oldest_message_s": oldest_s,
            "dead_letters": float(len(found.dead)),
            "long_polls": float(len(self._waiters)),
            "sent_total": float(found.sent_total),
            "received_total": float(found.received_total),
            "redelivered_total": float(found.redelivered_total),
            "deleted_total": float(found.deleted_total),
            "expired_total": float(found.expired_total),
            "dead_letters_total": float(found.dead_total),
            "redriven_total": float(found.redriven_total),
            "purged_total": float(found.purged_total),
            "empty_receives_total": float(self.empty_total),
            "refused_full_total": float(self.full_total),
            "refused_limit_total": float(self.over_limit_total),
        }

    def export(self) -> dict[str, Any]:
        """For the audit: per message the operation it was sent for and how often it was handed out, and all ends."""
        found = self.messages
        return {
            "sent": [[number, op, found.delivered.get(number, 0)] for number, op in enumerate(self._ops)],
            "dead": sorted(found.dead),
            "waiting": found.waiting,
            "in_flight": found.in_flight,
            "deleted": found.deleted_total,
            "expired": found.expired_total,
            "purged": found.purged_total,
        }

    def _send(self, request: AppRequest, done: Done) -> Response:
        number = self.messages.send(request.params.get("body"), done.ended_s)
        if number is None:
            self.full_total += 1
            return Response(503, "queue_full", {"error": "OverCapacity"})
        self._ops.append(request.op)
        return Response(200, "", {"id": number})

    def _receive(self, request: AppRequest, done: Done) -> Generator[Want, Answer, Response]:
        most, wait_s = request.params.get("max", 1), request.params.get("wait_s", 0.0)
        if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= MOST_AT_ONCE:
            return Response(400, "bad_request", {"message": f"max is {most!r}; give 1 to {MOST_AT_ONCE}"})
        if isinstance(wait_s, bool) or not isinstance(wait_s, int | float) or not 0.0 <= wait_s <= 3600.0:
            return Response(400, "bad_request", {"message": f"wait_s is {wait_s!r}; give seconds, 0 or more"})
        now_s = done.ended_s
        found = self.messages.receive(most, now_s)
        if not found and self.messages.in_flight >= self.spec.messages.in_flight_limit:
            self.over_limit_total += 1
            return Response(429, "throttled", {"error": "OverLimit"})
        if not found and wait_s > 0.0:
            now_s = yield from self._wait(now_s + min(wait_s, self.spec.wait_limit_s))
            found = self.messages.receive(most, now_s)
        self.empty_total += not found
        return Response(200, "", {"messages": [message._asdict() for message in found]})

    def _wait(self, until_s: float) -> Generator[Want, Answer, float]:
        """Wait for a message, at most until then; the moment it is."""
        gate = Gate()
        self._waits += 1
        ticket = self._waits
        self._waiters[ticket] = (gate, until_s)
        try:
            now_s: float = yield Park(gate)
        finally:
            self._waiters.pop(ticket, None)
        return now_s

    def _wake_waiters(self, now_s: float) -> None:
        """One waiter for each message there is, those first who waited longest; and all whose time is up."""
        if not self._waiters:
            return
        self.messages.settle(now_s)
        free = self.messages.waiting
        for ticket, (gate, until_s) in list(self._waiters.items()):
            if free > 0 or until_s <= now_s:
                free -= 1
                del self._waiters[ticket]
                gate.open(now_s)

    def _delete(self, request: AppRequest, done: Done) -> Response:
        given = request.params
        receipts = given["receipts"] if "receipts" in given else [given.get("receipt")]
        if not isinstance(receipts, list) or not 1 <= len(receipts) <= MOST_AT_ONCE:
            return Response(400, "bad_request", {"message": f"give 1 to {MOST_AT_ONCE} receipts"})
        try:
            deleted = sum(self.messages.delete(str(receipt), done.ended_s) for receipt in receipts)
        except ValueError as error:
            return Response(400, "bad_request", {"error": "ReceiptHandleIsInvalid", "message": str(error)})
        return Response(200, "", {"deleted": deleted})

    def _redrive(self, params: Params, now_s: float) -> dict[str, int]:
        return {"redriven": self.messages.redrive(now_s)}
