"""Hungry people and the map of a driver, against a served region:

    blackstart serve EXPERIMENT.yaml              in one terminal, with food_delivery in its load
    locust -f locustfiles/food_delivery.py      in another, then http://localhost:8089

What they do is in `harness/flows/stories/food_delivery.py`; when, and with which retries, is the experiment's.
"""

from __future__ import annotations

from harness.flows.stories import food_delivery
from harness.load.hooks import Pacer, play

__all__ = ["Pacer"]

play(food_delivery.STORY)
