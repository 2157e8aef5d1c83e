"""A producer of messages, against a served region:

    blackstart serve experiments/components/functions_backlog.yaml     in one terminal
    locust -f locustfiles/messages.py                                  in another, then http://localhost:8089

What it does is in `harness/flows/stories/messages.py`; when, and with which retries, is the experiment's.
"""

from __future__ import annotations

from harness.flows.stories import messages
from harness.load.hooks import Pacer, play

__all__ = ["Pacer"]

play(messages.STORY)
