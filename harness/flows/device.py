"""A device that reports to a service under a session, and keeps its readings while it has none.

The service answers every report with how devices should behave when it is gone (`Manners`); a device that never heard
of it behaves as devices do that were never told: it comes back at once, and again. What it could not send it keeps, up
to a limit; beyond it the oldest reading is thrown away, or all but the newest where only the newest matters.

A batch that was sent is never changed: the reply may have been lost, and only the same batch again is harmless. So
readings are thrown away only while they have not been sent.

Here is the state and what may happen to it; when, is the story's (`harness/flows/stories/smart_home.py`).
"""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

from harness.policies import reconnect
from harness.policies.reconnect import ReconnectSpec

BATCH_MAX = 25  # readings in one report: a store's limit for one transaction
FROM_BEFORE = 0  # the session a device comes with


class Manners(NamedTuple):
    """How to behave without the service."""

    reconnect: ReconnectSpec = ReconnectSpec()
    keep: int = 50
    collapse: bool = False
    slot: int = 0

    @classmethod
    def told(cls, body: dict[str, Any]) -> Manners:
        """From an answer of the service."""
        return cls(ReconnectSpec(*body["reconnect"]), int(body["keep"]), bool(body["collapse"]), int(body["slot"]))


class Device:
    """One device. Readings are known by the number of their operation."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.session: int | None = FROM_BEFORE
        self.manners = Manners()
        self.connecting = False  # one flow of this device is at it
        self.has_turn = False
        self.next_try_s = 0.0
        self.dropped: dict[int, float] = {}  # thrown away and not yet told: when they were read
        self.draws = 0  # used up, so that each has its own number
        self._kept: dict[int, float] = {}  # not sent yet: operation -> when it was read
        self._batches: deque[tuple[int, ...]] = deque()  # sent, and not confirmed
        self._awaited: dict[int, float | None] = {}  # operations that somebody waits for: when delivered

    def read(self, op: int, now_s: float) -> None:
        """A new reading, for which somebody waits until `forget`."""
        self._awaited[op] = None
        if self.manners.collapse:
            self._drop(len(self._kept))
        self._kept[op] = now_s
        self._drop(len(self._kept) - self.manners.keep)

    def delivered_s(self, op: int) -> float | None:
        """When the service confirmed this reading; None while it has not."""
        return self._awaited[op]

    def forget(self, op: int) -> None:
        """Nobody waits for this reading any more; it stays with the others."""
        self._awaited.pop(op, None)

    def batch(self) -> tuple[int, ...]:
        """What to send next, oldest first; empty when all is on its way. The taker owes `confirmed` or `failed`."""
        if self._batches:
            return self._batches.popleft()
        taken = tuple(self._kept)[:BATCH_MAX]
        for op in taken:
            del self._kept[op]
        return taken

    def confirmed(self, batch: tuple[int, ...], told: dict[int, float], now_s: float) -> None:
        """The service has it, and knows of the readings in `told` that there will be none."""
        for op in batch:
            if op in self._awaited:
                self._awaited[op] = now_s
        for op in told:
            self.dropped.pop(op, None)

    def failed(self, batch: tuple[int, ...]) -> None:
        """It may have arrived or not: to be sent again as it is."""
        self._batches.append(batch)

    def lost(self, now_s: float, u: float, again: bool = False) -> None:
        """The session is gone, or could not be had: when to try for one."""
        self.session, self.has_turn = None, False
        manners = self.manners
        self.next_try_s = reconnect.next_try_s(manners.reconnect, now_s, again, manners.slot, u)

    def _drop(self, count: int) -> None:
        for op in list(self._kept)[: max(count, 0)]:
            self.dropped[op] = self._kept.pop(op)
