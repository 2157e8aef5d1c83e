"""A caller with two providers, against a served region:

    blackstart serve experiments/components/failover_herd.yaml    in one terminal
    locust -f locustfiles/replicated_reads.py                     in another, then http://localhost:8089

What it does is in `harness/flows/stories/replicated_reads.py`; when, and with which retries, is the experiment's.
With `--headless` there is no page, and it loads at once.
"""

from __future__ import annotations

from harness.flows.stories import replicated_reads
from harness.load.hooks import Pacer


class ReplicatedReads(Pacer):
    """A caller with two providers."""

    story = replicated_reads.STORY
