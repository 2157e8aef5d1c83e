"""A plan: one variant, one seed, every moment of a run in seconds from its zero.

Two engines that each decide when operations start cannot be compared, and two runs that draw arrivals as they go differ
for reasons nobody recorded. So all of it is fixed before anything starts: the phases, the timeline, and the schedule of
operations, which is a pure function of (seed, spec) and is computed where it is needed instead of being stored.

    plan = make_plan(load_experiment(path), "budget", seed=7)
    plan.schedule()            op, story and intended start of every operation
    plan.to_json()             what plan.json holds; `Plan.from_json` reads it back

The schedule is in `harness.schedule`, the plan as people read it in `harness.timetable`. An entry of the timeline with
a `when:` has no moment here; how it will be decided is fixed (`harness.runbook`), and only the run's journal says when
it was. Other draws (service times, jitter) are pure hashes of what they are for and are not in the plan
(`harness.seeds`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any, Final, NamedTuple

import harness
from harness import seeds
from harness.errors import RecordError, SpecError
from harness.schedule import Schedule, schedule_of
from harness.spec.events import events_of
from harness.spec.experiment import Experiment
from harness.spec.load import ExperimentFile, resolved_experiment
from harness.spec.moments import Span as Phase
from harness.spec.vocabulary import STORIES

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
        """Every operation due before the load ends, but those of closed loops, which depend on the answers."""
        return schedule_of(self.experiment, self.seed)

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
