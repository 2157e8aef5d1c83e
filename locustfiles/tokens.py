"""People whose requests are signed, against a served region:

    blackstart serve experiments/components/identity_late.yaml    in one terminal
    locust -f locustfiles/tokens.py                               in another, then http://localhost:8089

What they do is in `harness/flows/stories/tokens.py`; when, and with which retries, is the experiment's.
With `--headless` there is no page, and it loads at once.
"""

from __future__ import annotations

from harness.flows.stories import tokens
from harness.load.hooks import Pacer


class Tokens(Pacer):
    """People whose requests are signed."""

    story = tokens.STORY
