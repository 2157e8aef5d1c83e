"""Hungry people and the map of a driver, against a served region:

    blackstart serve experiments/sectors.yaml    in one terminal
    locust -f locustfiles/food_delivery.py       in another, then http://localhost:8089

What they do is in `harness/flows/stories/food_delivery.py`; when, and with which retries, is the experiment's.
With `--headless` there is no page, and it loads at once.
"""

from __future__ import annotations

from harness.flows.stories import food_delivery
from harness.load.hooks import Pacer


class FoodDelivery(Pacer):
    """Hungry people and the map of a driver."""

    story = food_delivery.STORY
