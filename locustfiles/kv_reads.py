"""A caller that reads the table store, against a served region:

    blackstart serve experiments/slow_dependency.yaml    in one terminal
    locust -f locustfiles/kv_reads.py                    in another, then http://localhost:8089

What it does is in `harness/flows/stories/kv_reads.py`; when, and with which retries, is the experiment's.
With `--headless` there is no page, and it loads at once.
"""

from __future__ import annotations

from harness.flows.stories import kv_reads
from harness.load.hooks import Pacer


class KvReads(Pacer):
    """A caller that reads the table store."""

    story = kv_reads.STORY
