"""An app with two stores that do not know each other: whom it asks, and what each of them has not heard of.

`harness.flows.failover` says when to leave a store and when to come back. That is the easy half. An app that writes to
whichever store answers has two histories, and each store holds items whose newest version is at the other. Nobody finds
that out by asking one of them; only the caller knows where it last wrote. So it remembers that here, and

    asks the second     telling when each item was last written at the first (`seen_s`); the second knows how far its
                        copy has come, and counts what is stale and what now diverges (`harness.models.provider`)
    asks the first      about an item last written at the second: nobody copies that way, so it is counted here

Requests and items are counted apart: an account that was written fifty times away from home is one account to be
brought together, and of a transfer that touches three items only those that the other store has written diverge.

A user's items have one home, by the user's own draw; a transfer goes to the home of the payer, and the payee's account
may have the other. A write that was sent to one store and not confirmed is repeated at the other under the same key: if
both did it, the key says that these are one, and bringing them together is easy. Without keys they are two.

Leaves out: bringing the two histories together, writes that took effect and were never confirmed (the app cannot know
of them, so it does not tell), and several processes, each with a memory of its own.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from harness import seeds
from harness.flows.call import CallResult
from harness.flows.client import Client
from harness.flows.failover import FIRST, SECOND, Failover, FailoverSpec
from harness.flows.wants import Answer, Request, Want
from harness.models.component import Note

TARGETS = ("kv", "provider")
_HOME = seeds.stream_id("two_stores/home")

Item = tuple[str, str]  # table, key


class TwoStores:
    """One process's calls to `kv` and `provider`. Times are seconds from the run's zero."""

    def __init__(self, spec: FailoverSpec, clients: tuple[Client, Client], seed: int, note: Note) -> None:
        """`clients` are those towards `TARGETS`. Raises ValueError for a mode that does not exist."""
        self.failover = Failover(spec, TARGETS, clients)
        self.clients = clients
        self.stale_reads_total = 0  # at the first, of what was last written at the second
        self.divergent_writes_total = 0  # requests
        self.divergent: set[Item] = set()  # items, each once
        self._seed = seed
        self._note = note
        self._written: dict[Item, tuple[int, float]] = {}  # where an item was last written, and when
        self._turns = (0, 0)

    def ask(
        self, ask: Request, user: int, *, op: int, layer: int, parent_id: int, call_no: int, now_s: float,
        deadline_s: float, criticality: int,
    ) -> Generator[Want, Answer, CallResult]:  # fmt: skip
        """One call about `user`, at whichever store the policy says."""
        items = items_of(ask)
        result, side = yield from self.failover.call(
            lambda side: self._request(ask, side), seeds.draw(self._seed, _HOME, user), op=op, layer=layer,
            parent_id=parent_id, call_no=call_no, now_s=now_s, deadline_s=deadline_s, criticality=criticality,
        )  # fmt: skip
        if result.ok:
            away = [item for item in items if self._written.get(item, (FIRST, 0.0))[0] == SECOND]
            if side == FIRST and away:
                self.stale_reads_total += not ask.write
                self.divergent_writes_total += ask.write
                self.divergent.update(away if ask.write else ())
            if ask.write:
                self._written.update(dict.fromkeys(items, (side, result.ended_s)))
        self._tell()
        return result

    def gauges(self) -> dict[str, float]:
        """Readings, for the app to add to its own."""
        left, returned = self.failover.left_total, self.failover.returned_total
        return {
            "failed_over_total": float(sum(left)),
            "failed_back_total": float(sum(returned)),
            "provider_attempts_total": float(self.clients[SECOND].counters.attempts),
            "provider_calls_total": float(self.clients[SECOND].counters.calls),
            "home_stale_reads_total": float(self.stale_reads_total),
            "home_divergent_writes_total": float(self.divergent_writes_total),
            "home_divergent_items": float(len(self.divergent)),
        }

    def _request(self, ask: Request, side: int) -> Request:
        """The same, and for the second what it may lack: a moment, or one for each item of a write."""
        if side == FIRST:
            return ask
        if not ask.write:
            (item,) = items_of(ask)
            seen_s = self._seen_s(item)
            return ask if seen_s is None else ask._replace(params={**ask.params, "seen_s": seen_s})
        all_seen = [self._seen_s((w["table"], str(w["key"]))) if "key" in w else None for w in ask.params["writes"]]
        if all(at_s is None for at_s in all_seen):
            return ask
        return ask._replace(params={**ask.params, "seen_s": all_seen})

    def _seen_s(self, item: Item) -> float | None:
        """When an item was written at the first, if that was the last time."""
        where, at_s = self._written.get(item, (SECOND, 0.0))
        return at_s if where == FIRST else None

    def _tell(self) -> None:
        """A turn is a moment that matters to whoever reads the journal."""
        left, returned = self.failover.left_total, self.failover.returned_total
        turns = sum(left), sum(returned)
        if turns != self._turns:
            kind = "failed_over" if turns[0] > self._turns[0] else "failed_back"
            sides = zip(TARGETS, self.failover.sides, strict=True)
            self._note(kind, down=[target for target, side in sides if side.down])
            self._turns = turns


def items_of(ask: Request) -> tuple[Item, ...]:
    """The items a read or write is about. A put without a key makes a new one, which nobody has written before."""
    params: dict[str, Any] = ask.params
    if not ask.write:
        return ((str(params.get("table")), str(params.get("key"))),)
    return tuple((str(write["table"]), str(write["key"])) for write in params["writes"] if "key" in write)
