"""Viewers and their players, against a served region:

    blackstart serve EXPERIMENT.yaml         in one terminal, an experiment with load for `streaming`
    locust -f locustfiles/streaming.py              in another, then http://localhost:8089

What they do is in `harness/flows/stories/streaming.py`; when, and with which retries, is the experiment's.
"""

from __future__ import annotations

from harness.flows.stories import streaming
from harness.load.hooks import Pacer, play

__all__ = ["Pacer"]

play(streaming.STORY)
