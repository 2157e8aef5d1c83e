"""Moments of a run as a file writes them: "outage.start", "baseline.start + 2s", "12s".

Naming a phase's edge instead of a number keeps the timeline right when a phase is patched longer. A moment is resolved
against the phases into seconds from the run's zero.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from harness import units
from harness.policies.entry import did_you_mean
from harness.spec.vocabulary import PHASES

_EDGE: Final = re.compile(r"^\s*([A-Za-z_]+)\.([A-Za-z_]+)\s*(?:([+-])\s*(\S+))?\s*$")
_FORMS: Final = "write a phase's edge (outage.start, outage.end + 2s) or a time from zero (12s)"


class Span(NamedTuple):
    """One phase: seconds from the run's zero, end excluded."""

    name: str
    start_s: float
    end_s: float


class Moment(NamedTuple):
    """A phase's edge plus an offset; `phase` is "" for a time from the run's zero."""

    text: str
    phase: str
    edge: str
    offset_s: float

    def at_s(self, spans: Mapping[str, Span]) -> float:
        """Seconds from the run's zero."""
        if not self.phase:
            return self.offset_s
        span = spans[self.phase]
        return (span.start_s if self.edge == "start" else span.end_s) + self.offset_s


def read_moment(text: object) -> Moment:
    """The moment in `text`. Raises ValueError naming the nearest phase for an unknown one."""
    if isinstance(text, int | float) and not isinstance(text, bool) and text == 0:
        return Moment("0s", "", "", 0.0)
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is not a moment; {_FORMS}")  # noqa: TRY004  # pydantic takes no other
    found = _EDGE.match(text)
    if found is None:
        try:
            return Moment(text, "", "", units.duration_s(text))
        except ValueError:
            raise ValueError(f"{text!r} is not a moment; {_FORMS}") from None
    phase, edge, sign, offset = found.groups()
    if phase not in PHASES:
        near = did_you_mean(phase, PHASES)
        raise ValueError(f"{text!r}: unknown phase {phase!r}; phases are {', '.join(PHASES)}{near}")
    if edge not in ("start", "end"):
        raise ValueError(f"{text!r}: {edge!r} is not an edge of a phase; write {phase}.start or {phase}.end")
    offset_s = units.duration_s(offset) if offset else 0.0
    return Moment(text, phase, edge, -offset_s if sign == "-" else offset_s)
