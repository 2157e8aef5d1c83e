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
from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from harness.spec.client import Client
from harness.spec.entries import Event
from harness.spec.lines import Condition, Line, Stop, read_condition, read_line, read_stop
from harness.spec.moments import Span
from harness.spec.region import Region
from harness.spec.values import NONE, Duration, Model, PositiveDuration, Rate
from harness.spec.vocabulary import PHASES, full_key


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
    """What one story is asked to do. `mix` is complete: without one in the file it is the story's own."""

    arrivals: Arrivals
    users: Annotated[int, Field(ge=1, le=10_000_000)] = 400
    mix: dict[str, Annotated[float, Field(ge=0.0, le=1.0, strict=False)]] = Field(default_factory=dict)
    client: Client = Client()


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


class Expect(Model):
    """One criterion: a bound on a measure of one variant, or a comparison of a measure between two."""

    variant: str | None = None
    compare: tuple[str, str] | None = Field(default=None, strict=False)
    measure: str
    is_: Annotated[
        Condition | Literal["better", "same", "worse"],
        BeforeValidator(lambda value: _is(value)),
        PlainSerializer(lambda value: _shown(value)),
        WithJsonSchema({"type": ["string", "boolean"], "examples": ["<= 15s", "== recovered", True, "better"]}),
    ] = Field(alias="is")

    @property
    def key(self) -> str:
        """The measure's key in measures.json: `time_to_recover` is short for `time_to_recover_s`."""
        return full_key(self.measure) or self.measure

    @model_validator(mode="after")
    def _one_form(self) -> Expect:
        if (self.variant is None) == (self.compare is None):
            raise ValueError("an expect line names either `variant` or `compare: [a, b]`; write exactly one of them")
        if (self.compare is None) == isinstance(self.is_, str):
            raise ValueError(
                f"{_shown(self.is_)!r} does not fit; `compare` wants better, same or worse, and `variant` wants a "
                "condition such as '<= 15s', '== recovered' or true"
            )
        return self


def _is(value: object) -> object:
    if isinstance(value, Condition) or value in ("better", "same", "worse"):
        return value
    return read_condition(value)


def _shown(value: Condition | str) -> str | bool:
    if isinstance(value, str):
        return value
    return value.value if isinstance(value.value, bool) and value.text in ("true", "false") else value.text


def _no_stop(value: object) -> object:
    return {} if value is None or value == NONE else value


class Experiment(Model):
    """One variant of an experiment file, complete."""

    title: str
    description: str = ""
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
        return self.model_dump(mode="json", by_alias=True)

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
