"""Users who start instances and wait until they can be reached, against a served region:

    blackstart serve experiments/components/network_backlog.yaml     in one terminal
    locust -f locustfiles/instances.py                               in another, then http://localhost:8089

What they do is in `harness/flows/stories/instances.py`; when, and with which retries, is the experiment's.
"""

from __future__ import annotations

from harness.flows.stories import instances
from harness.load.hooks import Pacer, play

__all__ = ["Pacer"]

play(instances.STORY)
