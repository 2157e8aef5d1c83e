"""An outbox: work that was promised but could not be done yet, sent again later, with manners that are knobs.

An app that cannot reach its store keeps what it owes and sends it when the store is back. Done the obvious way, that
replay is a second outage: everything owed is sent at once, each item with retries of its own, to a store that has just
come back. A retry budget does not help, since each item's first send is not a retry. So the replay has its own limits:

    senders      how many items may be on their way at once
    pace         how often one may start (GCRA), or none
    the gate     while the last call of any kind failed, nothing is sent; the first success opens it
    retry wait   an item whose replay failed waits retry_wait x (1..2), by its own draw
    expiry       an item older than this when its turn comes is thrown away, and remembered as such; or none
    collapse     a new item takes the place of a waiting one under the same `about` (the newest state of a thing)

Items are keyed by operation, not by attempt: a client that tried three times is owed one notification, not three (and
two configurations that differ only in retries meet the same surge). An operation that is confirmed by a later attempt
is settled and leaves the box. A full box drops the new item and counts it: those are lost.

The gate probes nothing by itself: it relies on other traffic to notice that the store is back.
"""

from __future__ import annotations

import heapq
import math
from typing import Any, NamedTuple

from harness import seeds
from harness.policies import pacing

_RETRY = seeds.stream_id("outbox/retry")


class OutboxSpec(NamedTuple):
    """The limits of a replay. `pace` None sends as fast as senders allow."""

    senders: int
    pace: pacing.PaceSpec | None
    retry_wait_s: float
    capacity: int
    expiry_s: float = math.inf


class Item(NamedTuple):
    """One operation owed; `tries` counts the replays begun."""

    op: int
    payload: Any
    added_s: float
    tries: int
    about: object = None


class Outbox:
    """The items owed and who may go next. Times are seconds from the run's zero."""

    def __init__(self, spec: OutboxSpec, seed: int, now_s: float) -> None:
        self.spec = spec
        self.added_total = 0
        self.sent_total = 0  # confirmed by a replay
        self.settled_total = 0  # confirmed by somebody else
        self.failed_total = 0  # replays that did not confirm
        self.dropped_total = 0  # the box was full
        self.collapsed_total = 0  # a newer item about the same took their place
        self.expired: list[tuple[int, float]] = []  # thrown away for their age, and since when owed
        self._seed = seed
        self._open = True
        self._pace = pacing.start(spec.pace, now_s) if spec.pace else None
        self._items: dict[int, Item] = {}
        self._sending: set[int] = set()
        self._due: list[tuple[float, int, int]] = []  # (due, birth, op)
        self._queued: dict[int, int] = {}  # op -> birth of its entry in `_due`; entries with another birth are void
        self._births = 0
        self._about: dict[object, int] = {}

    def __len__(self) -> int:
        """Items owed, those on their way included."""
        return len(self._items)

    @property
    def waiting(self) -> int:
        """Items owed and not on their way."""
        return len(self._queued)

    @property
    def sending(self) -> int:
        """Items on their way."""
        return len(self._sending)

    @property
    def is_open(self) -> bool:
        """True while the last call heard of succeeded."""
        return self._open

    def ops(self) -> list[int]:
        """The operations owed, oldest first."""
        return list(self._items)

    def owed(self) -> list[tuple[int, float]]:
        """The operations owed and since when, oldest first."""
        return [(op, item.added_s) for op, item in self._items.items()]

    def add(self, op: int, payload: Any, now_s: float, about: object = None) -> bool:
        """Owe `op`; due at once. One already owed stays as it is. False when the box is full and the item is lost.

        With `about`, a waiting item about the same leaves: only the newest matters (the last reading of a sensor).
        """
        if op in self._items:
            return True
        if about is not None:
            older = self._about.get(about)
            if older in self._queued:
                self._forget(older)
                self.collapsed_total += 1
            self._about[about] = op
        if len(self._items) >= self.spec.capacity:
            self.dropped_total += 1
            return False
        self._items[op] = Item(op, payload, now_s, 0, about)
        self.added_total += 1
        self._push(now_s, op)
        return True

    def settle(self, op: int) -> None:
        """`op` was confirmed in another way: nothing is owed any more."""
        if self._items.pop(op, None) is not None:
            self._sending.discard(op)
            self._queued.pop(op, None)
            self.settled_total += 1

    def heard(self, ok: bool) -> None:
        """Some call to the store ended; the gate follows the last one."""
        self._open = ok

    def next_s(self) -> float:
        """The first moment at which `take` could grant: inf while shut, empty or all senders are busy."""
        if not self._open or len(self._sending) >= self.spec.senders:
            return math.inf
        while self._due and self._queued.get(self._due[0][2]) != self._due[0][1]:
            heapq.heappop(self._due)
        if not self._due:
            return math.inf
        due_s = self._due[0][0]
        if self.spec.pace is not None and self._pace is not None:
            return max(due_s, pacing.ready_at_s(self.spec.pace, self._pace))
        return due_s

    def take(self, now_s: float) -> Item | None:
        """The next item to send, or None if none may go at `now_s`. The taker owes `sent` or `failed`."""
        while True:
            if now_s < self.next_s():
                return None
            oldest = self._items[self._due[0][2]]
            if now_s - oldest.added_s < self.spec.expiry_s:
                break
            self._forget(oldest.op)
            self.expired.append((oldest.op, oldest.added_s))
        if self.spec.pace is not None and self._pace is not None:
            self._pace, _ = pacing.take(self.spec.pace, self._pace, now_s)
        op = heapq.heappop(self._due)[2]
        del self._queued[op]
        item = self._items[op]._replace(tries=self._items[op].tries + 1)
        self._items[op] = item
        self._sending.add(op)
        return item

    def _forget(self, op: int) -> None:
        del self._items[op], self._queued[op]

    def sent(self, op: int) -> None:
        """The replay of `op` was confirmed."""
        if self._items.pop(op, None) is not None:
            self._sending.discard(op)
            self.sent_total += 1

    def failed(self, op: int, now_s: float) -> None:
        """The replay of `op` was not confirmed; it becomes due again after its retry wait, unless settled meanwhile."""
        self.failed_total += 1
        item = self._items.get(op)
        if item is None or op not in self._sending:
            return
        self._sending.discard(op)
        u = seeds.draw(self._seed, _RETRY, op, item.tries)
        self._push(now_s + self.spec.retry_wait_s * (1.0 + u), op)

    def _push(self, due_s: float, op: int) -> None:
        self._births += 1
        self._queued[op] = self._births
        heapq.heappush(self._due, (due_s, self._births, op))
