"""Viewers and their players, against a served region:

    blackstart serve experiments/sectors.yaml    in one terminal
    locust -f locustfiles/streaming.py           in another, then http://localhost:8089

What they do is in `harness/flows/stories/streaming.py`; when, and with which retries, is the experiment's.
With `--headless` there is no page, and it loads at once.
"""

from __future__ import annotations

from harness.flows.stories import streaming
from harness.load.hooks import Pacer


class Streaming(Pacer):
    """Viewers and their players."""

    story = streaming.STORY
