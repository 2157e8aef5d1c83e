"""What the page knows of a run, kept once, and handed to any number of browsers that may be slow or gone.

A browser that reads slowly must cost nothing: if every line waited for it, a laptop that sleeps with a page open would
fill the load generator's memory. So a listener has a queue of a few messages. One that does not fit is not kept; the
listener is marked as behind, its queue is emptied, and what it gets next is everything at once, which is never more
than the run itself. For that the deltas are merged here as they come, by the same rule as in the page:

    series[from:] = what came          events += what came          the rest is replaced

A listener that takes nothing for a minute is ended: its connection is dead, and nobody told us.

Leaves out: how messages travel (`routes`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import gevent
from gevent.queue import Empty, Full, Queue

QUEUE_MOST = 8  # messages: four seconds of a run
BEHIND_S_MAX = 60.0
LISTENERS_MOST = 32
HEARTBEAT_S = 2.0


class Message(NamedTuple):
    """One event for a page; `number` grows by one with each."""

    number: int
    event: str
    data: str  # JSON, written once for all who listen


class Merged:
    """A run so far, as one tick that carries everything."""

    def __init__(self) -> None:
        self._tick: dict[str, Any] = {}
        self._series: dict[str, dict[str, list[Any]]] = {"windows": {}, "backlog": {}}
        self._events: list[Any] = []

    def add(self, tick: dict[str, Any], *, whole: bool = False) -> None:
        """Take one tick in; `whole` takes the place of all before."""
        if whole:
            self._series = {"windows": {}, "backlog": {}}
            self._events = []
        self._tick = tick
        self._events += tick["events"]
        _splice(self._series["windows"], tick["windows"], tick["windows"]["from"])
        _splice(self._series["backlog"], tick["backlog"]["by_component"], tick["backlog"]["from"])
        _splice(self._series["backlog"], {"": tick["backlog"]["t_s"]}, tick["backlog"]["from"])

    def all(self) -> dict[str, Any] | None:
        """Everything so far; None before the first tick."""
        if not self._tick:
            return None
        backlog = dict(self._series["backlog"])
        t_s = backlog.pop("")
        width_s = self._tick["windows"]["width_s"]
        return {
            **self._tick,
            "windows": {"from": 0, "begin_s": 0.0, "width_s": width_s, **self._series["windows"]},
            "backlog": {"from": 0, "t_s": t_s, "by_component": backlog},
            "events": list(self._events),
        }


class Listener:
    """One browser that listens."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._queue: Any = Queue(maxsize=QUEUE_MOST)
        self._behind = True  # the first that it gets is everything
        self._full_since: float | None = None
        self.greenlet = gevent.getcurrent()
        self._queue.put_nowait(None)  # wakes it for that

    def put(self, message: Message, now_s: float) -> None:
        """Keep a message for it, if there is room."""
        try:
            if not self._behind:
                self._queue.put_nowait(message)
                self._full_since = None
                return
            self._queue.put_nowait(None)
            self._full_since = None
        except Full:
            if not self._behind:
                self._behind = True
                while not self._queue.empty():
                    self._queue.get_nowait()
                self._queue.put_nowait(None)
            if self._full_since is None:
                self._full_since = now_s

    def stuck(self, now_s: float) -> bool:
        """Whether it has taken nothing for too long."""
        return self._full_since is not None and now_s - self._full_since > BEHIND_S_MAX

    def waiting(self) -> int:
        """Messages kept for it."""
        return int(self._queue.qsize())

    def messages(self) -> Iterator[Message | None]:
        """Messages as they come, without end; None when nothing came for a while."""
        while True:
            try:
                found = self._queue.get(timeout=HEARTBEAT_S)
            except Empty:
                yield None
                continue
            if self._behind:
                self._behind = False
                while not self._queue.empty():
                    self._queue.get_nowait()
                yield from self._feed.everything()
            elif found is not None:
                yield found


class Feed:
    """Messages to all who listen, and the run so far for those who come late or fall behind."""

    def __init__(self) -> None:
        self.listeners: list[Listener] = []
        self._number = 0
        self._merged = Merged()
        self._state: dict[str, Any] = {}
        self._ended: dict[str, Any] | None = None

    def begin(self) -> None:
        """A new run: what was said of the one before is forgotten."""
        self._merged, self._ended = Merged(), None

    def state(self, state: dict[str, Any], now_s: float) -> None:
        """Say how things stand, if that is news."""
        if state != self._state:
            self._state = state
            self._send("state", state, now_s)

    def tick(self, tick: dict[str, Any], now_s: float, *, whole: bool = False) -> None:
        """Say what changed in the run."""
        self._merged.add(tick, whole=whole)
        if whole:
            tick = self._merged.all() or tick
        self._send("tick", tick, now_s)

    def ended(self, end: dict[str, Any], now_s: float) -> None:
        """Say how the run ended."""
        self._ended = end
        self._send("ended", end, now_s)

    def everything(self) -> list[Message]:
        """What somebody needs who knows nothing."""
        found = [("state", self._state), ("tick", self._merged.all()), ("ended", self._ended)]
        return [Message(self._number, event, _text(data)) for event, data in found if data]

    def listen(self) -> Listener:
        """One more listener; `leave` it in the end. Raises Full when there are too many."""
        if len(self.listeners) >= LISTENERS_MOST:
            raise Full
        self.listeners.append(listener := Listener(self))
        return listener

    def leave(self, listener: Listener) -> None:
        """It is gone."""
        if listener in self.listeners:
            self.listeners.remove(listener)

    def _send(self, event: str, data: dict[str, Any], now_s: float) -> None:
        self._number += 1
        if not self.listeners:
            return
        message = Message(self._number, event, _text(data))
        for listener in list(self.listeners):
            listener.put(message, now_s)
            if listener.stuck(now_s):
                self.leave(listener)
                listener.greenlet.kill(block=False)


def _text(data: dict[str, Any]) -> str:
    return json.dumps(data, allow_nan=False, separators=(",", ":"))


def _splice(held: dict[str, list[Any]], came: dict[str, Any], first: int) -> None:
    """Put lists that begin at `first` into those held; a list that is new has nulls before."""
    for name, values in came.items():
        if isinstance(values, list):
            known = held.setdefault(name, [])
            known += [None] * (first - len(known))
            known[first:] = values
