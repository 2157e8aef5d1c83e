"""A producer of messages, against a served region:

    blackstart serve experiments/components/functions_backlog.yaml    in one terminal
    locust -f locustfiles/messages.py                                 in another, then http://localhost:8089

What it does is in `harness/flows/stories/messages.py`; when, and with which retries, is the experiment's.
With `--headless` there is no page, and it loads at once.
"""

from __future__ import annotations

from harness.flows.stories import messages
from harness.load.hooks import Pacer


class Messages(Pacer):
    """A producer of messages."""

    story = messages.STORY
