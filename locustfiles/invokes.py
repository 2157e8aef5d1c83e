"""A caller of functions, against a served region:

    blackstart serve experiments/components/functions_backlog.yaml    in one terminal
    locust -f locustfiles/invokes.py                                  in another, then http://localhost:8089

What it does is in `harness/flows/stories/invokes.py`; when, and with which retries, is the experiment's.
With `--headless` there is no page, and it loads at once.
"""

from __future__ import annotations

from harness.flows.stories import invokes
from harness.load.hooks import Pacer


class Invokes(Pacer):
    """A caller of functions."""

    story = invokes.STORY
