"""The conditions of a timeline, resolved: what a `when:` watches, from when on, and which entry it follows.

A condition on a gauge that no component reports would never come true, and a chain of entries that waits for itself
would never begin; both would look like operators who did nothing. So both are refused here, with what there is.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from harness.policies.entry import did_you_mean
from harness.spec.components.mobile_banking import MORE_GAUGES, with_more
from harness.spec.document import Where
from harness.spec.entries import Event, When
from harness.spec.experiment import Experiment
from harness.spec.vocabulary import GAUGES, PSEUDO

Wrong = list[tuple[Where, str]]


class Trigger(NamedTuple):
    """What makes an entry happen: a gauge, another entry, or a gauge once another entry was done. "" is none."""

    component: str
    gauge: str
    above: bool  # else below
    line: float
    for_s: float  # beyond the line for so long
    after_s: float  # readings before this moment do not count
    after_event: str  # the id of the entry it follows
    delay_s: float  # from the decision to the deed
    once: bool
    text: str  # in words

    @property
    def told(self) -> str:
        """All of it, in words."""
        if not self.component:
            return self.text
        since = f"once {self.after_event} is done" if self.after_event else f"from {self.after_s:g} s on"
        return f"{self.text}, {since}" + (f", {self.delay_s:g} s later" if self.delay_s else "")

    def beyond(self, found: float) -> bool:
        """Whether one reading is on the far side of the line."""
        return found > self.line if self.above else found < self.line


def identity(event: Event, index: int) -> str:
    """The id of the entry with this number, its own or made of what it does."""
    return event.id or f"{index + 1}-{event.do.replace('.', '-')}"


def check_ids(experiment: Experiment, wrong: Wrong) -> None:
    """Complain about two entries of one id, and about entries that follow each other in a ring."""
    seen: dict[str, int] = {}
    for index, event in enumerate(experiment.timeline):
        name = identity(event, index)
        if name in seen:
            text = f"{name!r} is the id of entry {seen[name] + 1} too; ids are unique, choose another"
            wrong.append(((index, "id"), text))
        seen.setdefault(name, index)
    follows = {
        identity(event, index): event.when.after_event
        for index, event in enumerate(experiment.timeline)
        if event.when is not None and event.when.after_event is not None
    }
    for name in follows:
        ring = [name]
        while (following := follows.get(ring[-1])) is not None and following not in ring:
            ring.append(following)
        if following == name:
            said = "itself" if len(ring) == 1 else f"{' after '.join([*ring[1:], name])}"
            text = f"{name} comes after {said}, so none of them ever happens; give one of them an `at` or a gauge"
            wrong.append(((seen[name], "when", "after_event"), text))


def trigger_of(experiment: Experiment, index: int, first_fault_s: float, wrong: Wrong) -> Trigger | None:
    """The condition of the entry with this number; complaints go to `wrong`."""
    event = experiment.timeline[index]
    when = event.when
    assert when is not None, "an entry without a moment has a condition"
    if event.component == "load":
        text = f"{event.do} changes the arrivals, which are drawn before the run; give it an `at`"
        wrong.append(((index, "when"), text))
    if when.after_event is not None:
        names = [identity(other, number) for number, other in enumerate(experiment.timeline)]
        if when.after_event not in names:
            text = f"no entry {when.after_event!r}; there are {', '.join(names)}"
            wrong.append(((index, "when", "after_event"), text + did_you_mean(when.after_event, names)))
    if when.gauge is None:
        assert when.after_event is not None, "a condition is one or the other"
        words = f"{when.delay_s:g} s after {when.after_event}"
        return Trigger("", "", False, math.nan, 0.0, 0.0, when.after_event, when.delay_s, when.once, words)
    component, _, gauge = when.gauge.partition(".")
    _check_gauge(experiment, component, gauge, index, wrong)
    spans = experiment.spans()
    after_s = first_fault_s if when.after is None else round(when.after.at_s(spans), 9)
    load_end_s = experiment.load_end_s
    earliest_s = after_s + when.for_s + when.delay_s
    if not 0.0 <= after_s <= load_end_s:
        said = when.after.text if when.after is not None else "the first fault"
        text = f"{said!r} is {after_s:g} s, outside the load (0 s to {load_end_s:g} s); choose a moment within it"
        wrong.append(((index, "when", "after"), text))
    elif earliest_s >= load_end_s:
        text = (
            f"{event.do} cannot happen before {earliest_s:g} s, when the load (to {load_end_s:g} s) is over; shorten "
            "for and delay, or lengthen phases.recovery"
        )
        wrong.append(((index, "when"), text))
    return Trigger(
        component, gauge, when.above is not None, when.line.value, when.for_s, after_s, when.after_event or "",
        when.delay_s, when.once, _words(when),
    )  # fmt: skip


def _check_gauge(experiment: Experiment, component: str, gauge: str, index: int, wrong: Wrong) -> None:
    where = (index, "when", "gauge")
    full = f"{component}.{gauge}"
    present = [name for name in experiment.region.instances() if GAUGES.get(name)]
    if component not in GAUGES:
        why = "; the load's gauges are known only afterwards" if component in PSEUDO else ""
        near = did_you_mean(component, GAUGES)
        wrong.append(
            (where, f"{full!r}: no component {component!r} with gauges; there are {', '.join(present)}{why}{near}")
        )
    elif component not in experiment.region.instances():
        wrong.append(
            (where, f"{full!r}: {component} is absent from this region; give it there, or watch another gauge")
        )
    elif gauge not in (known := _gauges(experiment, component)):
        if component == "mobile_banking" and gauge in sum(MORE_GAUGES.values(), ()):
            knob = next(knob for knob, gauges in MORE_GAUGES.items() if gauge in gauges)
            wrong.append((where, f"{full!r} is reported only with the knob {knob}; set it, or watch another gauge"))
            return
        wrong.append(
            (where, f"{full!r}: {component} has no such gauge; it has {', '.join(known)}{did_you_mean(gauge, known)}")
        )


def _gauges(experiment: Experiment, component: str) -> tuple[str, ...]:
    app = experiment.region.mobile_banking
    more = with_more(app) if component == "mobile_banking" and app is not None else ()
    return (*GAUGES[component], *more)


def _words(when: When) -> str:
    line = f"{when.gauge} {'above' if when.above else 'below'} {when.line.words}"
    return line + (f" for {when.for_s:g} s" if when.for_s else "")
