"""`coffee`: from its knobs to its brain."""

from __future__ import annotations

from harness.build.owing import app_spec, outbox_spec, owing_spec
from harness.models.apps.coffee import Coffee, CoffeeSpec
from harness.models.component import Given
from harness.spec.components import coffee


def brain(knobs: coffee.Coffee, given: Given) -> Coffee:
    """The app. Raises ValueError for what cannot work together."""
    spec = CoffeeSpec(
        app=app_spec("coffee", knobs),
        owing=owing_spec(knobs),
        outbox=outbox_spec(knobs.outbox),
        menu_fresh_s=knobs.menu_fresh_s,
        menu_stale_s=knobs.fallbacks.stale_menu_s,
        counter_per_s=knobs.fallbacks.counter_per_s,
        counter_room=knobs.fallbacks.counter_room,
        late_points=knobs.fallbacks.late_points,
    )
    return Coffee(spec, given)
