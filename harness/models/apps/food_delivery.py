"""Food delivery: an order is a saga of quote, payment and dispatch, and can die between any two of them.

    order      quote (a read, kept for a while), pay (a write), dispatch (a write): no transaction over them
    quote      the menu's price, from memory when it is fresh
    location   where the driver is: a nicety, the first to be shed; without it the answer says only "on its way"

A customer who has paid and whose food was never sent is the worst outcome, and the commonest when a store goes away:
payment and dispatch are two writes. What may be taken without the store is the knob `accept`:

    none    an order fails where it stands. One that was paid stays paid, and nobody comes back to it
    paid    an order that is paid, or may be, waits in the outbox until it is dispatched
    all     one that is not paid waits too: the customer is served on credit, as a till does that is offline

Waiting orders go cold. Older than the outbox's `expiry` when their turn comes, they are thrown away; one that was paid,
or may have been, is then refunded (a box of its own that never expires). A payment whose reply was lost is first made
void: a record under its key, only if absent, so that a late write cannot land either. Only when that key is taken was
there a payment to give back. The refund takes the dispatch's key in the same write, so a late dispatch cannot land.

All of it rests on idempotency keys. Without them every attempt that reaches the store pays again, and a payment that
may have happened cannot be voided. Leaves out: restaurants that refuse, tips, and expiry shorter than a customer's own
deadline (their own later attempt would then meet the void and take it for a payment).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

from harness.flows.fallbacks import Kept, omit
from harness.flows.wants import Answer, Cause, Request, Want
from harness.models.apps.app import AppSpec, Serving
from harness.models.apps.base import AppRequest, Response
from harness.models.apps.cold import flush_cache
from harness.models.apps.owing import OwingApp, OwingSpec, Told, whole
from harness.models.component import Given
from harness.models.outbox import Item, OutboxSpec

_QUOTE_CALL, _PAY_CALL, _DISPATCH_CALL, _LOCATION_CALL = 1, 2, 3, 4
_BOX, _REFUNDS = "outbox", "refunds"


class FoodSpec(NamedTuple):
    """The knobs of the app. `accept` is "none", "paid" or "all"."""

    app: AppSpec
    owing: OwingSpec
    outbox: OutboxSpec
    menu_fresh_s: float
    menu_stale_s: float  # 0 switches the fallback off
    accept: str
    refunds: bool
    omit_location: bool


class Order(NamedTuple):
    """What a customer wants; `price` in pence, `key` their idempotency key."""

    user: int
    restaurant: int
    price: int
    key: str


Ask = Callable[[Request, int, float], Generator[Want, Answer, Told]]


def list_price(restaurant: int) -> int:
    """What a meal costs, in pence, where the store knows no other price."""
    return 900 + restaurant * 37 % 1500


class FoodDelivery(OwingApp):
    """The brain of the app."""

    def __init__(self, spec: FoodSpec, given: Given) -> None:
        refunds = spec.outbox._replace(expiry_s=float("inf"))
        super().__init__(spec.app, spec.owing, {_BOX: spec.outbox, _REFUNDS: refunds}, given)
        self.spec = spec
        self.menus: Kept[int] = Kept(spec.menu_fresh_s, spec.menu_stale_s)
        self.faults["flush_cache"] = flush_cache(self.menus)
        self.paid: dict[int, float] = {}  # op -> when the app came to know that it was paid
        self.dispatched: set[int] = set()
        self.refunded: set[int] = set()  # given back, void, or found to have been dispatched after all
        self.omitted_total = self.refunded_total = self.voided_total = 0
        self._maybe_paid: set[int] = set()
        self._orders: dict[int, Order] = {}  # those that wait

    def serve(self, request: AppRequest, now_s: float) -> Serving:
        """Operations `order` {user, restaurant, key?}, `quote` {restaurant} and `location` {driver}."""
        try:
            if request.operation == "order":
                return (yield from self._order(request, now_s))
            if request.operation == "quote":
                restaurant = whole(request.params, "restaurant")
                price, stale, now_s = yield from self._quote(restaurant, request, now_s)
                if price is None:
                    return Response(503, "dependency"), now_s
                self.degraded_total += stale
                return Response(200, "", {"price": price, **({"degraded": "stale"} if stale else {})}), now_s
            if request.operation == "location":
                return (yield from self._location(request, now_s))
        except ValueError as error:
            return Response(400, "bad_request", {"message": str(error)}), now_s
        said = f"no {request.operation!r}; there are: location, order, quote"
        return Response(404, "unknown_operation", {"message": said}), now_s

    def replay(self, box: str, item: Item, now_s: float) -> Generator[Want, Answer, tuple[bool, float]]:
        """Finish an order that waits, or give its money back."""
        order: Order = item.payload
        if box == _REFUNDS:
            return (yield from self._refund(order, item.op, now_s))
        done, now_s = yield from self._saga(
            order, item.op, lambda ask, _, t_s: self.system_told(ask, item.op, t_s), now_s
        )
        if done:
            self._orders.pop(item.op, None)
        return done, now_s

    def gone_stale(self, box: str, op: int, now_s: float) -> None:
        """Nobody wants this meal any more; the money goes back."""
        order = self._orders.pop(op)
        unsure = op in self._maybe_paid and self.owing.idempotency_keys
        if self.spec.refunds and (op in self.paid or unsure):
            self.boxes[_REFUNDS].add(op, order, now_s)

    def crashed(self, now_s: float) -> None:
        """Menus were in memory."""
        super().crashed(now_s)
        self.menus.clear()

    def gauges(self, now_s: float) -> dict[str, float]:
        """The shared ones, what was paid and dispatched, and what fallbacks did."""
        return {
            **super().gauges(now_s),
            "paid_total": float(len(self.paid)),
            "dispatched_total": float(len(self.dispatched)),
            "paid_undispatched": float(len(self._in_between())),
            "refunded_total": float(self.refunded_total),
            "voided_total": float(self.voided_total),
            "stale_served_total": float(self.menus.stale_served_total),
            "omitted_total": float(self.omitted_total),
        }

    def export(self) -> dict[str, Any]:
        """The shared part (refunds owed apart: their orders are not), and orders paid, not dispatched, not refunded."""
        box, refunds = self.boxes[_BOX], self.boxes[_REFUNDS]
        return {
            **super().export(),
            "owed": box.owed(),
            "expired": box.expired,
            "paid": sorted(self.paid),
            "paid_undispatched": [[op, self.paid[op]] for op in self._in_between()],
            "refunds_owed": refunds.owed(),
        }

    def _in_between(self) -> list[int]:
        return sorted(self.paid.keys() - self.dispatched - self.refunded)

    def _quote(
        self, restaurant: int, request: AppRequest, now_s: float
    ) -> Generator[Want, Answer, tuple[int | None, bool, float]]:
        """The price in pence, whether it is out of date, and the time; None when there is none to be had."""
        known = self.menus.fresh(restaurant, now_s)
        if known is not None:
            return known.value, False, now_s
        read = Request("read", {"table": "menus", "key": str(restaurant)}, write=False)
        result = (yield from self.told(read, request, _QUOTE_CALL, now_s)).result
        if result.ok:
            item = (result.reply.body or {}).get("item") or {}
            price = int(item.get("price", list_price(restaurant)))
            self.menus.put(restaurant, price, result.ended_s)
            return price, False, result.ended_s
        known = self.menus.stale(restaurant, result.ended_s)
        return (None if known is None else known.value), known is not None, result.ended_s

    def _order(self, request: AppRequest, now_s: float) -> Serving:
        user, restaurant = whole(request.params, "user"), whole(request.params, "restaurant")
        op = request.op
        price, _, now_s = yield from self._quote(restaurant, request, now_s)
        if price is None:
            return Response(503, "dependency"), now_s
        order = Order(user, restaurant, price, str(request.params.get("key", op)))
        done = kept = False
        try:
            done, now_s = yield from self._saga(order, op, lambda ask, no, t_s: self.told(ask, request, no, t_s), now_s)
        finally:  # also when the caller went and took this flow along: some of it may have happened
            if done:
                self.boxes[_BOX].settle(op)
                self._orders.pop(op, None)
            elif op not in self.dispatched and self._takes(op):
                kept = self.boxes[_BOX].add(op, order, now_s)
                if kept:
                    self._orders[op] = order
        if done:
            return Response(200, "", {"order": op, "price": price}), now_s
        if kept and (self.spec.accept == "all" or op in self.paid):
            self.degraded_total += 1
            return Response(200, "", {"order": op, "price": price, "degraded": "outbox"}), now_s
        return Response(503, "dependency"), now_s

    def _takes(self, op: int) -> bool:
        """Whether an order that stands still is kept."""
        if self.spec.accept == "paid":
            return op in self.paid or op in self._maybe_paid
        return self.spec.accept == "all"

    def _saga(self, order: Order, op: int, ask: Ask, now_s: float) -> Generator[Want, Answer, tuple[bool, float]]:
        """Pay unless it is known to be paid, then dispatch; True when both are confirmed."""
        if op not in self.paid:
            no_effect = False
            try:
                record = {"op": op, "user": order.user, "amount": order.price}
                write = self.write_of("payments", order.key, record)
                result, no_effect = yield from ask(write, _PAY_CALL, now_s)
            finally:
                if not no_effect:
                    self._maybe_paid.add(op)
            now_s = result.ended_s
            if not self.is_done(result):
                return False, now_s
            self.paid.setdefault(op, now_s)
        record = {"op": op, "user": order.user, "restaurant": order.restaurant, "price": order.price}
        result, _ = yield from ask(self.write_of("dispatches", order.key, record), _DISPATCH_CALL, now_s)
        if self.is_done(result):
            self.dispatched.add(op)
        return op in self.dispatched, result.ended_s

    def _refund(self, order: Order, op: int, now_s: float) -> Generator[Want, Answer, tuple[bool, float]]:
        """Make void what was never paid, else give the money back; True when one of them is confirmed."""
        no_dispatch = {
            "table": "dispatches", "key": order.key, "put": {"cancelled": op}, "if": {"absent": True},
        }  # fmt: skip
        more = (no_dispatch,) if self.owing.idempotency_keys else ()
        if op not in self.paid:
            void = self.write_of("payments", order.key, {"void": op}, *more, sort="-void")
            result, _ = yield from self.system_told(void, op, now_s)
            now_s = result.ended_s
            self.voided_total += result.ok
            if result.ok:
                self.refunded.add(op)
            if result.ok or result.reply.cause is not Cause.CONFLICT:
                return result.ok, now_s
            self.paid.setdefault(op, now_s)
        record = {"op": op, "user": order.user, "amount": order.price}
        result, _ = yield from self.system_told(self.write_of("refunds", order.key, record, *more), op, now_s)
        if result.reply.cause is Cause.CONFLICT and self.owing.idempotency_keys:
            self.dispatched.add(op)  # its dispatch did land, late
        self.refunded_total += result.ok
        done = self.is_done(result)
        if done:
            self.refunded.add(op)
        return done, result.ended_s

    def _location(self, request: AppRequest, now_s: float) -> Serving:
        driver = whole(request.params, "driver")
        read = Request("read", {"table": "locations", "key": str(driver)}, write=False)
        result = (yield from self.told(read, request, _LOCATION_CALL, now_s)).result
        where = {"at": (result.reply.body or {}).get("item") or {"street": driver}} if result.ok else {"at": None}
        answer = omit({"state": "on its way", **where}, ("at",) if self.spec.omit_location else ())
        if answer is None:
            return Response(503, "dependency"), result.ended_s
        said, missing = answer
        self.omitted_total += bool(missing)
        self.degraded_total += bool(missing)
        return Response(200, "", {**said, **({"degraded": "omitted"} if missing else {})}), result.ended_s
