"""What an entry of the timeline asks for that its arguments, one by one, cannot tell to be wrong.

    ramp            from 100/s to 20/s: a ramp grows
    partition {to}  a component that is not called anyway: nothing would be cut
    stall_enactor   an enactor that is not there
    kill_poller     where there is no queue to poll
    a fault         that is on already, and would be injected again just as it is

One fault of a name is on at a time in one component. Injected anew with other arguments it replaces the earlier one,
which is how a fault grows step by step; `replacements` tells of those, for whoever checks the file. Injected anew with
the same arguments it changes nothing but its end, and one of the two lines is not what its author thinks it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from harness.policies.deeds import ramp_complaint
from harness.policies.entry import did_you_mean
from harness.spec.document import Where
from harness.spec.experiment import Experiment
from harness.spec.timed import Timed
from harness.spec.vocabulary import VERBS

Wrong = list[tuple[Where, str]]


def check_deeds(experiment: Experiment, events: Sequence[Timed], wrong: Wrong) -> None:
    """Complain about entries that ask for what cannot be."""
    for event in events:
        found = _complaint(experiment, event)
        if found is not None:
            wrong.append(((event.number, "with", found[0]) if found[0] else (event.number, "do"), found[1]))
    for first, second in _overlaps(events):
        if _given(first) == _given(second):
            text = (
                f"{second.what} at {second.at_s:g} s is on already, as entry {first.number + 1} began it at "
                f"{first.at_s:g} s and it lasts until {_end(first)}; let one end before the other begins, or keep one"
            )
            wrong.append(((second.number, "do"), text))


def replacements(events: Sequence[Timed]) -> list[str]:
    """Faults that take the place of the same fault with other arguments, in words."""
    return [
        f"{second.what} at {second.at_s:g} s takes the place of the one that entry {first.number + 1} began at "
        f"{first.at_s:g} s: one fault of a name is on at a time"
        for first, second in _overlaps(events)
        if _given(first) != _given(second)
    ]


def on_the_dead(events: Sequence[Timed]) -> list[str]:
    """What is done to a component while its process is gone, in words."""
    crashes = [event for event in events if event.verb == "crash" and event.kind == "fault"]
    return [
        f"{event.what} at {event.at_s:g} s meets a dead process: entry {crash.number + 1} takes {event.component} away "
        f"from {crash.at_s:g} s to {_end(crash)}; what was set is felt once it is back"
        for crash in crashes
        for event in events
        if event.component == crash.component
        and event.number != crash.number
        and event.kind != "heal"
        and crash.at_s < event.at_s < crash.ends_s
    ]


def _complaint(experiment: Experiment, event: Timed) -> tuple[str, str] | None:
    """(the argument to blame or "", why it cannot be), or None."""
    given, region = event.arguments, experiment.region
    match event.verb:
        case "ramp" if "from" in given and "to" in given:
            problem = ramp_complaint(given["from"], given["to"])
            return None if problem is None else ("from", problem)
        case "partition" if "to" in given:
            return _partition(experiment, event)
        case "stall_enactor" if "enactor" in given and region.dns is not None:
            names = [f"az{number}" for number in range(1, region.dns.enactors + 1)]
            if given["enactor"] not in names:
                near = did_you_mean(given["enactor"], names)
                return "enactor", f"no enactor {given['enactor']!r}; there are {', '.join(names)}{near}"
        case "kill_poller" | "restart_poller" if region.functions is not None:
            if "queue" not in region.functions.depends_on:
                return "", f"{event.what}: functions have no poller without a queue; add queue to their depends_on"
    return None


def _partition(experiment: Experiment, event: Timed) -> tuple[str, str] | None:
    to, known = event.arguments["to"], experiment.region.hosted()
    calls = [name for name in known[event.component].depends_on if name in experiment.region.instances()]
    if to in calls:
        return None
    there = f"it calls {', '.join(calls)}; name one of them" if calls else "it calls nobody"
    advice = f"{there}, or leave `to` out to cut it off from all who call it{did_you_mean(to, calls)}"
    if to == event.component:
        return "to", f"{to} cannot be cut off from itself; {advice}"
    if to not in VERBS:
        return "to", f"no component {to!r}; {event.component} is cut off from what it calls: {advice}"
    return "to", f"{event.component} does not depend on {to}, so nothing would be cut; {advice}"


def _overlaps(events: Sequence[Timed]) -> Iterator[tuple[Timed, Timed]]:
    """Each fault with a known beginning, and the next of its name if that begins before it is over. Squares apart:
    `spells.py` has those, and surges are in `surges.py`."""
    last: dict[tuple[str, str], Timed] = {}
    for event in sorted(events, key=lambda event: (event.at_s, event.number)):
        if event.kind != "fault" or event.component == "load" or math.isnan(event.at_s) or event.square is not None:
            continue
        name = (event.component, event.verb)
        before = last.get(name)
        if before is not None and event.at_s < before.ends_s:
            yield before, event
        last[name] = event


def _given(event: Timed) -> dict[str, object]:
    return {name: value for name, value in event.arguments.items() if name != "for_s"}


def _end(event: Timed) -> str:
    return f"{event.ends_s:g} s" if event.ends_s < math.inf else "the run tells"
