"""Knobs, verbs, story and gauges of `food_delivery`: orders that are quoted, paid and dispatched."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from harness.spec import verbs
from harness.spec.knobs import AdmissionSlot, Hosted
from harness.spec.outbox import Outbox
from harness.spec.values import Duration, Model, Period
from harness.spec.verbs import Story, Verb, Wish, with_heal


class Fallbacks(Model):
    """What is done without the store. `stale_menu`: how long past its freshness a price is used (0s: never).
    `accept`: which orders wait in the outbox: none, those that are paid or may be, or all (on credit)."""

    stale_menu_s: Duration = Field(default=30.0, alias="stale_menu")
    accept: Literal["none", "paid", "all"] = "paid"
    refunds: bool = True
    omit_location: bool = True


class FoodDelivery(Hosted):
    """Orders that are quoted, paid and dispatched. Those that wait go cold after the outbox's `expiry`."""

    depends_on: tuple[str, ...] = Field(default=("kv",), strict=False)
    admission: AdmissionSlot = None
    idempotency_keys: bool = True
    menu_fresh_s: Duration = Field(default=5.0, alias="menu_fresh")
    probe_every_s: Period = Field(default=1.0, alias="probe_every")
    outbox: Outbox = Outbox.model_validate({"expiry": "30s"})
    fallbacks: Fallbacks = Fallbacks()


VERBS: Final[dict[str, Verb]] = with_heal({**verbs.HOSTED, **verbs.CACHING})
# Values are stand-ins: a meal's margin, a look at a menu, a look at a map.
STORIES: Final[dict[str, Story]] = {
    "food_delivery": Story(
        "food_delivery",
        ("dns", "kv", "food_delivery"),
        {"order": 0.3, "quote": 0.3, "location": 0.4},
        {
            "order": Wish(
                1, 6.0, "once paid it waits in an outbox; cold orders are thrown away and refunded", "dispatches"
            ),
            "quote": Wish(2, 0.05, "an old price is shown"),
            "location": Wish(3, 0.01, "left out: the answer says only that the food is on its way"),
        },
        sector="food",
        store_calls={"order": 2.0, "quote": 0.1},  # payment and dispatch; menus are kept for a while
    )
}
GAUGES: Final[tuple[str, ...]] = (
    "waiting_orbit", "in_flight", "refused_total", "throttled_client_total", "retries_refused_total", "kv_in_flight",
    "kv_attempts_total", "kv_calls_total", "degraded_total", "waiting_outbox", "outbox_sending", "outbox_added_total",
    "outbox_sent_total", "outbox_failed_total", "outbox_expired_total", "outbox_dropped_total", "waiting_refunds",
    "refunds_sending", "refunds_added_total", "refunds_sent_total", "refunds_failed_total", "refunds_expired_total",
    "refunds_dropped_total", "paid_total", "dispatched_total", "paid_undispatched", "refunded_total", "voided_total",
    "stale_served_total", "omitted_total",
)  # fmt: skip
