"""Surges of the load: which stories get how many more arrivals, and when; known before the run, like all arrivals.

    factor 3     of a story at 100/s: 200/s more         rate +200/s   of one story: 200/s more
                                                                       of all: shared out by the stories' own rates

Two surges of one story at one moment are refused, because whether they add or multiply nobody could tell from the file.
A lull (a factor below 1) is not a surge: taking arrivals away would renumber the operations that stay, and with that
every draw they make.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from harness.policies.entry import did_you_mean
from harness.spec.components.load import ALL
from harness.spec.document import Where
from harness.spec.experiment import Experiment
from harness.spec.spells import spells
from harness.spec.timed import Timed


class Surge(NamedTuple):
    """More arrivals of one story. `spells` are (start, end) in seconds from the run's zero, end excluded."""

    id: str  # of the entry
    story: str
    extra_per_s: float
    start_s: float
    spells: tuple[tuple[float, float], ...]

    @property
    def operations(self) -> float:
        """How many more arrive, on average."""
        return self.extra_per_s * sum(end_s - start_s for start_s, end_s in self.spells)


def surges_of(experiment: Experiment, events: Sequence[Timed]) -> tuple[Surge, ...]:
    """The surges among resolved events that nothing is wrong with."""
    found = []
    for event in events:
        if (event.component, event.kind) != ("load", "fault"):
            continue
        stories = _stories(experiment, event)
        rates = {story: experiment.load[story].rate_per_s for story in stories}
        length_s = event.arguments.get("for_s", event.ends_s - event.at_s)
        on = [(event.at_s + start_s, min(event.at_s + end_s, event.ends_s)) for start_s, end_s in
              spells(length_s, event.square)]  # fmt: skip
        whole = tuple((round(start_s, 9), round(end_s, 9)) for start_s, end_s in on if start_s < end_s)
        for story, rate_per_s in rates.items():
            if "factor" in event.arguments:
                extra_per_s = (event.arguments["factor"] - 1.0) * rate_per_s
            else:
                extra_per_s = event.arguments["rate"] * rate_per_s / sum(rates.values())
            found.append(Surge(event.id, story, extra_per_s, event.at_s, whole))
    return tuple(found)


def check_surges(experiment: Experiment, events: Sequence[Timed], wrong: list[tuple[Where, str]]) -> None:
    """Complain about surges that are none, of stories that are not played, or on top of each other."""
    surges = [event for event in events if (event.component, event.kind) == ("load", "fault")]
    for index, event in enumerate(surges):
        story, factor = event.arguments.get("story", ALL), event.arguments.get("factor")
        if factor is not None and factor <= 1.0:
            text = f"{factor:g} times as many is no surge; write a factor above 1, or the load itself with a lower rate"
            wrong.append(((event.number, "with", "factor"), text))
        if story != ALL and story not in experiment.load:
            text = f"no story {story!r} in this load; there are {', '.join(experiment.load)}, or leave it out for all"
            wrong.append(((event.number, "with", "story"), text + did_you_mean(str(story), experiment.load)))
            continue
        waiting = [name for name in _stories(experiment, event) if experiment.load[name].closed]
        if waiting:
            text = (
                f"the load of {', '.join(waiting)} is a closed loop, in which nobody arrives; name a story with "
                "arrivals, or let its users come all at once with `crowd: {herd: ...}`"
            )
            wrong.append(((event.number, "do"), text))
        for other in surges[:index]:
            both = set(_stories(experiment, event)) & set(_stories(experiment, other))
            if both and _until_s(other) > event.at_s and _until_s(event) > other.at_s:
                text = (
                    f"the surge of {', '.join(sorted(both))} from {event.at_s:g} s on begins before that of entry "
                    f"{other.number + 1} is over (at {_until_s(other):g} s); let one end before the other begins"
                )
                wrong.append(((event.number, "do"), text))


def _stories(experiment: Experiment, event: Timed) -> list[str]:
    story = event.arguments.get("story", ALL)
    return [name for name in experiment.load if story in (ALL, name)]


def _until_s(event: Timed) -> float:
    """When it is over for good; a square in its pauses is not over."""
    length_s = event.arguments.get("for_s", math.inf)
    return event.at_s + length_s if event.square is not None else event.ends_s
