"""`crowd` of a story with a closed loop: how its users come and go besides thinking.

    load:
      kv_reads:
        users: 200
        think: 1s
        crowd: {ramp: 5s, give_up_after: 3, come_back: 20s, herd: outage.end, herd_within: 500ms}

What each knob means for a user is in `harness.policies.crowd`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from harness.policies.crowd import CrowdSpec
from harness.spec.moments import Moment, Span, read_moment
from harness.spec.values import NONE, Duration, MaybeDuration, Model, PositiveDuration, Share


def _count_or_none(value: object) -> object:
    return None if value is None or value == NONE else value


def _moment_or_none(value: object) -> Moment | None:
    if value is None or value == NONE or isinstance(value, Moment):
        return value if isinstance(value, Moment) else None
    return read_moment(value)


def _shown(value: Any) -> Any:
    return NONE if value is None else value.text if isinstance(value, Moment) else value


_MaybeCount = Annotated[
    Annotated[int, Field(ge=1, le=10_000)] | None,
    BeforeValidator(_count_or_none),
    PlainSerializer(_shown),
    WithJsonSchema({"anyOf": [{"const": NONE}, {"type": "null"}, {"type": "integer", "minimum": 1}]}),
]
_MaybeMoment = Annotated[
    Moment | None,
    BeforeValidator(_moment_or_none),
    PlainSerializer(_shown),
    WithJsonSchema({"type": ["string", "null"], "examples": [NONE, "outage.end"]}),
]


class Crowd(Model):
    """Users beyond their think time: how they enter, tire, sleep, and come all at once."""

    think: Literal["exponential", "fixed"] = "exponential"
    ramp_s: Duration = Field(default=0.0, alias="ramp")
    give_up_after: _MaybeCount = None  # operations in a row that did not come good
    come_back_s: PositiveDuration = Field(default=10.0, alias="come_back")
    day_s: MaybeDuration = Field(default=None, alias="day")
    night: Share = 0.2
    herd: _MaybeMoment = None
    herd_within_s: PositiveDuration = Field(default=1.0, alias="herd_within")

    def spec(self, users: int, think_s: float, spans: Mapping[str, Span]) -> CrowdSpec:
        """The behaviour these knobs describe; moments resolved against the phases."""
        return CrowdSpec(
            users,
            think_s,
            self.think == "fixed",
            self.ramp_s,
            self.give_up_after or 0,
            self.come_back_s,
            self.day_s or math.inf,
            self.night,
            math.inf if self.herd is None else self.herd.at_s(spans),
            self.herd_within_s,
        )
