"""Knobs, verbs, stories and gauges of `provider`: a second region or provider, for those who fail over."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from harness.spec import verbs
from harness.spec.knobs import Count, Hosted, Working
from harness.spec.values import Duration, Period
from harness.spec.verbs import Story, Verb, with_heal


class Provider(Hosted, Working):
    """A second table store, smaller than the first: by default three workers to its five."""

    depends_on: tuple[str, ...] = Field(default=("kv",), strict=False)
    slots: Count = 3
    replicate_every_s: Period = Field(default=0.5, alias="replicate_every")
    replication_lag_s: Duration = Field(default=0.2, alias="replication_lag")


VERBS: Final[dict[str, Verb]] = with_heal({**verbs.HOSTED, **verbs.WORKING})
# One kind of operation for each way to use two providers; a variant's `mix` says which.
STORIES: Final[dict[str, Story]] = {
    "replicated_reads": Story(
        "kv", ("dns", "kv", "provider"), {"active_passive": 1.0, "active_active": 0.0, "single": 0.0}
    )
}
GAUGES: Final[tuple[str, ...]] = (
    "waiting_queue", "in_service", "slots", "oldest_wait_s", "served_total", "refused_total", "dropped_total",
    "cancelled_total", "busy_s_total", "queue_delay_s", "items", "stale_reads_total", "divergent_writes_total",
    "divergent_items", "replication_lag_s", "replications_total", "replications_failed_total", "kv_attempts_total",
)  # fmt: skip
