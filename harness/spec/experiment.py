"""The experiment: one question about a recovery, as values.

`Experiment` is one variant, fully resolved: what a plan is made from and what `plan.json` carries as `spec`. Times are
seconds and rates per second inside (`timeout_s`), texts with units outside (`timeout: 0.5s`); a dump by alias reads
back to an equal experiment. How a file becomes one, and where its complaints point, is `harness.spec.load`.

Leaves out: checks across parts (a fault that outlives the load), which are in `checks.py`, so that they can say more
than one thing at a time; and the variants themselves, which are patches over the file and gone once resolved.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
    model_validator,
)

from harness.policies.crowd import CrowdSpec
from harness.spec.client import Client
from harness.spec.criteria import Expect
from harness.spec.crowd import Crowd
from harness.spec.entries import Event
from harness.spec.incident import Incident
from harness.spec.lines import Line, Stop, read_line, read_stop
from harness.spec.moments import Span
from harness.spec.region import Region
from harness.spec.time_scale import read_scale
from harness.spec.values import NONE, Duration, MaybeDuration, Model, PositiveDuration, Rate
from harness.spec.vocabulary import PHASES


def _text(value: Any) -> str:
    return str(value.text)


def _line(allowed: tuple[str, ...], example: str) -> tuple[Any, ...]:
    def read(value: object) -> Line:
        return value if isinstance(value, Line) else read_line(value, allowed, example)

    return BeforeValidator(read), PlainSerializer(_text), WithJsonSchema({"type": "string", "examples": [example]})


_DUE = _line(("due",), ">= 95% of due")
_RATIO = _line(("baseline", "number"), "<= 1.1x baseline")
_TIME = _line(("baseline", "duration"), "<= 2x baseline")


def _optional_line(value: object) -> Line | None:
    return None if value is None or value == NONE else _TIME[0].func(value)


def _optional_text(value: Line | None) -> str:
    return NONE if value is None else value.text


class Conventions(Model):
    """Four choices that move every threshold, and so are stated in the file and recorded in the run."""

    late_replies: bool = False  # a reply after its attempt timed out still counts
    cancellation: bool = False  # giving up cancels the work at the server
    service_draw: Literal["acceptance", "start"] = "acceptance"
    refusal: Literal["answered", "silent"] = "answered"


class Arrivals(Model):
    """An open loop: operations start when they are due, whether or not earlier ones came back."""

    rate_per_s: Rate = Field(alias="rate")
    process: Literal["poisson", "even"] = "poisson"


class Load(Model):
    """What one story is asked to do, by an open loop (`arrivals`) or a closed one (`think`); it has exactly one.

    `mix` is complete: without one in the file it is the story's own. With arrivals, `users` are whom the operations are
    shared out to; with think times they are the load.
    """

    arrivals: Arrivals | None = None
    think_s: MaybeDuration = Field(default=None, alias="think")
    crowd: Crowd | None = None
    users: Annotated[int, Field(ge=1, le=1_000_000)] = 400  # each is kept in memory by what they talk to
    mix: dict[str, Annotated[float, Field(ge=0.0, le=1.0, strict=False)]] = Field(default_factory=dict)
    client: Client = Client()

    @model_validator(mode="after")
    def _one_loop(self) -> Load:
        if (self.arrivals is None) == (self.think_s is None):
            found = "neither `arrivals` nor `think`" if self.arrivals is None else "both `arrivals` and `think`"
            raise ValueError(
                f"{found}; write `arrivals: {{rate: 100/s}}` for operations that come whatever happens (an open loop), "
                "or `users: 200` with `think: 1s` for users who wait for their answers (a closed one)"
            )
        if self.crowd is not None and self.think_s is None:
            raise ValueError("`crowd` is how the users of a closed loop behave; it needs `think` instead of `arrivals`")
        return self

    @model_serializer(mode="wrap")
    def _without_the_other_loop(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """As a file has it: the keys of the loop that this is not are absent."""
        absent = ("think", "crowd") if self.think_s is None else ("arrivals",)
        return {key: value for key, value in dump(self).items() if key not in absent}

    @property
    def closed(self) -> bool:
        """Whether users wait for their answers."""
        return self.think_s is not None

    @property
    def rate_per_s(self) -> float:
        """Operations per second that come, or, of a closed loop, that would if every answer came at once."""
        if self.arrivals is not None:
            return self.arrivals.rate_per_s
        assert self.think_s is not None, "one of the two is there"
        return self.users / self.think_s


class Phases(Model):
    """Lengths of the phases, in their order. Load runs from zero to the end of recovery; the drain carries none."""

    warm_up_s: Duration = Field(default=2.0, alias="warm_up")
    baseline_s: PositiveDuration = Field(default=8.0, alias="baseline")
    outage_s: PositiveDuration = Field(default=12.0, alias="outage")
    recovery_s: PositiveDuration = Field(default=23.0, alias="recovery")
    drain_s: Duration = Field(default=3.0, alias="drain")

    def spans(self) -> dict[str, Span]:
        """Each phase with its start and end in seconds from the run's zero."""
        spans, at_s = {}, 0.0
        for name in PHASES:
            end_s = round(at_s + getattr(self, f"{name}_s"), 9)
            spans[name] = Span(name, at_s, end_s)
            at_s = end_s
        return spans


class SteadyState(Model):
    """What "recovered" means: every line holds in every rolling window for `for_s`.

    Goodput, amplification and queue delay are always among the lines: a system can deliver all its goodput at four
    times the attempts. p99 may be `none`.
    """

    goodput: Annotated[Line, *_DUE] = Line(">= 95% of due", ">=", 0.95, "due")
    amplification: Annotated[Line, *_RATIO] = Line("<= 1.1x baseline", "<=", 1.1, "baseline")
    queue_delay: Annotated[Line, *_TIME] = Line("<= 2x baseline", "<=", 2.0, "baseline")
    p99: Annotated[Line | None, BeforeValidator(_optional_line), PlainSerializer(_optional_text), _TIME[2]] = Line(
        "<= 2x baseline", "<=", 2.0, "baseline"
    )
    for_s: PositiveDuration = Field(default=3.0, alias="for")


_STOP = (
    BeforeValidator(lambda value: value if isinstance(value, Stop) else read_stop(value)),
    PlainSerializer(_text),
    WithJsonSchema({"type": "string", "examples": ["> 95% for 10s"]}),
)
StopWhen = dict[str, Annotated[Stop, *_STOP]]


def _scale(value: object) -> object:
    if value is not None:
        read_scale(value)
    return value


TimeScale = Annotated[
    str | None,
    BeforeValidator(_scale),
    WithJsonSchema({"type": ["string", "null"], "examples": ["1min to 1s"]}),
]


def _no_stop(value: object) -> object:
    return {} if value is None or value == NONE else value


class Experiment(Model):
    """One variant of an experiment file, complete."""

    title: str
    description: str = ""
    incident: Incident | None = None  # what it is modelled on; says nothing about what is run
    time_scale: TimeScale = None  # seconds of the event in one of the run, as `harness.spec.time_scale` has it
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 1
    region: Region = Region()
    conventions: Conventions = Conventions()
    client: Client = Client()
    load: Annotated[dict[str, Load], Field(min_length=1)]
    phases: Phases = Phases()
    timeline: tuple[Event, ...] = Field(default=(), strict=False)
    steady_state: SteadyState = SteadyState()
    repeat: Annotated[int, Field(ge=1, le=1000)] = 1
    stop_when: Annotated[
        StopWhen,
        BeforeValidator(_no_stop),
        PlainSerializer(lambda value: {k: v.text for k, v in value.items()} or NONE),
    ] = Field(default_factory=dict)
    expect: tuple[Expect, ...] = Field(default=(), strict=False)
    targets: dict[str, str] = Field(default_factory=dict)  # reserved: refused by `checks`, with the reason
    allow_hosts: tuple[str, ...] = Field(default=(), strict=False)

    def written(self) -> dict[str, Any]:
        """The experiment as the mapping a YAML file would hold, complete; reads back to an equal one."""
        written = self.model_dump(mode="json", by_alias=True)
        for absent in ("incident", "time_scale"):
            if written[absent] is None:
                del written[absent]
        return written

    def text(self) -> str:
        """The same as YAML, as `experiment.yaml` of a run folder holds it."""
        return yaml.safe_dump(self.written(), sort_keys=False, allow_unicode=True)

    def spans(self) -> dict[str, Span]:
        """Each phase with its start and end in seconds from the run's zero."""
        return self.phases.spans()

    @property
    def load_end_s(self) -> float:
        """When the last operation may start: the end of recovery."""
        return self.spans()["recovery"].end_s

    def mix(self, story: str) -> dict[str, float]:
        """The operations of a story and their shares, summing to 1."""
        shares = self.load[story].mix
        total = sum(shares.values())
        return {name: share / total for name, share in shares.items()}

    def crowds(self) -> list[tuple[int, str, CrowdSpec]]:
        """The stories with closed loops: index, name, and how their users behave."""
        spans = self.spans()
        return [
            (index, name, (load.crowd or Crowd()).spec(load.users, load.think_s, spans))
            for index, (name, load) in enumerate(self.load.items())
            if load.think_s is not None
        ]
