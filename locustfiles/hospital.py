"""A ward, against a served region:

    blackstart serve EXPERIMENT.yaml         in one terminal, an experiment with load for `hospital`
    locust -f locustfiles/hospital.py              in another, then http://localhost:8089

What they do is in `harness/flows/stories/hospital.py`; when, and with which retries, is the experiment's.
"""

from __future__ import annotations

from harness.flows.stories import hospital
from harness.load.hooks import Pacer, play

__all__ = ["Pacer"]

play(hospital.STORY)
