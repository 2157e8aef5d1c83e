"""`food_delivery`: from its knobs to its brain."""

from __future__ import annotations

from harness.build.owing import app_spec, outbox_spec, owing_spec
from harness.models.apps.food_delivery import FoodDelivery, FoodSpec
from harness.models.component import Given
from harness.spec.components import food_delivery


def brain(knobs: food_delivery.FoodDelivery, given: Given) -> FoodDelivery:
    """The app. Raises ValueError for what cannot work together."""
    spec = FoodSpec(
        app=app_spec("food_delivery", knobs),
        owing=owing_spec(knobs),
        outbox=outbox_spec(knobs.outbox),
        menu_fresh_s=knobs.menu_fresh_s,
        menu_stale_s=knobs.fallbacks.stale_menu_s,
        accept=knobs.fallbacks.accept,
        refunds=knobs.fallbacks.refunds,
        omit_location=knobs.fallbacks.omit_location,
    )
    return FoodDelivery(spec, given)
