"""How many worker slots a balancer's targets have at a moment: what is routed, what was added, what a fault leaves.

    slots = targets routed and reachable x slots of one target + added ones, and at most those a fault leaves

Slots that operators add stand behind all targets, so they are out of reach when no target is routed. Capacity that is
added while the fault lasts counts from its end.
"""

from __future__ import annotations

from harness.models.balancer_routing import Routing
from harness.models.component import Params
from harness.models.station import Station
from harness.policies import deeds


class Slots:
    """The slots of one balancer's station; `follow` after each change of routing. Times in seconds from zero."""

    def __init__(self, station: Station, routing: Routing, per_target: int) -> None:
        self._station = station
        self._routing = routing
        self._per_target = per_target
        self._added = 0
        self._fault: int | None = None

    def follow(self, now_s: float) -> int:
        """Let the station have what there is now; how many that is."""
        serving = self._routing.serving
        slots = serving * self._per_target + (self._added if serving else 0)
        if self._fault is not None:
            slots = min(slots, self._fault)
        self._station.set_slots(slots, now_s)
        return slots

    def add(self, params: Params, now_s: float) -> dict[str, int]:
        """Operators add {slots} for good. Raises ValueError for a number below 1."""
        self._added += deeds.SLOTS_MORE.of(params)
        return {"slots": self.follow(now_s)}

    def limit(self, params: Params, now_s: float) -> None:
        """A fault leaves {slots}. Raises ValueError for a number below 0."""
        self._fault = deeds.SLOTS_LEFT.of(params)
        self.follow(now_s)

    def free(self, now_s: float) -> None:
        """The end of that fault."""
        self._fault = None
        self.follow(now_s)
