"""Knobs and verbs of `dns`: planner, enactors, clean-up and the zone they write."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from harness.spec.values import Duration, Model, Period, PositiveDuration
from harness.spec.verbs import Argument, Verb, action, fault, with_heal


def _whole(value_s: float) -> float:
    if not value_s.is_integer():
        raise ValueError(f"{value_s:g} s cannot be sent; DNS carries whole seconds, so write 0s, 1s, 2s, ...")
    return value_s


WholeSeconds = Annotated[Duration, AfterValidator(_whole)]
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


class NameFailover(Model):
    """The name of `of` answers with the addresses of `to` after `fail_after` failed health checks in a row, one in each
    `check_every`, and returns after `back_after` good ones (`harness.models.record_failover`)."""

    of: Literal["kv"] = "kv"
    to: Literal["provider"] = "provider"
    check_every_s: Period = Field(default=0.5, alias="check_every")
    timeout_s: PositiveDuration = Field(default=0.5, alias="timeout")
    fail_after: Annotated[int, Field(ge=1, le=1000)] = 3
    back_after: Annotated[int, Field(ge=1, le=1000)] = 3


class Dns(Model):
    """Planner, enactors, clean-up and the zone they write."""

    enactors: Annotated[int, Field(ge=1, le=26)] = 3
    plan_every_s: Period = Field(default=0.5, alias="plan_every")
    keep_generations: Annotated[int, Field(ge=1, le=1000)] = 3
    clean_after_s: Duration = Field(default=0.3, alias="clean_after")  # from the end of an apply to its clean-up
    apply_gap_s: Duration = Field(default=0.005, alias="apply_gap")  # between two endpoints of one apply
    race_fix: RaceFix = "none"
    ttl_s: WholeSeconds = Field(default=1.0, alias="ttl")
    negative_ttl_s: WholeSeconds = Field(default=1.0, alias="negative_ttl")
    answer_kind: Literal["nodata", "nxdomain", "servfail"] = "nodata"
    negative_ns: bool = False  # an NS record beside the empty answer
    failover: NameFailover | None = None


VERBS: Final[dict[str, Verb]] = with_heal(
    {
        "stall_enactor": fault(
            "one enactor sleeps in the gap between its freshness check and its first write",
            Argument("enactor", "word", "which enactor", required=True),
        ),
        "empty_record": fault("the zone answers as if the record were empty"),
        "point": action(
            "operators point the name at a component by hand, or let the health checks decide again",
            Argument("to", "word", "where it points", ("kv", "provider", "checks"), required=True),
        ),
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
