"""A plan: one variant, one seed, every moment of a run in seconds from its zero.

Two engines that each decide when operations start cannot be compared, and two runs that draw arrivals as they go differ
for reasons nobody recorded. So all of it is fixed before anything starts: the phases, the timeline, and the schedule of
operations, which is a pure function of (seed, spec) and is computed where it is needed instead of being stored.

    plan = make_plan(load_experiment(path), "budget", seed=7)
    plan.schedule()            op, story and intended start of every operation
    plan.to_json()             what plan.json holds; `Plan.from_json` reads it back

How arrivals are drawn is in `harness.arrivals`. Operations are numbered from 1 in order of time; those that a surge
adds come after all others in the numbering (not in time), so that with a surge every other operation keeps its number,
and with it every draw keyed by it. An entry of the timeline with a `when:` has no moment here; how it will be decided
is fixed (`harness.runbook`), and only the run's journal says when it was. Other draws (service times, jitter) are pure
hashes of what they are for and are not in the plan (`harness.seeds`).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

import harness
from harness import seeds
from harness.arrivals import arrivals_s, surge_s
from harness.errors import RecordError, SpecError
from harness.spec.events import events_of
from harness.spec.experiment import Experiment, Load
from harness.spec.load import ExperimentFile, resolved_experiment
from harness.spec.moments import Span as Phase
from harness.spec.surges import surges_of
from harness.spec.timed import Timed
from harness.spec.vocabulary import STORIES
from harness.units import show_s

SCHEMA_VERSION: Final = 1
ENGINES: Final = ("live", "world")
_NOT_IN_FINGERPRINT: Final = ("title", "description", "incident", "seed", "repeat", "expect")


class Event(NamedTuple):
    """One entry of the timeline. `params` are the file's `with`, texts with units as written; `what` is its `do`.

    Faults last for `params["for"]`, or until a later heal of the same fault; `harness.spec.events` has the ends in SI.
    `at_s` is None with a `when`; that and `square` are as the file has them.
    """

    id: str
    at_s: float | None
    component: str
    verb: str
    kind: str  # "fault", "heal" or "action"
    params: dict[str, Any]
    fix: bool
    what: str
    when: dict[str, Any] | None = None
    square: dict[str, Any] | None = None


class Schedule(NamedTuple):
    """All operations by intended start: arrays of one length. `op` is each number from 1 once, in order of time but for
    those a surge added, which have the highest; `story` indexes plan.stories.
    """

    op: NDArray[np.uint64]
    story: NDArray[np.uint16]
    intended_s: NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """Everything that is decided before a run. `experiment` is the resolved variant, `name` the file's stem, and `file`
    the path it was read by, so that a run can say how to repeat it; it decides nothing.
    """

    name: str
    variant: str
    seed: int
    engine: str
    experiment: Experiment
    zero_monotonic_ns: int | None = None
    fingerprint: str = field(default="")
    timeline: tuple[Event, ...] = field(default=())
    file: str = field(default="", compare=False)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The five phases in order; the last, the drain, carries no load."""
        return tuple(self.experiment.spans().values())

    @property
    def load_end_s(self) -> float:
        """No operation is due at or after this moment."""
        return self.experiment.load_end_s

    @property
    def end_s(self) -> float:
        """The end of the drain."""
        return self.phases[-1].end_s

    @property
    def stories(self) -> tuple[str, ...]:
        """Stories in the order of the file; rows and the schedule carry the index."""
        return tuple(self.experiment.load)

    @property
    def components(self) -> dict[str, int]:
        """Instances of each component that is present, in the order of their addresses."""
        return self.experiment.region.instances()

    @property
    def fix_s(self) -> float | None:
        """The moment the trigger is gone; None when only the run will tell."""
        return next(event.at_s for event in self.timeline if event.fix)

    def phase(self, name: str) -> Phase:
        """One phase by name. Raises KeyError for an unknown one."""
        return self.experiment.spans()[name]

    def schedule(self) -> Schedule:
        """Every operation due in [0, load_end_s), merged over stories; the same for the same seed and spec.

        Without those of closed loops: when they are due depends on the answers (`Experiment.crowds`).
        """
        times, stories = [np.empty(0)], [np.empty(0, dtype=np.uint16)]
        for index, (story, load) in enumerate(self.experiment.load.items()):
            if load.arrivals is None:
                continue
            due_s = arrivals_s(load.arrivals, self.seed, story, self.load_end_s)
            times.append(due_s)
            stories.append(np.full(due_s.size, index, dtype=np.uint16))
        plain = _merged(times, stories)
        surges = surges_of(self.experiment, events_of(self.experiment).events)
        if not surges:
            return plain
        own = {story: load.arrivals for story, load in self.experiment.load.items() if load.arrivals is not None}
        times = [surge_s(surge, own[surge.story], self.seed) for surge in surges]
        number = {story: index for index, story in enumerate(self.experiment.load)}
        stories = [
            np.full(due_s.size, number[surge.story], dtype=np.uint16)
            for surge, due_s in zip(surges, times, strict=True)
        ]
        further = _merged(times, stories, plain.op.size)
        order = np.argsort(np.concatenate([plain.intended_s, further.intended_s]), kind="stable")
        return Schedule(
            np.concatenate([plain.op, further.op])[order],
            np.concatenate([plain.story, further.story])[order],
            np.concatenate([plain.intended_s, further.intended_s])[order],
        )

    def kind(self, story: str, op: int) -> str:
        """What operation `op` of a story is, by its mix; the same draw as the story's own (`StoryContext.kind`)."""
        shares = {name: share for name, share in self.experiment.mix(story).items() if share > 0.0}
        total = sum(shares.values())
        u = seeds.draw(self.seed, seeds.stream_id(f"story/{story}"), 1, op)
        edges = zip(shares, accumulate(shares.values()), strict=True)
        return next((name for name, edge in edges if u < edge / total), next(reversed(shares)))

    def apps(self) -> dict[str, Any]:
        """What audit and impact need of each story that stands for an app, so that they read only the run folder."""
        return {
            name: {
                "app": story.target,
                "sector": story.sector,
                "users": self.experiment.load[name].users,
                "mix": self.experiment.mix(name),
                "operations": {kind: wish._asdict() for kind, wish in story.wishes.items()},
            }
            for name, story in ((name, STORIES[name]) for name in self.stories)
            if story.wishes
        }

    def at_zero(self, zero_monotonic_ns: int) -> Plan:
        """The same plan with the run's zero fixed."""
        return replace(self, zero_monotonic_ns=zero_monotonic_ns)

    def to_json(self) -> dict[str, Any]:
        """What `plan.json` holds."""
        return {
            "schema_version": SCHEMA_VERSION,
            "experiment": self.name,
            "file": self.file,
            "variant": self.variant,
            "seed": self.seed,
            "fingerprint": self.fingerprint,
            "engine": self.engine,
            "zero_monotonic_ns": self.zero_monotonic_ns,
            "phases": [phase._asdict() for phase in self.phases],
            "load_end_s": self.load_end_s,
            "end_s": self.end_s,
            "timeline": [_event_json(event) for event in self.timeline],
            "stories": list(self.stories),
            "components": self.components,
            "apps": self.apps(),
            "spec": self.experiment.written(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], source: str = "plan.json") -> Plan:
        """The plan in `plan.json`. Raises RecordError when it is not one, or not one this version reads."""
        version = value.get("schema_version")
        if version != SCHEMA_VERSION:
            raise RecordError(
                f"{source}: schema_version is {version!r}; this version of blackstart reads {SCHEMA_VERSION}"
            )
        try:
            experiment = resolved_experiment(value["spec"], source)
            timeline = tuple(_event(entry) for entry in value["timeline"])
            zero_ns = value["zero_monotonic_ns"]
            return cls(
                str(value["experiment"]),
                str(value["variant"]),
                int(value["seed"]),
                str(value["engine"]),
                experiment,
                None if zero_ns is None else int(zero_ns),
                str(value["fingerprint"]),
                timeline,
                str(value.get("file", "")),
            )
        except SpecError as error:
            raise RecordError(f"{error}; the plan was edited, or written by another version") from error
        except (KeyError, TypeError, ValueError) as error:
            raise RecordError(
                f"{source}: not a plan ({type(error).__name__}: {error}); it is damaged or was edited"
            ) from error

    def timetable(self) -> list[str]:
        """The plan for people: one line per edge, in order of time."""
        lines: list[tuple[float, int, str]] = []
        for phase in self.phases:
            carries = "no load" if phase.name == "drain" else "load"
            lines.append((phase.start_s, 0, f"phase   {phase.name}, {show_s(phase.end_s - phase.start_s)}, {carries}"))
        for story, load in self.experiment.load.items():
            lines.append((0.0, 1, f"load    {story}: {_asked(load)}"))
        resolved = events_of(self.experiment).events
        lines += [(event.at_s, 2, _line(event)) for event in self.timeline if event.at_s is not None]
        lines += [(timed.ends_s, 1, f"heal    {timed.what} ends") for timed in resolved if _end_is_told(timed)]
        lines.append((self.end_s, 3, "end"))
        table = [f"{at_s:9.3f}  {text}" for at_s, _, text in sorted(lines, key=lambda line: line[:2])]
        conditions = {timed.id: timed.trigger for timed in resolved}
        return table + [
            f"     when  {_line(event, f': {trigger.told}')}"
            for event in self.timeline
            if (trigger := conditions[event.id]) is not None
        ]


def make_plan(file: ExperimentFile, variant: str, seed: int | None = None, engine: str = "live") -> Plan:
    """The plan of one variant; without a seed, the file's. Raises SpecError for an unknown variant, engine or seed."""
    if engine not in ENGINES:
        raise SpecError(f"unknown engine {engine!r}; engines are {', '.join(ENGINES)}")
    seed = file.seed if seed is None else seed
    if not 0 <= seed < 2**63:
        raise SpecError(f"seed {seed} is out of bounds; it lies between 0 and 2^63 - 1")
    experiment = file.variant(variant)
    timeline = tuple(
        Event(
            timed.id,
            None if timed.trigger is not None else timed.at_s,
            timed.component,
            timed.verb,
            timed.kind,
            dict(experiment.timeline[timed.number].with_),
            timed.fix,
            timed.what,
            *_written(experiment, timed.number),
        )
        for timed in events_of(experiment).events
    )
    return Plan(file.name, variant, seed, engine, experiment, None, fingerprint(experiment), timeline, file.path)


def fingerprint(experiment: Experiment) -> str:
    """16 hex digits that two runs share exactly when they ran the same thing.

    A hash over the resolved variant as written, without title, description, incident, seed, repeat and expect, and over
    the version of this suite. The seed is left out, so that runs of one variant with several seeds group together.
    """
    spec = {key: value for key, value in experiment.written().items() if key not in _NOT_IN_FINGERPRINT}
    text = json.dumps([harness.__version__, spec], sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _merged(times: list[NDArray[np.float64]], stories: list[NDArray[np.uint16]], after: int = 0) -> Schedule:
    """Arrivals of several stories in order of time, numbered from `after` + 1."""
    intended_s = np.concatenate(times)
    order = np.argsort(intended_s, kind="stable")
    op = np.arange(after + 1, after + intended_s.size + 1, dtype=np.uint64)
    return Schedule(op, np.concatenate(stories)[order], intended_s[order])


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


def _written(experiment: Experiment, number: int) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The `when` and the `square` of an entry, as a file would have them."""
    event = experiment.timeline[number]
    parts = (event.when, event.square)
    when, square = (part.model_dump(mode="json", by_alias=True) if part is not None else None for part in parts)
    return when, square


def _event_json(event: Event) -> dict[str, Any]:
    entry = event._asdict()
    entry["with"] = entry.pop("params")
    return {key: value for key, value in entry.items() if value is not None or key == "at_s"}


def _event(entry: Mapping[str, Any]) -> Event:
    fields = dict(entry)
    fields["params"] = fields.pop("with")
    return Event(**fields)
