"""The timeline resolved: every event with its moment in seconds, its arguments in SI units, its end if it has one.

A file says "stall az1 when the outage starts, for 6s"; an orchestrator needs to know what to send, when, and when the
thing it started will be over. Complaints are gathered rather than raised, so that a file hears all of them at once.

The rules: exactly one event carries `fix: true`, after the first fault, because every measure counts from it; every
fault ends before the load does, by `for` or by a later heal, because otherwise no recovery could be seen.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from harness import units
from harness.policies.entry import did_you_mean
from harness.spec.document import Where
from harness.spec.experiment import Event, Experiment
from harness.spec.vocabulary import VERBS, Argument, Verb


class Timed(NamedTuple):
    """One event. `arguments` are by name with unit (`mean_s`, `for_s`), SI. `ends_s` is nan for all but faults.

    `id` is unique in the file: the entry's number and what it does, as in "1-dns-stall_enactor".
    """

    number: int  # its place in the file's timeline, from 0
    id: str
    at_s: float
    component: str
    verb: str
    kind: str  # "fault", "heal" or "action"
    arguments: dict[str, Any]
    ends_s: float
    fix: bool
    what: str


class Events(NamedTuple):
    """All events in order of time, and what is wrong with them as (path below `timeline`, text)."""

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
        at_s = round(event.at.at_s(spans), 9)
        if not 0.0 <= at_s <= load_end_s:
            wrong.append(
                (
                    (index, "at"),
                    f"{event.at.text!r} is {at_s:g} s, outside the load (0 s to {load_end_s:g} s), where nothing is "
                    "measured; choose a moment within it",
                )
            )
        if verb is not None:
            arguments = _arguments(event, verb, index, wrong)
            identity = f"{index + 1}-{event.component}-{event.verb}"
            found.append(
                Timed(
                    index,
                    identity,
                    at_s,
                    event.component,
                    event.verb,
                    verb.kind,
                    arguments,
                    math.nan,
                    event.fix,
                    event.do,
                )
            )
    found.sort(key=lambda timed: (timed.at_s, timed.number))
    ended = [_ended(timed, found, load_end_s, wrong) if timed.kind == "fault" else timed for timed in found]
    _check_heals(ended, wrong)
    _check_fix(experiment, ended, wrong)
    return Events(tuple(ended), tuple(wrong))


def _verb(experiment: Experiment, event: Event, index: int, wrong: list[tuple[Where, str]]) -> Verb | None:
    present = [name for name in experiment.region.instances() if VERBS.get(name)]
    if event.component not in VERBS:
        text = f"{event.do!r}: no component {event.component!r}; components are {', '.join(present)}"
        wrong.append(((index, "do"), text + did_you_mean(event.component, VERBS)))
        return None
    if event.component not in experiment.region.instances():
        text = f"{event.do!r}: {event.component} is absent from this region; give it there, or remove the event"
        wrong.append(((index, "do"), text))
        return None
    verbs = VERBS[event.component]
    if event.verb not in verbs:
        known = f"it takes {', '.join(verbs)}" if verbs else "nothing can be done to it"
        text = f"{event.do!r}: {event.component} has no {event.verb!r}; {known}{did_you_mean(event.verb, verbs)}"
        wrong.append(((index, "do"), text))
        return None
    return verbs[event.verb]


def _arguments(event: Event, verb: Verb, index: int, wrong: list[tuple[Where, str]]) -> dict[str, Any]:
    known = {argument.name: argument for argument in verb.arguments}
    resolved: dict[str, Any] = {}
    for name, value in event.with_.items():
        if name not in known:
            takes = f"{event.do} takes {', '.join(known)}" if known else f"{event.do} takes nothing"
            wrong.append(((index, "with", name), f"unknown argument {name!r}; {takes}{did_you_mean(name, known)}"))
            continue
        try:
            read = _value(value, known[name])
        except ValueError as error:
            wrong.append(((index, "with", name), str(error)))
            continue
        resolved[f"{name}_s" if known[name].unit == "s" else name] = read
    for argument in verb.arguments:
        if argument.required and argument.name not in event.with_:
            text = f"{event.do} needs {argument.name} ({argument.help}); write `with: {{{argument.name}: ...}}`"
            wrong.append(((index, "do"), text))
    if verb.one_of and sum(name in event.with_ for name in verb.one_of) != 1:
        text = f"{event.do} needs exactly one of {' and '.join(verb.one_of)}; write `with: {{{verb.one_of[0]}: ...}}`"
        wrong.append(((index, "do"), text))
    return resolved


def _value(value: object, argument: Argument) -> Any:
    """One argument in SI units. Raises ValueError with what is allowed."""
    match argument.unit:
        case "s":
            found = units.duration_s(value)
            if not 0.0 < found < math.inf:
                raise ValueError(f"{value!r} is out of bounds; it must be above 0s")
            return found
        case "per_s":
            found = units.rate_per_s(value)
            if not 0.0 < found < math.inf:
                raise ValueError(f"{value!r} is out of bounds; it must be above 0/s")
            return found
        case "share":
            found = units.fraction(value)
            if not 0.0 < found <= 1.0:
                raise ValueError(f"{value!r} is out of bounds; a share here is above 0% and at most 100%")
            return found
        case "count":
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{value!r} is not a whole number of at least 1")
            return value
        case "number":
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value < math.inf:
                raise ValueError(f"{value!r} is not a number above 0")
            return float(value)
        case _:
            return _word(value, argument)


def _word(value: object, argument: Argument) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a word")  # noqa: TRY004  # gathered with the other complaints
    if argument.choices and value not in argument.choices:
        raise ValueError(
            f"{value!r} is not one of {', '.join(argument.choices)}{did_you_mean(value, argument.choices)}"
        )
    return value


def _ended(timed: Timed, events: list[Timed], load_end_s: float, wrong: list[tuple[Where, str]]) -> Timed:
    """A fault with its end: `for`, or the first later heal of the same fault."""
    length_s = timed.arguments.get("for_s")
    heals = [
        other.at_s
        for other in events
        if other.kind == "heal"
        and (other.component, other.arguments.get("fault")) == (timed.component, timed.verb)
        and (other.at_s, other.number) > (timed.at_s, timed.number)
    ]
    if length_s is None and not heals:
        text = (
            f"{timed.what} never ends, so no recovery could be seen; give it `for: ...` or add "
            f"{{at: ..., do: {timed.component}.heal, with: {{fault: {timed.verb}}}}}"
        )
        wrong.append(((timed.number, "do"), text))
        return timed
    natural_s = timed.at_s + length_s if length_s is not None else math.inf
    ends_s = round(min([natural_s, *heals]), 9)
    if ends_s >= load_end_s:
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
            and (fault.at_s, fault.number) < (heal.at_s, heal.number)
            for fault in events
        )
        if not started and "fault" in heal.arguments:
            text = f"{heal.what} at {heal.at_s:g} s: no fault {heal.arguments['fault']!r} has begun by then"
            wrong.append(((heal.number, "with", "fault"), f"{text}; heal what was injected, or remove the event"))


def _check_fix(experiment: Experiment, events: list[Timed], wrong: list[tuple[Where, str]]) -> None:
    fixes = [index for index, event in enumerate(experiment.timeline) if event.fix]
    faults = [event for event in events if event.kind == "fault"]
    if not fixes:
        text = "no event has `fix: true`; mark the one after which the trigger is gone: every measure counts from it"
        wrong.append(((), text))
    for extra in fixes[1:]:
        first = experiment.timeline[fixes[0]].at.text
        wrong.append(((extra, "fix"), f"a second fix; the first is at {first}; mark one event only"))
    if len(events) < len(experiment.timeline):
        return  # some event was not understood; whether the fix follows a fault cannot be told
    for event in events:
        if event.fix and event.kind == "fault":
            wrong.append(
                ((event.number, "fix"), f"{event.what} starts a fault; the fix is a heal or an operator's action")
            )
        elif event.fix and not any((fault.at_s, fault.number) < (event.at_s, event.number) for fault in faults):
            text = f"the fix at {event.at_s:g} s comes before any fault; put a fault before it"
            wrong.append(((event.number, "fix"), text))
