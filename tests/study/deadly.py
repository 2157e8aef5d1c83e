"""A job that takes its worker with it. Stands alone, because worker processes import it by name."""

from __future__ import annotations

import os

from harness.study.crew import Done, Job
from harness.study.engine import Told

FINE = Told("world", "recovered", True, 1.0, 20.0, 1.5, 2.0, 10.0, 50.0, 7.0, None)
GUILTY = 13


def work(job: Job) -> Done:
    """In place of `_work`: the guilty seed ends the process."""
    if GUILTY in job.seeds:
        os._exit(9)
    return Done(job, (FINE,) * len(job.seeds))
