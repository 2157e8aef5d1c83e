"""Bank customers with a phone, against a served region:

    blackstart serve experiments/dns_race.yaml    in one terminal
    locust -f locustfiles/mobile_banking.py       in another, then http://localhost:8089

What they do is in `harness/flows/stories/mobile_banking.py`; when, and with which retries, is the experiment's.
With `--headless` there is no page, and it loads at once.
"""

from __future__ import annotations

from harness.flows.stories import mobile_banking
from harness.load.hooks import Pacer


class MobileBanking(Pacer):
    """Bank customers with a phone."""

    story = mobile_banking.STORY
