"""Users who launch and terminate instances, against a served region:

    blackstart serve experiments/components/compute_leases.yaml    in one terminal
    locust -f locustfiles/launches.py                              in another, then http://localhost:8089

What they do is in `harness/flows/stories/launches.py`; when, and with which retries, is the experiment's.
With `--headless` there is no page, and it loads at once.
"""

from __future__ import annotations

from harness.flows.stories import launches
from harness.load.hooks import Pacer


class Launches(Pacer):
    """Users who launch and terminate instances."""

    story = launches.STORY
