"""What reaches a brain and what it answers, and the door of an app.

How a brain is driven is in `harness.models.component`; every component of the region has one, the apps too.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from harness import seeds
from harness.flows.wants import Cause
from harness.policies.server import admission_steps
from harness.policies.server_steps import QUEUE_FULL

LAST_LAYER = 255
_DOOR = seeds.stream_id("admission/app")


class AppRequest(NamedTuple):
    """One attempt that reached an app."""

    operation: str
    params: dict[str, Any]
    attempt: int  # the caller's attempt id: parent of the attempts made on its behalf
    op: int
    deadline_s: float = math.inf  # absolute, as the caller told it; inf for none
    criticality: int = 0
    layer: int = 0  # at which it travelled; what is sent on its behalf travels one layer further in
    n: int = 0  # 0 for the first try

    @property
    def inner_layer(self) -> int:
        """The layer of what is sent on its behalf. A probe's, the last that rows can hold, marks all it sets off."""
        return min(self.layer + 1, LAST_LAYER)


class Response(NamedTuple):
    """What a component answers: an HTTP status, a code for failures ("" for none), and a JSON-able body.

    `began_s` and `service_s` are for the record, where worker slots were used; nan says that work began at arrival.
    """

    status: int
    code: str = ""
    body: Any = None
    began_s: float = math.nan
    service_s: float = 0.0
    retry_after_s: float = math.nan


class Door:
    """An app's admission rule over the attempts it is working on; all the thinking is in the policy's steps.

    Apps have no worker slots and no line of their own, so `queued` is always 0 and service time is the time inside.
    """

    def __init__(self, admission: Any, seed: int, now_s: float) -> None:
        self._spec = admission
        self._steps = None if admission is None else admission_steps(admission)
        self._state: Any = None if self._steps is None else self._steps.start(admission, now_s)
        self._seed = seed
        self.inside = 0
        self.refused_total = 0

    def enter(self, attempt: int, now_s: float) -> Cause:
        """NONE when the attempt may come in (then `leave` must follow), else why not."""
        if self._steps is not None:
            u = seeds.draw(self._seed, _DOOR, attempt) if self._steps.draws else 0.5
            self._state, let_in = self._steps.admit(self._spec, self._state, now_s, self.inside, 0, 0.0, u)
            if not let_in:
                self.refused_total += 1
                return Cause.QUEUE_FULL if self._steps.refusal == QUEUE_FULL else Cause.THROTTLED
        self.inside += 1
        return Cause.NONE

    def leave(self, came_s: float, now_s: float, useless: bool) -> None:
        """An attempt that came in at `came_s` is over; `useless` when it failed or was abandoned."""
        inside = self.inside
        self.inside -= 1
        if self._steps is not None and self._steps.on_done is not None:
            self._state = self._steps.on_done(self._spec, self._state, now_s, 0.0, now_s - came_s, inside, useless)
