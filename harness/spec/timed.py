"""One entry of the timeline, resolved: seconds and SI units where the file has texts, and what is known of its end."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from harness.spec.conditions import Trigger


class Timed(NamedTuple):
    """One event. `arguments` are by name with unit (`mean_s`, `for_s`), SI. `ends_s` is nan for all but faults, and inf
    for a fault whose end is known only in the run.

    `id` is unique in the file: its own, or the entry's number and what it does, as in "1-dns-stall_enactor".
    """

    number: int  # its place in the file's timeline, from 0
    id: str
    at_s: float  # nan with a trigger
    component: str
    verb: str
    kind: str  # "fault", "heal" or "action"
    arguments: dict[str, Any]
    ends_s: float
    fix: bool
    what: str
    trigger: Trigger | None = None
    square: tuple[float, float] | None = None  # seconds on, seconds off

    def begins_before(self, other: Timed) -> bool:
        """Whether it comes first; of one whose moment is not known, whether it may."""
        if math.isnan(self.at_s) or math.isnan(other.at_s):
            return True
        return (self.at_s, self.number) < (other.at_s, other.number)
