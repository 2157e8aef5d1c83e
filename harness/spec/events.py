"""The timeline resolved: every event with its moment in seconds, its arguments in SI units, its end if it has one.

A file says "stall az1 when the outage starts, for 6s"; an orchestrator needs to know what to send, when, and when the
thing it started will be over. Complaints are gathered rather than raised, so that a file hears all of them at once.

The rules: exactly one event carries `fix: true`, after the first fault, because every measure counts from it; every
fault ends before the load does, by `for` or by a later heal, because otherwise no recovery could be seen. An event with
a `when:` has no moment before the run (nan); what it may do to others is then judged as far as the file tells.

What one resolved event is stands in `timed.py`, conditions in `conditions.py`, surges of the load in `surges.py`, and
what comes and goes, or is put off, in `spells.py`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from harness.policies.entry import did_you_mean
from harness.spec.arguments import read_arguments
from harness.spec.conditions import check_ids, identity, trigger_of
from harness.spec.deeds import check_deeds
from harness.spec.document import Where
from harness.spec.entries import Event
from harness.spec.experiment import Experiment
from harness.spec.spells import check_spells, spells
from harness.spec.surges import check_surges
from harness.spec.timed import Timed
from harness.spec.verbs import Verb
from harness.spec.vocabulary import PSEUDO, VERBS, who_can


class Events(NamedTuple):
    """All events, those with a moment in order of time, then the rest; complaints as (path below `timeline`, text)."""

    events: tuple[Timed, ...]
    complaints: tuple[tuple[Where, str], ...]


def events_of(experiment: Experiment) -> Events:
    """Resolve the timeline of a variant."""
    wrong: list[tuple[Where, str]] = []
    spans = experiment.spans()
    load_end_s = spans["recovery"].end_s
    found = []
    for index, event in enumerate(experiment.timeline):
        verb = _verb(experiment, event, index, wrong)
        at_s = math.nan if event.at is None else round(event.at.at_s(spans), 9)
        if event.at is not None and not 0.0 <= at_s <= load_end_s:
            wrong.append(
                (
                    (index, "at"),
                    f"{event.at.text!r} is {at_s:g} s, outside the load (0 s to {load_end_s:g} s), where nothing is "
                    "measured; choose a moment within it",
                )
            )
        if verb is not None:
            arguments = read_arguments(event, verb, index, wrong)
            square = None if event.square is None else (event.square.on_s, event.square.off_s)
            found.append(
                Timed(
                    index,
                    identity(event, index),
                    at_s,
                    event.component,
                    event.verb,
                    verb.kind,
                    arguments,
                    math.nan,
                    event.fix,
                    event.do,
                    square=square,
                )
            )
    found.sort(key=lambda timed: (math.isnan(timed.at_s), 0.0 if math.isnan(timed.at_s) else timed.at_s, timed.number))
    check_ids(experiment, wrong)
    first_s = min((timed.at_s for timed in found if timed.kind == "fault" and timed.at_s >= 0.0), default=0.0)
    resolved = [
        timed._replace(trigger=trigger_of(experiment, timed.number, first_s, wrong))
        if math.isnan(timed.at_s)
        else timed
        for timed in found
    ]
    ended = [_ended(timed, resolved, load_end_s, wrong) if timed.kind == "fault" else timed for timed in resolved]
    check_spells(ended, wrong)
    check_surges(experiment, ended, wrong)
    check_deeds(experiment, ended, wrong)
    _check_heals(ended, wrong)
    _check_fix(experiment, ended, first_s, wrong)
    return Events(tuple(ended), tuple(wrong))


def _verb(experiment: Experiment, event: Event, index: int, wrong: list[tuple[Where, str]]) -> Verb | None:
    present = [name for name in experiment.region.instances() if VERBS.get(name)]
    known = {**VERBS, **PSEUDO}
    if event.component not in known:
        text = f"{event.do!r}: no component {event.component!r}; components are {', '.join(present)}"
        hint = did_you_mean(event.component, known) or who_can(event.component, event.verb, present)
        wrong.append(((index, "do"), text + hint))
        return None
    if event.component not in PSEUDO and event.component not in experiment.region.instances():
        text = f"{event.do!r}: {event.component} is absent from this region; give it there, or remove the event"
        wrong.append(((index, "do"), text))
        return None
    verbs = known[event.component]
    if event.verb not in verbs:
        takes = f"it takes {', '.join(verbs)}" if verbs else "nothing can be done to it"
        text = f"{event.do!r}: {event.component} has no {event.verb!r}; {takes}{did_you_mean(event.verb, verbs)}"
        wrong.append(((index, "do"), text))
        return None
    return verbs[event.verb]


def _ended(timed: Timed, events: list[Timed], load_end_s: float, wrong: list[tuple[Where, str]]) -> Timed:
    """A fault with its end: `for`, or the first later heal of the same fault; inf when only the run will tell."""
    length_s = timed.arguments.get("for_s")
    heals = [
        other
        for other in events
        if other.kind == "heal"
        and (other.component, other.arguments.get("fault")) == (timed.component, timed.verb)
        and timed.begins_before(other)
    ]
    if length_s is None and (timed.trigger is not None or not heals):
        if timed.trigger is not None:
            text = f"{timed.what} begins at a moment nobody knows, so it needs its length; give it `for: ...`"
        else:
            text = (
                f"{timed.what} never ends, so no recovery could be seen; give it `for: ...` or add "
                f"{{at: ..., do: {timed.component}.heal, with: {{fault: {timed.verb}}}}}"
            )
        wrong.append(((timed.number, "do"), text))
        return timed
    if timed.trigger is not None:
        return timed._replace(ends_s=math.inf)
    natural_s = math.inf
    if length_s is not None:
        natural_s = timed.at_s + spells(length_s, timed.square)[-1][1]
    ends_s = round(min([natural_s, *(heal.at_s for heal in heals if heal.trigger is None)]), 9)
    if load_end_s <= ends_s < math.inf:
        text = (
            f"{timed.what} ends at {ends_s:g} s, when the load (to {load_end_s:g} s) is over, so no recovery could "
            "be seen; shorten the fault or lengthen phases.recovery"
        )
        wrong.append(((timed.number, "do"), text))
    return timed._replace(ends_s=ends_s)


def _check_heals(events: list[Timed], wrong: list[tuple[Where, str]]) -> None:
    for heal in (event for event in events if event.kind == "heal"):
        started = any(
            fault.kind == "fault"
            and (fault.component, fault.verb) == (heal.component, heal.arguments.get("fault"))
            and fault.begins_before(heal)
            for fault in events
        )
        if not started and "fault" in heal.arguments:
            when = "" if heal.trigger is not None else f" at {heal.at_s:g} s"
            text = f"{heal.what}{when}: no fault {heal.arguments['fault']!r} has begun by then"
            wrong.append(((heal.number, "with", "fault"), f"{text}; heal what was injected, or remove the event"))


def _check_fix(experiment: Experiment, events: list[Timed], first_s: float, wrong: list[tuple[Where, str]]) -> None:
    fixes = [index for index, event in enumerate(experiment.timeline) if event.fix]
    faults = [event for event in events if event.kind == "fault"]
    if not fixes:
        text = "no event has `fix: true`; mark the one after which the trigger is gone: every measure counts from it"
        wrong.append(((), text))
    for extra in fixes[1:]:
        first = experiment.timeline[fixes[0]].moment
        wrong.append(((extra, "fix"), f"a second fix; the first is at {first}; mark one event only"))
    if len(events) < len(experiment.timeline):
        return  # some event was not understood; whether the fix follows a fault cannot be told
    for event in (event for event in events if event.fix):
        where = (event.number, "fix")
        trigger = event.trigger
        if event.kind == "fault":
            wrong.append((where, f"{event.what} starts a fault; the fix is a heal or an operator's action"))
        elif event.component == "pause":
            wrong.append((where, "a pause mends nothing; the fix is a heal or an operator's action"))
        elif not any(fault.begins_before(event) for fault in faults):
            at = "the fix" if trigger is not None else f"the fix at {event.at_s:g} s"
            wrong.append((where, f"{at} comes before any fault; put a fault before it"))
        elif trigger is not None and not trigger.once:
            wrong.append((where, "a fix happens once, because measures count from it; remove `once: false`"))
        elif trigger is not None and trigger.component and trigger.after_s < first_s:
            text = f"the fix may come from {trigger.after_s:g} s on, before the first fault at {first_s:g} s"
            wrong.append(((event.number, "when"), f"{text}; leave out `after`, or choose a later moment"))
