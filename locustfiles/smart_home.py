"""Devices at home, against a served region:

    blackstart serve EXPERIMENT.yaml         in one terminal, an experiment with load for `smart_home`
    locust -f locustfiles/smart_home.py              in another, then http://localhost:8089

What they do is in `harness/flows/stories/smart_home.py`; when, and with which retries, is the experiment's.
"""

from __future__ import annotations

from harness.flows.stories import smart_home
from harness.load.hooks import Pacer, play

__all__ = ["Pacer"]

play(smart_home.STORY)
