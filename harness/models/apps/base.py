"""What every app brain looks like to whoever drives it, live or simulated.

An app is asked things (`handle`) and has things to do unasked (replays, refreshes). The usual form of the second is a
background loop that polls; it costs wake-ups when idle, is late when busy, and cannot be exact in virtual time. So the
brain states *when* it wants to act, and the driver asks it then:

    flow = brain.handle(request, now_s)        run it; it returns a Response
    for flow in brain.background(now_s): ...   start these beside it; what they return does not matter
    brain.wake_s()                             when to call `background` next; inf for "not until something happened"

A driver calls `background` after every step of every flow of this app (that is when something may have happened), and
at `wake_s`. It costs one comparison when there is nothing to do.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Protocol

from harness import seeds
from harness.flows.wants import Cause, Flow
from harness.policies.server import admission_steps
from harness.policies.server_steps import QUEUE_FULL

_DOOR = seeds.stream_id("admission/app")


class AppRequest(NamedTuple):
    """One attempt that reached an app."""

    operation: str
    params: dict[str, Any]
    attempt: int  # the caller's attempt id: parent of the attempts made on its behalf
    op: int
    deadline_s: float = math.inf  # absolute, as the caller told it; inf for none
    criticality: int = 0


class Response(NamedTuple):
    """What the app answers: an HTTP status, a code for failures ("" for none), and a JSON-able body."""

    status: int
    code: str = ""
    body: Any = None


class App(Protocol):
    """The brain of an app. Flows yield wants (`harness.flows.wants`); times are seconds from the run's zero."""

    def handle(self, request: AppRequest, now_s: float) -> Flow:
        """The flow that serves one attempt and returns a Response. Closing it early abandons the attempt."""

    def background(self, now_s: float) -> list[Flow]:
        """Flows to start now, none of which has been given out before."""

    def wake_s(self) -> float:
        """When `background` should be asked next; a moment in the past means at once, inf not before an event."""

    def gauges(self, now_s: float) -> dict[str, float]:
        """Readings by name; names starting with `waiting_` are waiting work."""

    def export(self) -> dict[str, Any]:
        """What the audit needs, JSON-able."""


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
