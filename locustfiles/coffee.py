"""People on their way to a coffee, against a served region:

    blackstart serve EXPERIMENT.yaml              in one terminal, with coffee in its load
    locust -f locustfiles/coffee.py             in another, then http://localhost:8089

What they do is in `harness/flows/stories/coffee.py`; when, and with which retries, is the experiment's.
"""

from __future__ import annotations

from harness.flows.stories import coffee
from harness.load.hooks import Pacer, play

__all__ = ["Pacer"]

play(coffee.STORY)
