"""People whose requests are signed, against a served region:

    blackstart serve experiments/components/identity_late.yaml    in one terminal
    locust -f locustfiles/tokens.py                               in another, then http://localhost:8089

What they do is in `harness/flows/stories/tokens.py`; when, and with which retries, is the experiment's.
"""

from __future__ import annotations

from harness.flows.stories import tokens
from harness.load.hooks import Pacer, play

__all__ = ["Pacer"]

play(tokens.STORY)
