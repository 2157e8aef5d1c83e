"""A caller of functions, against a served region:

    blackstart serve experiments/components/functions_backlog.yaml     in one terminal
    locust -f locustfiles/invokes.py                                   in another, then http://localhost:8089

What it does is in `harness/flows/stories/invokes.py`; when, and with which retries, is the experiment's.
"""

from __future__ import annotations

from harness.flows.stories import invokes
from harness.load.hooks import Pacer, play

__all__ = ["Pacer"]

play(invokes.STORY)
