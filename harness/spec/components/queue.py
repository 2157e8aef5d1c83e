"""Knobs, verbs, stories and gauges of `queue`: messages that wait until somebody takes them."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from harness.spec import verbs
from harness.spec.knobs import Count, Hosted, Service, Working
from harness.spec.values import MaybeDuration, PositiveDuration
from harness.spec.verbs import Story, Verb, action, with_heal


class Queue(Hosted, Working):
    """Messages, and the worker slots of the interface to them (4000 requests a second)."""

    slots: Count = 8
    service: Service = Service.model_validate({"mean": "2ms"})
    visibility_s: PositiveDuration = Field(default=5.0, alias="visibility")
    ttl_s: MaybeDuration = Field(default=None, alias="ttl")  # of a message; none keeps it for ever
    max_receives: Annotated[int, Field(ge=0, le=1000)] = 0  # before it is a dead letter; 0 for never
    capacity: Annotated[int, Field(ge=1, le=10_000_000)] = 1_000_000  # messages
    in_flight_limit: Annotated[int, Field(ge=1, le=10_000_000)] = 120_000
    wait_limit_s: PositiveDuration = Field(default=20.0, alias="wait_limit")  # longest a receive may wait


VERBS: Final[dict[str, Verb]] = with_heal(
    {
        **verbs.HOSTED,
        **verbs.WORKING,
        "purge": action("operators throw away all messages that wait or are in flight"),
        "redrive": action("operators put all dead letters back into the queue"),
    }
)
# The messages are there to be drained: the poller of `functions` takes them, and puts results into `kv`.
STORIES: Final[dict[str, Story]] = {
    "messages": Story(
        "queue", ("dns", "kv", "queue", "functions"), {"send": 0.8, "order": 0.2}, store_calls={"send": 0.0}
    )
}
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
    "waiting_messages",
    "in_flight",
    "oldest_message_s",
    "dead_letters",
    "long_polls",
    "sent_total",
    "received_total",
    "redelivered_total",
    "deleted_total",
    "expired_total",
    "dead_letters_total",
    "redriven_total",
    "purged_total",
    "empty_receives_total",
    "refused_full_total",
    "refused_limit_total",
)
