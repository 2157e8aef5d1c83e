"""Passengers and crews, against a served region:

    blackstart serve EXPERIMENT.yaml              in one terminal, with airline in its load
    locust -f locustfiles/airline.py            in another, then http://localhost:8089

What they do is in `harness/flows/stories/airline.py`; when, and with which retries, is the experiment's.
"""

from __future__ import annotations

from harness.flows.stories import airline
from harness.load.hooks import Pacer, play

__all__ = ["Pacer"]

play(airline.STORY)
