"""Knobs, verbs, story and gauges of `coffee`: orders ahead, and loyalty points that may come late."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from harness.spec import verbs
from harness.spec.knobs import AdmissionSlot, Count, Hosted
from harness.spec.outbox import Outbox
from harness.spec.values import Duration, MaybeRate, Model, Period
from harness.spec.verbs import Story, Verb, Wish, with_heal


class Fallbacks(Model):
    """What is done without the store. `stale_menu`: how long past its freshness a menu is shown (0s: never).
    `counter`: how many orders people take by hand (none: the counter is closed), with at most `counter_room` in line.
    `late_points`: whether points are posted later, or while the customer waits."""

    stale_menu_s: Duration = Field(default=60.0, alias="stale_menu")
    counter_per_s: MaybeRate = Field(default=10.0, alias="counter")
    counter_room: Count = 30
    late_points: bool = True


class Coffee(Hosted):
    """Orders ahead, and loyalty points that may come late. `outbox` is that of points and of the counter's till."""

    depends_on: tuple[str, ...] = Field(default=("kv",), strict=False)
    admission: AdmissionSlot = None
    idempotency_keys: bool = True
    menu_fresh_s: Duration = Field(default=2.0, alias="menu_fresh")
    probe_every_s: Period = Field(default=1.0, alias="probe_every")
    outbox: Outbox = Outbox()
    fallbacks: Fallbacks = Fallbacks()


VERBS: Final[dict[str, Verb]] = with_heal({**verbs.HOSTED, **verbs.CACHING})
# Values are stand-ins: a coffee's margin, a point's worth of goodwill, a look at a menu.
STORIES: Final[dict[str, Story]] = {
    "coffee": Story(
        "coffee",
        ("dns", "kv", "coffee"),
        {"order_ahead": 0.3, "earn": 0.25, "menu": 0.45},
        {
            "order_ahead": Wish(1, 3.0, "sold at the counter, at the rate of people, and entered later", "orders"),
            "earn": Wish(2, 0.10, "taken at once and posted when the store answers again", "points"),
            "menu": Wish(3, 0.01, "an old menu is shown"),
        },
        sector="retail",
        store_calls={"menu": 0.3},  # it is kept for a while
    )
}
GAUGES: Final[tuple[str, ...]] = (
    "waiting_orbit", "in_flight", "refused_total", "throttled_client_total", "retries_refused_total", "kv_in_flight",
    "kv_attempts_total", "kv_calls_total", "degraded_total", "waiting_points", "points_sending", "points_added_total",
    "points_sent_total", "points_failed_total", "points_expired_total", "points_dropped_total", "waiting_till",
    "till_sending", "till_added_total", "till_sent_total", "till_failed_total", "till_expired_total",
    "till_dropped_total", "waiting_counter", "counter_served_total", "turned_away_total", "stale_served_total",
)  # fmt: skip
