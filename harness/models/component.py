"""What every brain of the region looks like to whoever hosts it, live (`mock_services/host.py`) or simulated.

A service has four kinds of work: it is asked things, it does things unasked, it suffers faults, and operators do things
to it. The usual form of the second is a background loop that polls; it costs wake-ups when idle, is late when busy, and
cannot be exact in virtual time. So a brain states *when* it wants to act, and its host asks it then:

    flow = brain.handle(request, now_s)        run it; it returns a Response
    for flow in brain.background(now_s): ...   start these beside it; what they return does not matter
    brain.wake_s()                             when to call `background` next; inf for "not until something happened"
    brain.faults[name].on(params, now_s)       and .off(now_s)
    brain.actions[name](params, now_s)         returns something JSON-able

A host calls `background` after every step of every flow and every fault and action (that is when something may have
happened), and at `wake_s`. It costs one comparison when there is nothing to do. Work that must wait for something
inside the component (a worker slot, an answer to another flow) yields `Park(gate)`; whoever opens the gate resumes it.

Every hosted component also has, without its brain knowing: the faults `errors`, `crash` and `partition`, and the
operators' valve at its door (`harness.models.valve`). At a crash the host closes the brain's flows and calls `crashed`:
what was in memory is gone, what was written down stays. At the restart it calls `restarted`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from harness.flows.wants import Flow
from harness.models.apps.base import AppRequest, Response

Params = Mapping[str, Any]  # texts with units, as an experiment file or a control port gives them
Deed = Callable[[Params, float], object]
Note = Callable[..., None]  # note(kind, **fields): one entry of the run's journal, signed by the component


class Switch(NamedTuple):
    """A fault: `on` raises ValueError for bad parameters and has then changed nothing; on again replaces it."""

    on: Callable[[Params, float], None]
    off: Callable[[float], None]


class Given(NamedTuple):
    """What a brain is built from, beside its own knobs."""

    seed: int
    now_s: float
    note: Note
    region: tuple[str, ...]  # the components that are there
    users: int  # of the story that talks to it, 0 for none
    service_draw: str  # the run's conventions, for stations
    cancellation: bool


def _nothing(kind: str, **fields: Any) -> None:
    """Where notes go that nobody keeps."""


class Brain:
    """The base of all brains; override what differs. Times are seconds from the run's zero."""

    def __init__(self, note: Note | None = None) -> None:
        self.note: Note = note or _nothing
        self.faults: dict[str, Switch] = {}
        self.actions: dict[str, Deed] = {}
        self._beside: list[Flow] = []

    def handle(self, request: AppRequest, now_s: float) -> Flow:
        """The flow that serves one attempt and returns a Response. Closing it early abandons the attempt."""
        raise NotImplementedError

    def start(self, flow: Flow) -> None:
        """Have the host play `flow` beside whatever runs now."""
        self._beside.append(flow)

    def background(self, now_s: float) -> list[Flow]:
        """Flows to start now, none of which has been given out before."""
        flows, self._beside = self._beside, []
        return flows

    def wake_s(self) -> float:
        """When `background` should be asked next; a moment in the past means at once, inf not before an event."""
        return -math.inf if self._beside else math.inf

    def crashed(self, now_s: float) -> None:
        """The process has died; its flows are closed already."""

    def restarted(self, now_s: float) -> None:
        """The process is there again."""

    def gauges(self, now_s: float) -> dict[str, float]:
        """Readings by name; names starting with `waiting_` are waiting work, those ending in `_total` only grow."""
        return {}

    def export(self) -> dict[str, Any]:
        """What the audit needs, JSON-able."""
        return {}


def refusal(status: int, code: str, message: str = "") -> Response:
    """A failed answer with a machine-readable code, and a sentence for people."""
    return Response(status, code, {"message": message} if message else None)
