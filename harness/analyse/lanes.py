"""A component's lane in a cascade, and the question of what it follows.

Why a lane begins, in this order:

    its own fault       if one was injected by then
    a dependency        of those it calls, and `dns`, in which every name is looked up: the one whose trouble came
                        nearest before its own; of several, the one that fell last
    a caller            likewise, of those that call it: the work they held back comes at once
    a note              where none of them was in trouble: what one of them last wrote down (its poller died)

A lane that follows a dependency has that one's trouble as its trigger, one with a fault of its own the fault; and while
any dependency with a fault of its own is in trouble, no trigger is gone. The rest of its trouble is the sustaining
effect. What callers let go, or wrote down, is a moment, not a trigger that lasts.

Leaves out: proof. "After" is a fact, "because" is for who reads it; an experiment that cuts the edge can tell.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from harness.analyse.deeds import Fault
from harness.analyse.spans import Span, joined, without

SLACK_S = 0.25  # trouble is known by the window it begins in
_OWN, _DEPENDENCY, _CALLER, _NOTE = "fault", "dependency", "caller", "note"


class Lane(NamedTuple):
    """One component's part; moments in seconds from the run's zero, None with its reason in `why`."""

    component: str
    triggers: tuple[Fault, ...]
    trouble: list[Span]
    refusing: list[Span]  # the part of the trouble in which it refused or failed work
    actions: tuple[tuple[float, str, bool], ...]  # moment, name, whether a runbook's condition fired it
    notes: dict[str, list[float]]  # kind of journal entry -> moments
    peak: float
    peak_at_s: float | None
    level: float
    drained_s: float | None
    began_s: float | None
    ended_s: float | None
    why: dict[str, str]
    follows: str | None = None
    how: str | None = None  # "fault", "dependency", "caller" or "note"
    noted: str = ""  # by the one it follows, when that is all there was before it
    sustained: list[Span] = []  # noqa: RUF012

    @property
    def trigger(self) -> str | None:
        """The reason it began, in words; None when none was found."""
        if self.how == _OWN:
            return self.triggers[0][2]
        if self.how == _DEPENDENCY:
            return f"after {self.follows}, on which it depends"
        if self.how == _NOTE:
            return f"after {self.follows} noted: {self.noted.replace('_', ' ')}"
        return f"after {self.follows}, which calls it" if self.how == _CALLER else None


def explained(lanes: Sequence[Lane], calls: Mapping[str, set[str]]) -> list[Lane]:
    """The lanes with what each follows, and the part of its trouble that its trigger does not explain."""
    by_name = {lane.component: lane for lane in lanes}
    found = []
    for lane in lanes:
        began_s = lane.began_s
        if began_s is None:
            found.append(lane)
            continue
        dependencies = [by_name[name] for name in calls[lane.component] if name in by_name]
        callers = [other for other in lanes if lane.component in calls[other.component]]
        follows, how, noted = None, _OWN, ""
        if not any(start_s <= began_s + SLACK_S for start_s, *_ in lane.triggers):
            follows, how = _nearest(dependencies, began_s, began_s + SLACK_S), _DEPENDENCY
            if follows is None:
                follows, how = _nearest(callers, began_s, began_s), _CALLER
            if follows is None:
                (follows, noted), how = _last_note([*dependencies, *callers], began_s), _NOTE
        on: list[Span] = [(start_s, end_s) for start_s, end_s, _ in lane.triggers]
        if follows is not None and how == _DEPENDENCY:
            on += _bad(by_name[follows])
            for other in dependencies:  # a second fault, elsewhere, that came while this one followed the first
                on += _bad(other) if other.triggers else []
        named = how if how == _OWN or follows is not None else None
        if named is None:
            lane.why["trigger"] = "no fault, and no trouble or note of a component it has to do with, came before it"
        found.append(lane._replace(follows=follows, how=named, noted=noted, sustained=without(lane.trouble, on)))
    return found


def _bad(lane: Lane) -> list[Span]:
    """When a component was in trouble or broken."""
    return joined([*lane.trouble, *((start_s, end_s) for start_s, end_s, _ in lane.triggers)])


def _nearest(others: Iterable[Lane], began_s: float, before_s: float) -> str | None:
    """Of those whose trouble began before a moment: the one in trouble nearest to it; of several, the last to fall."""
    reached = [
        (
            max(min(end_s, began_s) for start_s, end_s in _bad(other) if start_s < before_s),
            other.began_s,
            other.component,
        )
        for other in others
        if other.began_s is not None and other.began_s < before_s
    ]
    return max(reached)[2] if reached else None


def _last_note(others: Iterable[Lane], before_s: float) -> tuple[str | None, str]:
    """Who of these wrote something down last before a moment, and what; (None, "") for nobody."""
    found = [
        (max(at_s for at_s in times if at_s < before_s), other.component, kind)
        for other in others
        for kind, times in other.notes.items()
        if times[0] < before_s
    ]
    return max(found)[1:] if found else (None, "")


def call_graph(plan: Mapping[str, Any], edges: Iterable[str]) -> dict[str, set[str]]:
    """Component -> what it calls: as the plan says and as the rows show; every name is looked up in `dns`."""
    calls: dict[str, set[str]] = defaultdict(set)
    region = plan.get("spec", {}).get("region")
    for name, knobs in region.items() if isinstance(region, dict) else ():
        if isinstance(knobs, dict):
            calls[str(name)] |= {str(other) for other in knobs.get("depends_on") or ()}
    for edge in edges:
        caller, callee = edge.split("->")
        calls[caller].add(callee)
    for caller in calls:
        calls[caller] |= {"dns"} - {caller} if calls[caller] else set()
    return calls
