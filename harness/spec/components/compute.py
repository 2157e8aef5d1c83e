"""Knobs, verbs, stories and gauges of `compute`: launches, and the manager of the leases on its droplets."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from harness.policies import deeds
from harness.spec import verbs
from harness.spec.knobs import Count, Hosted
from harness.spec.values import NONE, MaybeRate, Model, Period, PositiveDuration
from harness.spec.verbs import Story, Verb, action, needs, with_heal


def _read_cap(value: object) -> int | None:
    return None if value is None or value == NONE else int(deeds.CAP.read(value))


MaybeCap = Annotated[
    int | None,
    BeforeValidator(_read_cap),
    PlainSerializer(lambda value: NONE if value is None else value, return_type=int | str),
    WithJsonSchema({"anyOf": [{"const": NONE}, {"type": "null"}, {"type": "integer", "minimum": 1}]}),
]


class Leases(Model):
    """The lease manager. Its line is safe with at most attempts_per_tick x timeout_ticks in it."""

    attempts_per_tick: Annotated[int, Field(ge=1, le=10_000)] = 4
    tick_s: Period = Field(default=0.5, alias="tick")
    timeout_ticks: Annotated[int, Field(ge=1, le=10_000)] = 3  # an attempt that waited so long is wasted
    lease_s: PositiveDuration = Field(default=9.0, alias="lease")
    check_every_s: Period = Field(default=6.0, alias="check_every")  # of each droplet
    line_cap: MaybeCap = None
    drop_expired: bool = False
    held_at_start: bool = True  # else every droplet stands in line at zero

    @model_validator(mode="after")
    def _outlives_its_check(self) -> Leases:
        if not self.lease_s > self.check_every_s + self.tick_s:
            raise ValueError(
                f"a lease of {self.lease_s:g} s is over before its droplet is checked again ({self.check_every_s:g} s, "
                f"by ticks of {self.tick_s:g} s); make lease longer or check_every shorter"
            )
        return self


class Api(Model):
    """The throttle of what changes something: EC2's buckets, in small. `rate: none` is no throttle."""

    rate_per_s: MaybeRate = Field(default=20.0, alias="rate")
    burst: Count = 50


class Compute(Hosted):
    """Droplets (each carries one instance), the manager of their leases, and the interface for launches."""

    depends_on: tuple[str, ...] = Field(default=("kv", "network"), strict=False)
    droplets: Annotated[int, Field(ge=1, le=20_000)] = 120
    leases: Leases = Leases()
    api: Api = Api()


VERBS: Final[dict[str, Verb]] = with_heal(
    {
        **verbs.HOSTED,
        # Here the intake that drowns is that of the lease manager, not that of the interface.
        "throttle_intake": action(
            "operators let at most so many into the line for leases (default: what can be served in time)",
            needs(deeds.CAP, "how many may stand in line"),
        ),
        "open_intake": action("operators take away the cap of the line for leases"),
        "restart_managers": action("the lease managers are restarted: their line is thrown away"),
        "throttle_api": action(
            "operators let in at most a rate of launches and terminations",
            needs(deeds.RATE, "how many a second", required=True),
        ),
        "open_api": action("the interface has its own throttle again"),
    }
)
STORIES: Final[dict[str, Story]] = {
    "launches": Story("compute", ("dns", "kv", "compute"), {"launch": 0.8, "terminate": 0.2})
}
GAUGES: Final[tuple[str, ...]] = (
    "leased",
    "waiting_leases",
    "lease_line",
    "oldest_lease_wait_s",
    "lease_worker_busy",
    "lease_cap",
    "store_gone",
    "lease_attempts_total",
    "wasted_attempts_total",
    "failed_attempts_total",
    "expired_dropped_total",
    "state_checks_total",
    "state_checks_failed_total",
    "leases_lost_total",
    "lease_conflicts_total",
    "waiting_network_changes",
    "instances",
    "droplets_free",
    "droplets_launchable",
    "launching",
    "launches_total",
    "terminations_total",
    "instances_ended_total",
    "insufficient_capacity_total",
    "request_limit_exceeded_total",
    "network_refused_total",
    "dependency_failed_total",
)
