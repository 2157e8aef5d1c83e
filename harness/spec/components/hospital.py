"""Knobs, verbs, story and gauges of `hospital`: records that must be readable, and charts written once and in order."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, model_validator

from harness.spec import verbs
from harness.spec.knobs import AdmissionSlot, Count, Hosted, PrioritySlot, only_a_door
from harness.spec.values import MaybeRate, Model, Period, PositiveDuration
from harness.spec.verbs import Story, Verb, Wish, with_heal


class Paper(Model):
    """Charting without the store: `clerks` enter what is on paper, `rate` entries a second in all, as people do.
    `in_order` keeps each patient's entries in the order in which they were taken: then clerks must be faster than
    charts come, because what a patient gets meanwhile goes on the same paper."""

    clerks: Count = 4
    rate_per_s: MaybeRate = Field(default=40.0, alias="rate")
    retry_wait_s: Period = Field(default=2.0, alias="retry_wait")
    room: Annotated[int, Field(ge=1, le=10_000_000)] = 10_000
    in_order: bool = True


class Hospital(Hosted):
    """Patient records, charts, pages and schedules. `replica_after` is how long the store is given before the copy at
    hand is read. `priority` may only be `partitioned`: it is a door. `paper: null` switches charting on paper off."""

    depends_on: tuple[str, ...] = Field(default=("kv",), strict=False)
    admission: AdmissionSlot = None
    priority: PrioritySlot = None
    idempotency_keys: bool = True
    probe_every_s: Period = Field(default=1.0, alias="probe_every")
    local_replica: bool = True
    replica_after_s: PositiveDuration = Field(default=0.25, alias="replica_after")
    paper: Paper | None = Paper()

    @model_validator(mode="after")
    def _door(self) -> Hospital:
        only_a_door(self.priority)
        return self


VERBS: Final[dict[str, Verb]] = with_heal(dict(verbs.HOSTED))
# Values are stand-ins: what a minute of a nurse costs, and a delayed decision.
STORIES: Final[dict[str, Story]] = {
    "hospital": Story(
        "hospital",
        ("dns", "kv", "hospital"),
        {"read": 0.45, "chart": 0.2, "page": 0.2, "schedule": 0.15},
        {
            "read": Wish(0, 50.0, "the copy on the ward is read, with its age"),
            "chart": Wish(1, 20.0, "on paper, and entered later at the rate of clerks", "charts"),
            "page": Wish(2, 2.0, "none: people walk"),
            "schedule": Wish(2, 0.5, "none: looked up again later"),
        },
        sector="health",
    )
}
GAUGES: Final[tuple[str, ...]] = (
    "waiting_orbit", "in_flight", "refused_total", "throttled_client_total", "retries_refused_total", "kv_in_flight",
    "kv_attempts_total", "kv_calls_total", "degraded_total", "waiting_paper", "paper_sending", "paper_added_total",
    "paper_sent_total", "paper_failed_total", "paper_expired_total", "paper_dropped_total", "paper_total",
    "replica_served_total", "crowded_out_total",
)  # fmt: skip
