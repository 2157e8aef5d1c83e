"""Coffee: orders ahead, loyalty points that may come late, and a menu that may be old.

    menu          a read, kept for a while, and served old rather than not at all
    order_ahead   a write; when it cannot be confirmed the customer is sent to the counter
    earn          points for a purchase: taken at once, written when the store can be reached

The naive app writes the points while the customer waits, and a store that is away closes the shop. Here the ledger
follows: postings wait in the outbox `points` and catch up afterwards. They must not be collapsed (two purchases are two
postings, unlike two readings of one sensor) and none may be lost or doubled: each is one record under its own key, and
moves the balance in the same write. The sum of the records is the sum of the balances, at all times.

At the counter people work at a fixed rate, however many come (`harness.flows.fallbacks.ManualChannel`); a line that is
full sends the next one away. What was sold there is rung up and entered in the outbox `till`, under the key of the
order: if the order had reached the store after all, the entry finds it and adds nothing.

Leaves out: queues of people in front of a barista in good times, spending points, and stock. Source of the pattern: in
an outage of October 2025 shops sold over the counter, lines grew, and points were posted late.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

from harness.flows.fallbacks import Kept, ManualChannel
from harness.flows.wants import Answer, Request, Want
from harness.models.apps.app import AppSpec, Serving
from harness.models.apps.base import AppRequest, Response
from harness.models.apps.cold import flush_cache
from harness.models.apps.owing import OwingApp, OwingSpec, whole
from harness.models.component import Given
from harness.models.outbox import Item, OutboxSpec

_CALL = 1
_POINTS, _TILL = "points", "till"


class CoffeeSpec(NamedTuple):
    """The knobs of the app. Rates per second; `counter_per_s` None closes the counter."""

    app: AppSpec
    owing: OwingSpec
    outbox: OutboxSpec  # of both boxes
    menu_fresh_s: float
    menu_stale_s: float  # 0 switches the fallback off
    counter_per_s: float | None
    counter_room: int
    late_points: bool  # False writes points while the customer waits


class Posting(NamedTuple):
    """Points for one purchase. `key` is the purchase's idempotency key."""

    user: int
    points: int
    key: str


class Sale(NamedTuple):
    """An order of one item, ahead or at the counter."""

    user: int
    item: int
    key: str


class Coffee(OwingApp):
    """The brain of the app."""

    def __init__(self, spec: CoffeeSpec, given: Given) -> None:
        super().__init__(spec.app, spec.owing, {_POINTS: spec.outbox, _TILL: spec.outbox}, given)
        self.spec = spec
        self.menus: Kept[int] = Kept(spec.menu_fresh_s, spec.menu_stale_s)
        self.faults["flush_cache"] = flush_cache(self.menus)
        self.counter = ManualChannel(spec.counter_per_s, spec.counter_room, given.now_s)
        self._sold: dict[int, float] = {}  # op -> when the counter serves it

    def serve(self, request: AppRequest, now_s: float) -> Serving:
        """Operations `menu` {store}, `order_ahead` {user, item, key?} and `earn` {user, points, key?}."""
        key = str(request.params.get("key", request.op))
        try:
            if request.operation == "menu":
                return (yield from self._menu(whole(request.params, "store"), request, now_s))
            if request.operation == "order_ahead":
                sale = Sale(whole(request.params, "user"), whole(request.params, "item"), key)
                return (yield from self._order(sale, request, now_s))
            if request.operation == "earn":
                posting = Posting(whole(request.params, "user"), whole(request.params, "points"), key)
                return (yield from self._earn(posting, request, now_s))
        except ValueError as error:
            return Response(400, "bad_request", {"message": str(error)}), now_s
        said = f"no {request.operation!r}; there are: earn, menu, order_ahead"
        return Response(404, "unknown_operation", {"message": said}), now_s

    def replay(self, box: str, item: Item, now_s: float) -> Generator[Want, Answer, tuple[bool, float]]:
        """Post points, or enter what was sold at the counter."""
        owed = item.payload
        write = self._posting(owed, item.op) if box == _POINTS else self._sale(owed, item.op, "counter")
        result, _ = yield from self.system_told(write, item.op, now_s)
        return self.is_done(result), result.ended_s

    def crashed(self, now_s: float) -> None:
        """Menus were in memory; who was promised a coffee at the counter still gets it."""
        super().crashed(now_s)
        self.menus.clear()

    def gauges(self, now_s: float) -> dict[str, float]:
        """The shared ones, and what the fallbacks did."""
        return {
            **super().gauges(now_s),
            "waiting_counter": float(self.counter.waiting(now_s)),
            "counter_served_total": float(self.counter.done_total),
            "turned_away_total": float(self.counter.turned_away_total),
            "stale_served_total": float(self.menus.stale_served_total),
        }

    def _menu(self, store: int, request: AppRequest, now_s: float) -> Serving:
        known = self.menus.fresh(store, now_s)
        if known is not None:
            return Response(200, "", {"menu": known.value}), now_s
        read = Request("read", {"table": "menus", "key": str(store)}, write=False)
        result = (yield from self.told(read, request, _CALL, now_s)).result
        now_s = result.ended_s
        if result.ok:
            menu = (result.reply.body or {}).get("item") or {"items": 20 + store % 10}
            self.menus.put(store, menu, now_s)
            return Response(200, "", {"menu": menu}), now_s
        known = self.menus.stale(store, now_s)
        if known is None:
            return Response(503, "dependency"), now_s
        self.degraded_total += 1
        return Response(200, "", {"menu": known.value, "degraded": "stale", "age_s": known.age_s}), now_s

    def _order(self, sale: Sale, request: AppRequest, now_s: float) -> Serving:
        op = request.op
        if op in self._sold:  # an earlier attempt of theirs went to the counter, and its reply was lost
            return self._at_counter(op), now_s
        result, _ = yield from self.told(self._sale(sale, op, "app"), request, _CALL, now_s)
        now_s = result.ended_s
        if self.is_done(result):
            return Response(200, "", {"order": op}), now_s
        if op not in self._sold:
            at_s = self.counter.take(now_s)
            if at_s is None:
                return Response(503, "dependency"), now_s
            if not self.boxes[_TILL].add(op, sale, now_s):
                return Response(503, "queue_full"), now_s
            self._sold[op] = at_s
            self.degraded_total += 1
        return self._at_counter(op), now_s

    def _at_counter(self, op: int) -> Response:
        return Response(200, "", {"order": op, "degraded": "counter", "served_s": self._sold[op]})

    def _earn(self, posting: Posting, request: AppRequest, now_s: float) -> Serving:
        if self.spec.late_points:
            if not self.boxes[_POINTS].add(request.op, posting, now_s):
                return Response(503, "queue_full"), now_s
            return Response(200, "", {"points": posting.points, "posted": "soon"}), now_s
        result, _ = yield from self.told(self._posting(posting, request.op), request, _CALL, now_s)
        if not self.is_done(result):
            return Response(503, "dependency"), result.ended_s
        return Response(200, "", {"points": posting.points, "posted": "now"}), result.ended_s

    def _posting(self, posting: Posting, op: int) -> Request:
        record = {"op": op, "user": posting.user, "points": posting.points}
        balance = {"table": "loyalty", "key": str(posting.user), "add": {"points": posting.points}}
        return self.write_of("points", posting.key, record, balance)

    def _sale(self, sale: Sale, op: int, at: str) -> Request:
        """The same key wherever it was sold, but a token of its own: the record tells the two apart."""
        record = {"op": op, "user": sale.user, "item": sale.item, "at": at}
        return self.write_of("orders", sale.key, record, sort=f"-{at}")
