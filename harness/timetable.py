"""A plan as people read it: one line for every edge of a run, in order of time.

    0.000  phase   warm_up, 2 s, load
   10.000  fault   dns.stall_enactor (enactor az1, for 2.2s)
   22.000  action  dns.restore  <- fix: measures count from here

What has no moment before the run, because it waits for a gauge or for somebody else, stands at the end with its
condition. The ends of faults are told where an operator would look for them and not find them in the file.
"""

from __future__ import annotations

import math

from harness.plan import Event, Plan
from harness.spec.events import events_of
from harness.spec.experiment import Load
from harness.spec.timed import Timed
from harness.units import show_s


def timetable(plan: Plan) -> list[str]:
    """The lines: a moment in seconds from the run's zero, what kind of edge, and what happens."""
    lines: list[tuple[float, int, str]] = []
    for phase in plan.phases:
        carries = "no load" if phase.name == "drain" else "load"
        lines.append((phase.start_s, 0, f"phase   {phase.name}, {show_s(phase.end_s - phase.start_s)}, {carries}"))
    for story, load in plan.experiment.load.items():
        lines.append((0.0, 1, f"load    {story}: {_asked(load)}"))
    resolved = events_of(plan.experiment).events
    lines += [(event.at_s, 2, _line(event)) for event in plan.timeline if event.at_s is not None]
    lines += [(timed.ends_s, 1, f"heal    {timed.what} ends") for timed in resolved if _end_is_told(timed)]
    lines.append((plan.end_s, 3, "end"))
    table = [f"{at_s:9.3f}  {text}" for at_s, _, text in sorted(lines, key=lambda line: line[:2])]
    conditions = {timed.id: timed.trigger for timed in resolved}
    return table + [
        f"     when  {_line(event, f': {trigger.told}')}"
        for event in plan.timeline
        if (trigger := conditions[event.id]) is not None
    ]


def _asked(load: Load) -> str:
    if load.arrivals is not None:
        return f"{load.arrivals.rate_per_s:g}/s, {load.arrivals.process}, {load.users} users"
    assert load.think_s is not None, "a load without arrivals has think times"
    after = show_s(load.think_s)
    return f"{load.users} users, each {after} after an answer (a closed loop: at most {load.rate_per_s:g}/s)"


def _line(event: Event, condition: str = "") -> str:
    params = ", ".join(f"{name} {found}" for name, found in event.params.items())
    square = f", {event.square['on']} on, {event.square['off']} off" if event.square is not None else ""
    marks = "  <- fix: measures count from here" if event.fix else ""
    return f"{event.kind:<7} {event.what}{f' ({params}{square})' if params else ''}{condition}{marks}"


def _end_is_told(timed: Timed) -> bool:
    """Whether the timetable says when a fault ends: one that is not over with its `for`, or that nobody is told of."""
    known = timed.kind == "fault" and timed.trigger is None and timed.ends_s < math.inf
    return known and (timed.component == "load" or timed.square is not None)
