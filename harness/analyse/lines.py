"""The steady-state lines of a run, read from its plan, and the level at which each counts as broken.

    goodput: ">= 95% of due"        amplification: "<= 1.1x baseline"
    queue_delay: "<= 2x baseline"   p99: "<= 2x baseline" | none    for: 3s

Multiples of a baseline of milliseconds mean nothing (2 x 3 ms is one late timer), so those on durations are never
tighter than baseline + 50 ms. A line left out is judged by its default, because goodput alone is not enough: a system
can deliver all its goodput at four times the attempts, one small disturbance from collapse.

Leaves out: the grammar of a line (`harness.spec.lines`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from harness.errors import SpecError
from harness.spec.lines import Line, read_line
from harness.units import duration_s

SLACK_S = 0.050
DEFAULT_FOR = "3s"
_FORMS: dict[str, tuple[tuple[str, ...], str]] = {  # measure: (sorts of value, default)
    "goodput": (("due",), ">= 95% of due"),
    "amplification": (("baseline", "number"), "<= 1.1x baseline"),
    "queue_delay": (("baseline", "duration"), "<= 2x baseline"),
    "p99": (("baseline", "duration"), "<= 2x baseline"),
}


class Lines(NamedTuple):
    """The line of each measure, and for how long all must hold."""

    lines: dict[str, Line]
    for_s: float


def parse(steady_state: Mapping[str, Any]) -> Lines:
    """The lines of a `steady_state` mapping. Raises SpecError with the line, what was found and what is allowed."""
    found = {}
    try:
        for_s = duration_s(steady_state.get("for", DEFAULT_FOR))
        for measure, (sorts, default) in _FORMS.items():
            text = steady_state.get(measure, default)
            if measure == "p99" and text in (None, "none"):
                continue
            found[measure] = read_line(text, sorts, default)
    except ValueError as error:
        raise SpecError(f"steady_state of this run's plan: {error}") from error
    return Lines(found, for_s)


def level(measure: str, line: Line, baseline: float) -> float:
    """The bound of a line, given the run's baseline of its measure: ratios as such, durations in seconds."""
    limit = line.limit(baseline)
    if line.of == "baseline" and measure in ("queue_delay", "p99"):
        return max(limit, baseline + SLACK_S)
    return limit
