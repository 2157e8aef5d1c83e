"""Knobs, verbs and story of `mobile_banking`, the banking app."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from harness.spec import verbs
from harness.spec.knobs import AdmissionSlot, Count, Hosted
from harness.spec.values import MaybeRate, Model, PositiveDuration
from harness.spec.verbs import Story, Verb, with_heal


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
    "mobile_banking": Story("mobile_banking", ("dns", "kv", "mobile_banking"), {"transfer": 0.7, "balance": 0.3})
}
