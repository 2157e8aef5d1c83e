"""People who look at the public health page, against a served region:

    blackstart serve region                 in one terminal
    locust -f locustfiles/status_page.py    in another, then http://localhost:8089

What they do is in `harness/flows/stories/status_page.py`; when, and with which retries, is the experiment's.
With `--headless` there is no page, and it loads at once.
"""

from __future__ import annotations

from harness.flows.stories import status_page
from harness.load.hooks import Pacer


class StatusPage(Pacer):
    """People who look at the public health page."""

    story = status_page.STORY
