"""Devices at home, against a served region:

    blackstart serve experiments/sectors.yaml    in one terminal
    locust -f locustfiles/smart_home.py          in another, then http://localhost:8089

What they do is in `harness/flows/stories/smart_home.py`; when, and with which retries, is the experiment's.
With `--headless` there is no page, and it loads at once.
"""

from __future__ import annotations

from harness.flows.stories import smart_home
from harness.load.hooks import Pacer


class SmartHome(Pacer):
    """Devices at home."""

    story = smart_home.STORY
