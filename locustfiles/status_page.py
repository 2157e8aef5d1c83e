"""People who look at the public health page, against a served region:

    blackstart serve FILE                        in one terminal (a file whose region has `status`)
    locust -f locustfiles/status_page.py         in another, then http://localhost:8089

What they do is in `harness/flows/stories/status_page.py`; when, and with which retries, is the experiment's.
"""

from __future__ import annotations

from harness.flows.stories import status_page
from harness.load.hooks import Pacer, play

__all__ = ["Pacer"]

play(status_page.STORY)
