"""What a station is told and what it hands out: its spec, its jobs, and how each of them ended.

Two conventions move every threshold, so they are stated. `service_draw` says which slowdown a job feels: the one at its
"acceptance" or the one at the "start" of its service (the luck itself is a hash of the attempt id, the same either way,
in every engine). With "acceptance" jobs already waiting when a slowdown begins keep their short times, and those still
waiting when it ends keep their long ones. `cancellation` says whether a caller who gives up takes the work along: if
not, `cancel` does nothing and the slot serves a caller who has gone. (Whether late replies count is the caller's
convention, and whether a refusal is answered or silent is the face's.)

Leaves out: the work itself (`station.py`) and the policies a station asks (`harness/policies/server.py`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from harness.flows.wants import Cause
from harness.models.service_time import DISTRIBUTIONS
from harness.policies.server import ServerSpec

SERVICE_DRAWS = ("acceptance", "start")


class StationSpec(NamedTuple):
    """`slots` workers with mean service time `mean_s`, under the policy `server`."""

    slots: int
    mean_s: float
    distribution: str = "exponential"  # one of DISTRIBUTIONS; weibull has shape 2
    server: ServerSpec = ServerSpec()
    service_draw: str = "acceptance"  # one of SERVICE_DRAWS
    cancellation: bool = False

    def complaint(self) -> str | None:
        """Why no station can be built from this, or None when one can."""
        if self.slots < 0:
            return f"slots is {self.slots}; a station has 0 or more"
        if not 0.0 <= self.mean_s < math.inf:
            return f"mean service time is {self.mean_s:g} s; it must be finite and at least 0 s"
        if self.distribution not in DISTRIBUTIONS:
            return f"unknown service distribution {self.distribution!r}; known are {', '.join(DISTRIBUTIONS)}"
        if self.service_draw not in SERVICE_DRAWS:
            return f"unknown service_draw {self.service_draw!r}; it is one of {', '.join(SERVICE_DRAWS)}"
        return None


class Done(NamedTuple):
    """The end of one accepted attempt; times in seconds from the run's zero.

    `cause` is NONE for served, DROPPED for dropped from the line, TIMEOUT for withdrawn by its caller. `began_s` is nan
    for a job that never began; `service_s` is the time it held a slot.
    """

    attempt: int
    cause: Cause
    arrived_s: float
    began_s: float
    ended_s: float
    service_s: float


class Job:
    """An accepted attempt, until it is done."""

    __slots__ = ("arrived_s", "attempt", "began_s", "deadline_s", "inside", "rank", "service_s")

    def __init__(self, attempt: int, arrived_s: float, deadline_s: float, rank: int, inside: int) -> None:
        self.attempt = attempt
        self.arrived_s = arrived_s
        self.deadline_s = deadline_s
        self.rank = rank
        self.inside = inside  # jobs inside when it was accepted, itself included
        self.service_s = math.nan
        self.began_s = math.nan
