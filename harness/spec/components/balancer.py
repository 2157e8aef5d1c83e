"""Knobs, verbs, stories and gauges of `balancer`: the load balancer and its health checks."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from harness.policies import deeds
from harness.spec import verbs
from harness.spec.knobs import Count, Hosted, Service, Working
from harness.spec.values import NONE, SHARE_SCHEMA, Duration, Period, PositiveDuration, Share, read_share
from harness.spec.verbs import Story, Verb, action, fault, needs, with_heal


def _maybe_share(value: object) -> float | None:
    return None if value is None or value == NONE else read_share(value)


def _show(value: float | None) -> float | Literal["none"]:
    return NONE if value is None else value


MaybeShare = Annotated[
    float | None,
    BeforeValidator(_maybe_share),
    PlainSerializer(_show),
    WithJsonSchema({"anyOf": [{"const": NONE}, {"type": "null"}, SHARE_SCHEMA]}),
]
TARGETS_MAX: Final = 2_000
Streak = Annotated[int, Field(ge=1, le=100)]


class Balancer(Hosted, Working):
    """The load balancer and its health checks.

    `slots` are those of all built-in targets together, shared evenly. Checks: each target every `check_every`, by
    `checkers` workers that need `check_time` for a check and `re_evaluation` for each change of health; a check begun
    `late_after` after it was due has failed. `velocity_limit` is the share of the targets that may be taken out within
    `velocity_period`. With `name_in_full` a name with no zone left answers with all of them.
    """

    depends_on: tuple[str, ...] = Field(default=("network", "functions"), strict=False)
    zones: Annotated[int, Field(ge=1, le=26)] = 3
    targets_per_zone: Annotated[int, Field(ge=1, le=1000)] = 4
    slots: Count = 24
    service: Service = Service.model_validate({"mean": "100ms"})
    check_every_s: Period = Field(default=0.5, alias="check_every")
    checkers: Annotated[int, Field(ge=1, le=1000)] = 1
    check_time_s: PositiveDuration = Field(default=0.02, alias="check_time")
    re_evaluation_s: Duration = Field(default=0.1, alias="re_evaluation")
    late_after_s: PositiveDuration = Field(default=0.25, alias="late_after")
    unhealthy_after: Streak = 1
    healthy_after: Streak = 1
    zone_threshold: Share = 0.5
    fail_open: Share = 0.1
    name_in_full: bool = True
    velocity_limit: MaybeShare = None
    velocity_period_s: PositiveDuration = Field(default=5.0, alias="velocity_period")

    @model_validator(mode="after")
    def _whole_slots(self) -> Balancer:
        targets = self.zones * self.targets_per_zone
        if targets > TARGETS_MAX:
            raise ValueError(
                f"{targets:,} targets ({self.zones} zones of {self.targets_per_zone}) are over the {TARGETS_MAX:,} "
                "a balancer can look through at each check; have fewer zones or fewer targets in each"
            )
        if self.slots % targets:
            raise ValueError(
                f"{self.slots} slots cannot be shared evenly by {targets} targets ({self.zones} zones of "
                f"{self.targets_per_zone}); give a multiple of {targets}"
            )
        return self


VERBS: Final[dict[str, Verb]] = with_heal(
    {
        **verbs.HOSTED,
        **verbs.WORKING,
        "flap": fault(
            "a share of the targets passes and fails its checks in turn, while nothing is wrong with them",
            needs(deeds.SHARE, "the share of the targets that flaps", required=True),
        ),
        "failover_off": action("health checks take nothing out any more; every target is routed"),
        "failover_on": action("health checks take targets and zones out again"),
    }
)
STORIES: Final[dict[str, Story]] = {"pages": Story("balancer", ("dns", "balancer"), {"route": 1.0})}
GAUGES: Final[tuple[str, ...]] = (
    "targets",
    "healthy",
    "unreachable",
    "zones_in",
    "capacity_share",
    "fail_open",
    "name_in_full",
    "failover",
    "zone_removals_total",
    "removed_total",
    "no_capacity_total",
    "waiting_checks",
    "check_lateness_s",
    "checks_total",
    "failed_checks_total",
    "late_checks_total",
    "skipped_checks_total",
    "flaps_total",
    "held_total",
    "checker_busy_s_total",
    "waiting_queue",
    "in_service",
    "slots",
    "oldest_wait_s",
    "served_total",
    "refused_total",
    "dropped_total",
    "cancelled_total",
    "busy_s_total",
    "queue_delay_s",
)
