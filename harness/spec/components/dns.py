"""Knobs and verbs of `dns`: planner, enactors, clean-up and the zone they write."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from harness.spec.values import Duration, Model, PositiveDuration
from harness.spec.verbs import Argument, Verb, action, fault, with_heal

RaceFix = Literal[
    "none",
    "recheck",
    "compare_and_set",
    "lease_no_fencing",
    "lease_fencing",
    "reachability",
    "refuse_empty",
    "self_heal",
    "velocity_limit",
]


class Dns(Model):
    """Planner, enactors, clean-up and the zone they write."""

    enactors: Annotated[int, Field(ge=1, le=26)] = 3
    plan_every_s: PositiveDuration = Field(default=0.5, alias="plan_every")
    keep_generations: Annotated[int, Field(ge=1, le=1000)] = 3
    clean_after_s: Duration = Field(default=0.3, alias="clean_after")  # from the end of an apply to its clean-up
    apply_gap_s: Duration = Field(default=0.005, alias="apply_gap")  # between two endpoints of one apply
    race_fix: RaceFix = "none"
    ttl_s: Duration = Field(default=1.0, alias="ttl")
    negative_ttl_s: Duration = Field(default=1.0, alias="negative_ttl")
    answer_kind: Literal["nodata", "nxdomain", "servfail"] = "nodata"
    negative_ns: bool = False  # an NS record beside the empty answer


VERBS: Final[dict[str, Verb]] = with_heal(
    {
        "stall_enactor": fault(
            "one enactor sleeps in the gap between its freshness check and its first write",
            Argument("enactor", "word", "which enactor", required=True),
        ),
        "empty_record": fault("the zone answers as if the record were empty"),
        "restore": action("operators write the newest plan by hand and set the automation going again"),
    }
)
GAUGES: Final[tuple[str, ...]] = (
    "queries_total",
    "answers_total",
    "empty_answers_total",
    "active_gen",
    "newest_gen",
    "plans",
    "enactors_failing",
)
