"""Knobs, verbs and story of `mobile_banking`, the banking app."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from harness.spec import verbs
from harness.spec.knobs import AdmissionSlot, Count, Hosted
from harness.spec.values import MaybeRate, Model, PositiveDuration
from harness.spec.verbs import Story, Verb, Wish, with_heal


class Sessions(Model):
    """Sessions the app caches: each lives `ttl_s`, then is rebuilt from the store; `prewarmed` starts with all."""

    ttl_s: PositiveDuration = Field(default=8.0, alias="ttl")
    prewarmed: bool = True


class Outbox(Model):
    """Work accepted but not done, replayed by `senders` at once and at most `pace_per_s` (None: as fast as it goes)."""

    senders: Count = 35
    pace_per_s: MaybeRate = Field(default=None, alias="pace")
    retry_wait_s: PositiveDuration = Field(default=20.0, alias="retry_wait")
    capacity: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000


class MobileBanking(Hosted):
    """The banking app."""

    depends_on: tuple[str, ...] = Field(default=("kv",), strict=False)
    sessions: Sessions = Sessions()
    outbox: Outbox = Outbox()
    idempotency_keys: bool = True
    admission: AdmissionSlot = None


VERBS: Final[dict[str, Verb]] = with_heal(dict(verbs.HOSTED))
STORIES: Final = {
    "mobile_banking": Story(
        "mobile_banking",
        ("dns", "kv", "mobile_banking"),
        {"transfer": 0.7, "balance": 0.3},
        {
            "transfer": Wish(0, 0.40, "kept in an outbox and sent when the store answers again", effect="transfers"),
            "balance": Wish(1, 0.05, "none: the customer looks again later"),
        },
        sector="banking",
    )
}
GAUGES: Final[tuple[str, ...]] = (
    "waiting_outbox",
    "waiting_orbit",
    "in_flight",
    "outbox_sending",
    "outbox_open",
    "outbox_added_total",
    "outbox_sent_total",
    "outbox_settled_total",
    "outbox_failed_total",
    "outbox_dropped_total",
    "kv_in_flight",
    "kv_attempts_total",
    "kv_calls_total",
    "throttled_client_total",
    "retries_refused_total",
    "refused_total",
    "sessions",
    "sessions_rebuilt_total",
)
