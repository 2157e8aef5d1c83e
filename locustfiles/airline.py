"""Passengers and crews, against a served region:

    blackstart serve experiments/sectors.yaml    in one terminal
    locust -f locustfiles/airline.py             in another, then http://localhost:8089

What they do is in `harness/flows/stories/airline.py`; when, and with which retries, is the experiment's.
With `--headless` there is no page, and it loads at once.
"""

from __future__ import annotations

from harness.flows.stories import airline
from harness.load.hooks import Pacer


class Airline(Pacer):
    """Passengers and crews."""

    story = airline.STORY
