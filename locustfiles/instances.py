"""Users who start instances and wait until they can be reached, against a served region:

    blackstart serve experiments/components/network_backlog.yaml    in one terminal
    locust -f locustfiles/instances.py                              in another, then http://localhost:8089

What they do is in `harness/flows/stories/instances.py`; when, and with which retries, is the experiment's.
With `--headless` there is no page, and it loads at once.
"""

from __future__ import annotations

from harness.flows.stories import instances
from harness.load.hooks import Pacer


class Instances(Pacer):
    """Users who start instances and wait until they can be reached."""

    story = instances.STORY
