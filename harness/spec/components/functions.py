"""Knobs, verbs, stories and gauges of `functions`: code run on demand, synchronously, asynchronously, and from a queue.

One minute of the real service is one second here: asynchronous events are retried after 1 s and 2 s.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BeforeValidator, Field, model_validator

from harness.policies import deeds
from harness.spec import verbs
from harness.spec.knobs import Count, Hosted, Service
from harness.spec.values import NONE, MaybeDuration, MaybeRate, Model, Period, PositiveDuration, Rate, Share
from harness.spec.verbs import Story, Verb, action, fault, needs, with_heal

Retries = Annotated[int, Field(ge=0, le=10)]
Hosts = Annotated[int, Field(ge=0, le=1000)]
Batch = Annotated[int, Field(ge=1, le=10)]


class Async(Model):
    """The internal event queue: failed events again after 1, 2, ... times `retry_wait_s`, throttled ones for longer."""

    retries: Retries = 2
    retry_wait_s: Period = Field(default=1.0, alias="retry_wait")
    throttle_wait_s: Period = Field(default=0.1, alias="throttle_wait")  # the first; doubled each time
    throttle_cap_s: Period = Field(default=5.0, alias="throttle_cap")
    max_age_s: PositiveDuration = Field(default=360.0, alias="max_age")
    capacity: Annotated[int, Field(ge=1, le=10_000_000)] = 1_000_000


class Poller(Model):
    """The event source's poller; it is there when functions depend on `queue`, and holds a lease when on `kv` too."""

    batch: Batch = 5
    wait_s: Period = Field(default=0.2, alias="wait")  # of a receive, for the first message
    patience_s: PositiveDuration = Field(default=2.0, alias="patience")  # with a failing dependency, then it dies
    checkpoint_every_s: Period = Field(default=0.5, alias="checkpoint_every")
    lanes: Count = 2
    most_lanes: Count = 20
    lane_ramp_per_s: Rate = Field(default=5.0, alias="lane_ramp")
    retry_wait_s: Period = Field(default=0.2, alias="retry_wait")  # of a batch that was refused
    hold_s: PositiveDuration = Field(default=2.0, alias="hold")  # a batch that is refused, then let it go back

    @model_validator(mode="after")
    def _no_more_than_most(self) -> Poller:
        if self.lanes > self.most_lanes:
            raise ValueError(
                f"it begins with {self.lanes} lanes and has at most {self.most_lanes}; lower lanes, or raise most_lanes"
            )
        return self


class Fleet(Model):
    """Hosts that follow the demand through `compute`, and `network` where there is one.

    With `behind_balancer` they are targets of `balancer` (which then has as many targets at the start as the fleet has
    hosts), and those it calls unhealthy are replaced once they are older than `grace`.
    """

    initial: Hosts = 4
    minimum: Hosts = 1
    maximum: Hosts = 20
    slots_per_host: Count = 5
    target: Annotated[float, Field(gt=0, le=1)] = 0.7  # busy share of slots aimed at
    scale_every_s: Period = Field(default=1.0, alias="scale_every")
    cooldown_s: PositiveDuration = Field(default=5.0, alias="cooldown")
    step: Count = 4  # most launches in one evaluation
    boot_s: PositiveDuration = Field(default=1.0, alias="boot")
    host_life_s: MaybeDuration = Field(default=None, alias="host_life")  # mean, then it is recycled
    replace_after_s: MaybeDuration = Field(default=None, alias="replace_after")  # unreachable for so long
    behind_balancer: bool = False
    grace_s: MaybeDuration = Field(default=5.0, alias="grace")  # none believes every host to be healthy
    unhealthy_step: Count = 2  # most that are replaced for their health in one evaluation

    @model_validator(mode="after")
    def _in_rising_order(self) -> Fleet:
        if not self.minimum <= self.initial <= self.maximum:
            found = f"minimum {self.minimum}, initial {self.initial}, maximum {self.maximum}"
            raise ValueError(f"fleet has {found}; write them in rising order")
        return self


def _none(value: object) -> object:
    return None if value == NONE else value


MaybeFleet = Annotated[Fleet | None, BeforeValidator(_none)]


class Functions(Hosted):
    """Code run on demand. Concurrency is `hosts` x `slots_per_host`, or what the fleet has."""

    depends_on: tuple[str, ...] = Field(default=("kv", "queue", "compute", "network"), strict=False)
    hosts: Hosts = 4
    slots_per_host: Count = 5
    service: Service = Service.model_validate({"mean": "50ms"})  # of an execution
    cold_start_s: PositiveDuration = Field(default=0.2, alias="cold_start")
    keep_warm_s: MaybeDuration = Field(default=10.0, alias="keep_warm")
    prewarmed: bool = True
    ramp_per_s: MaybeRate = Field(default=None, alias="ramp")  # new environments, beyond the burst
    ramp_burst: Count = 10
    async_share: Share = 1.0  # of the concurrency, for background work
    priority_share: Share = 0.25  # the same while synchronous calls go first
    sync_first: bool = False
    touches_store: bool = False  # each execution reads a key of kv, or writes the results of its messages
    writes_results: bool = False  # those of its messages, also if nothing else touches kv
    async_: Async = Field(default=Async(), alias="async")
    poller: Poller = Poller()
    fleet: MaybeFleet = None

    @model_validator(mode="after")
    def _depends_on_its_balancer(self) -> Functions:
        if self.fleet is not None and self.fleet.behind_balancer and "balancer" not in self.depends_on:
            raise ValueError("fleet.behind_balancer registers hosts at balancer; add balancer to depends_on")
        return self


VERBS: Final[dict[str, Verb]] = with_heal(
    {
        **verbs.HOSTED,
        **verbs.WORKING,
        "kill_poller": fault("the queue's poller dies, and stays dead after the fault too"),
        "restart_poller": action("operators start the queue's poller again"),
        "prioritise_sync": action(
            "operators bound background work, so that synchronous calls go first",
            needs(deeds.SHARE_LEFT, "of the concurrency, for background work; without it, the knob's"),
        ),
        "treat_alike": action("operators let background work have its usual share again"),
    }
)
STORIES: Final[dict[str, Story]] = {
    "invokes": Story("functions", ("dns", "functions"), {"invoke": 0.7, "invoke_async": 0.3})
}
_KINDS: Final = ("sync", "async", "poller")
GAUGES: Final[tuple[str, ...]] = (
    "waiting_queue",
    "in_service",
    "slots",
    "oldest_wait_s",
    "queue_delay_s",
    "served_total",
    "refused_total",
    "dropped_total",
    "cancelled_total",
    "busy_s_total",
    "concurrency_limit",
    "environments_busy",
    "environments_warm",
    "cold_starts_total",
    "background_share",
    *(f"{kind}_running" for kind in _KINDS),
    *(f"{kind}_done_total" for kind in _KINDS),
    *(f"{kind}_failed_total" for kind in _KINDS),
    *(f"throttled_{kind}_total" for kind in _KINDS),
    "throttled_concurrency_total",
    "throttled_ramp_total",
    "throttled_share_total",
    "waiting_async",
    "oldest_event_s",
    "events_accepted_total",
    "events_done_total",
    "events_failed_total",
    "events_expired_total",
    "events_retried_total",
    "events_duplicates_total",
    "message_duplicates_total",
    "poller_alive",
    "poller_lanes",
    "poller_deaths_total",
    "poller_batches_total",
    "poller_messages_total",
    "poller_held_too_long_total",
    "hosts",
    "hosts_usable",
    "hosts_desired",
    "hosts_unready",
    "hosts_launching",
    "hosts_ending",
    "launched_total",
    "terminated_total",
    "replaced_total",
    "retired_total",
    "unhealthy_replaced_total",
    "launch_insufficient_total",
    "launch_request_limit_total",
    "launch_other_total",
)
