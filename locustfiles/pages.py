"""Visitors of a site behind a load balancer, against a served region:

    blackstart serve experiments/components/balancer_flapping.yaml    in one terminal
    locust -f locustfiles/pages.py                                    in another, then http://localhost:8089

What they do is in `harness/flows/stories/pages.py`; when, and with which retries, is the experiment's.
With `--headless` there is no page, and it loads at once.
"""

from __future__ import annotations

from harness.flows.stories import pages
from harness.load.hooks import Pacer


class Pages(Pacer):
    """Visitors of a site behind a load balancer."""

    story = pages.STORY
