"""The messages of a queue: who has waited, who has been handed out, and which are gone, as arithmetic over times.

The naive queue removes a message when it hands it out; a consumer that dies then takes its messages along. Here a
message that is handed out is only *hidden*, for the visibility timeout; it is gone when its receipt comes back, and
else somebody gets it again. So nothing is lost by a dying consumer and anything may be done twice: at least once.

    send      -> waiting
    receive   waiting, oldest first -> in flight until now + visibility, with a new receipt
    delete    with the newest receipt -> deleted, also when the message has become visible again since
    time      in flight too long -> waiting again, or dead when it has been received `max_receives` times
              older than `ttl`   -> expired, wherever it is (a backlog older than that is lost: set it with care)

    sent = waiting + in flight + deleted + expired + dead + purged                        at every moment

What waits is ordered by when it was sent, so a message that comes back is older than the rest and goes first. At one
moment a message expires before it becomes visible. Leaves out: order within groups, delays, and the duplicates a real
queue makes on its own. Source: the SQS developer guide (visibility timeout, retention, dead-letter queues); there a
message moves to the dead letters at the receive after the last one, here as soon as its last receipt has run out.
"""

from __future__ import annotations

import math
from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple


class MessagesSpec(NamedTuple):
    """Durations in seconds. `max_receives` 0 means that no message ever becomes a dead letter."""

    visibility_s: float = 5.0
    ttl_s: float = math.inf
    max_receives: int = 0
    capacity: int = 1_000_000  # messages waiting and in flight
    in_flight_limit: int = 120_000


class Received(NamedTuple):
    """One message as its receiver gets it. `attempts` counts the times it was handed out, this one included."""

    id: int
    body: Any
    receipt: str
    attempts: int
    sent_s: float


class _Message:
    __slots__ = ("body", "forgiven", "hidden", "receives", "sent_s")

    def __init__(self, body: Any, sent_s: float) -> None:
        self.body = body
        self.sent_s = sent_s
        self.receives = 0  # ever; never set back, so that no receipt comes twice
        self.forgiven = 0  # receives that no longer count, after a redrive
        self.hidden = False


class Messages:
    """All messages of one queue. Times are seconds from the run's zero; an earlier one counts as the latest seen."""

    def __init__(self, spec: MessagesSpec, now_s: float) -> None:
        if not spec.visibility_s > 0.0 or not spec.ttl_s > 0.0:
            raise ValueError("messages: visibility and ttl must be above 0 s")
        self.spec = spec
        self.sent_total = self.received_total = self.redelivered_total = self.deleted_total = 0
        self.expired_total = self.dead_total = self.purged_total = self.redriven_total = 0
        self.in_flight = 0
        self.dead: dict[int, _Message] = {}
        self.delivered: dict[int, int] = {}  # message -> times handed out, for those that were
        self._now_s = now_s
        self._there: dict[int, _Message] = {}  # waiting or in flight, in the order in which they were sent
        self._ready: list[int] = []  # heap of numbers; entries of messages gone or hidden are passed over
        self._hidden: list[tuple[float, int, int]] = []  # heap of (visible again, number, receives)

    @property
    def waiting(self) -> int:
        """Messages that could be received now, as of the latest moment seen."""
        return len(self._there) - self.in_flight

    def send(self, body: Any, now_s: float) -> int | None:
        """Take a message in; its number, or None when the queue is full."""
        now_s = self.settle(now_s)
        if len(self._there) >= self.spec.capacity:
            return None
        number = self.sent_total
        self.sent_total += 1
        self._there[number] = _Message(body, now_s)
        heappush(self._ready, number)
        return number

    def receive(self, most: int, now_s: float) -> list[Received]:
        """Hand out up to `most` messages, oldest first, and hide them for the visibility timeout."""
        now_s = self.settle(now_s)
        found: list[Received] = []
        while self._ready and len(found) < most and self.in_flight < self.spec.in_flight_limit:
            number = heappop(self._ready)
            message = self._there.get(number)
            if message is None or message.hidden:
                continue
            message.hidden = True
            message.receives += 1
            self.in_flight += 1
            heappush(self._hidden, (now_s + self.spec.visibility_s, number, message.receives))
            self.received_total += 1
            self.redelivered_total += message.receives > 1
            self.delivered[number] = self.delivered.get(number, 0) + 1
            receipt = f"{number}-{message.receives}"
            found.append(Received(number, message.body, receipt, message.receives, message.sent_s))
        return found

    def delete(self, receipt: str, now_s: float) -> bool:
        """True when the message is gone by this; False for an older receipt or a message gone already.

        Raises ValueError for what is no receipt of this queue.
        """
        self.settle(now_s)
        parts = receipt.split("-")
        if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):
            raise ValueError(f"receipt is {receipt!r}; give back the one that came with the message")
        number, receives = int(parts[0]), int(parts[1])
        message = self._there.get(number)
        if message is None or message.receives != receives:
            return False
        self._remove(number)
        self.deleted_total += 1
        return True

    def purge(self, now_s: float) -> int:
        """Throw away everything that waits or is in flight; how many that were."""
        self.settle(now_s)
        purged = len(self._there)
        self._there.clear()
        self._ready.clear()
        self._hidden.clear()
        self.in_flight = 0
        self.purged_total += purged
        return purged

    def redrive(self, now_s: float) -> int:
        """Put all dead letters back as if nobody had ever received them; how many. Their age counts on."""
        self.settle(now_s)
        moved = len(self.dead)
        for number, message in self.dead.items():
            message.forgiven = message.receives
            self._there[number] = message
        self.dead.clear()
        self._there = dict(sorted(self._there.items()))
        self._ready = [number for number, message in self._there.items() if not message.hidden]
        heapify(self._ready)
        self.redriven_total += moved
        self.settle(now_s)
        return moved

    def settle(self, now_s: float) -> float:
        """Let everything happen that time alone brings about up to `now_s`; the moment it then is."""
        now_s = self._now_s = max(self._now_s, now_s)
        while True:
            expiry_s, visible_s = self._expiry_s(), self._visible_s()
            if min(expiry_s, visible_s) > now_s:
                return now_s
            if expiry_s <= visible_s:
                self._remove(next(iter(self._there)))
                self.expired_total += 1
            else:
                _, number, _ = heappop(self._hidden)
                self._reappear(number)

    def next_s(self) -> float:
        """When time alone changes something next; inf for never."""
        return min(self._expiry_s(), self._visible_s())

    def oldest_s(self, now_s: float) -> float:
        """Age of the oldest message that is waiting or in flight, 0 for none."""
        now_s = self.settle(now_s)
        return now_s - next(iter(self._there.values())).sent_s if self._there else 0.0

    def _expiry_s(self) -> float:
        return next(iter(self._there.values())).sent_s + self.spec.ttl_s if self._there else math.inf

    def _visible_s(self) -> float:
        hidden = self._hidden
        while hidden:
            until_s, number, receives = hidden[0]
            message = self._there.get(number)
            if message is not None and message.hidden and message.receives == receives:
                return until_s
            heappop(hidden)
        return math.inf

    def _reappear(self, number: int) -> None:
        message = self._there[number]
        message.hidden = False
        self.in_flight -= 1
        if 0 < self.spec.max_receives <= message.receives - message.forgiven:
            self.dead[number] = self._there.pop(number)
            self.dead_total += 1
        else:
            heappush(self._ready, number)

    def _remove(self, number: int) -> None:
        self.in_flight -= self._there.pop(number).hidden
