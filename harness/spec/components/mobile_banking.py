"""Knobs, verbs and story of `mobile_banking`, the banking app."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, SerializerFunctionWrapHandler, WrapSerializer, model_validator

from harness.spec import verbs
from harness.spec.knobs import AdmissionSlot, Count, Hosted
from harness.spec.values import NONE, Duration, MaybeRate, Model, Period, PositiveDuration, Share
from harness.spec.verbs import Story, Verb, Wish, with_heal


class Sessions(Model):
    """Sessions the app caches: each lives `ttl_s`, then is rebuilt from the store; `prewarmed` starts with all."""

    ttl_s: PositiveDuration = Field(default=8.0, alias="ttl")
    prewarmed: bool = True


class Outbox(Model):
    """Work accepted but not done, replayed by `senders` at once and at most `pace_per_s` (None: as fast as it goes)."""

    senders: Count = 35
    pace_per_s: MaybeRate = Field(default=None, alias="pace")
    retry_wait_s: Period = Field(default=20.0, alias="retry_wait")
    capacity: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000


Streak = Annotated[int, Field(ge=1, le=1000)]


class Failover(Model):
    """Between `kv` and `provider` (`harness.flows.failover`): a store is left after `fail_after` failures in a row,
    asked again by one probe in each `probe_every`, and returned to after `back_after` successes in a row. In
    `active_active` `first_share` of the users are at home at `kv`."""

    mode: Literal["none", "active_passive", "active_active"] = "active_passive"
    fail_after: Streak = 3
    back_after: Streak = 3
    probe_every_s: Period = Field(default=0.5, alias="probe_every")
    first_share: Share = 0.5


class Offline(Model):
    """Without a store: transfers of at most `risk_limit` pence are taken on trust when the store has not confirmed them
    `after` this time, and a balance may be shown that is at most `stale_balance` old (0s: never). While the store is
    known to be away, one request in each `probe_every` asks it."""

    captures: bool = True
    risk_limit: Annotated[int, Field(ge=0, le=1_000_000_000)] = 10_000
    after_s: PositiveDuration = Field(default=0.25, alias="after")
    probe_every_s: Period = Field(default=0.25, alias="probe_every")
    stale_balance_s: Duration = Field(default=0.0, alias="stale_balance")


def _maybe(value: object) -> object:
    return None if value == NONE else value


def _shown(value: Any, show: SerializerFunctionWrapHandler) -> Any:
    return NONE if value is None else show(value)


class MobileBanking(Hosted):
    """The banking app."""

    depends_on: tuple[str, ...] = Field(default=("kv",), strict=False)
    sessions: Sessions = Sessions()
    outbox: Outbox = Outbox()
    idempotency_keys: bool = True
    admission: AdmissionSlot = None
    failover: Annotated[
        Failover | None,
        BeforeValidator(_maybe, json_schema_input_type=Failover | Literal["none"] | None),
        WrapSerializer(_shown),
    ] = None
    offline: Annotated[
        Offline | None,
        BeforeValidator(_maybe, json_schema_input_type=Offline | Literal["none"] | None),
        WrapSerializer(_shown),
    ] = None

    @model_validator(mode="after")
    def _two_stores(self) -> MobileBanking:
        if self.failover is not None and self.failover.mode != "none":
            missing = [store for store in ("kv", "provider") if store not in self.depends_on]
            if missing:
                raise ValueError(
                    f"failover is between kv and provider, and depends_on has no {' and no '.join(missing)}; write "
                    "depends_on: [kv, provider], or failover: none"
                )
        return self


VERBS: Final[dict[str, Verb]] = with_heal({**verbs.HOSTED, **verbs.CACHING})
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
# Those of every run. With `failover` or `offline` the app reports more, see `MORE_GAUGES`.
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
# By the knob with which they are reported.
MORE_GAUGES: Final[dict[str, tuple[str, ...]]] = {
    "failover": (
        "failed_over_total",
        "failed_back_total",
        "provider_attempts_total",
        "provider_calls_total",
        "home_stale_reads_total",
        "home_divergent_writes_total",
        "home_divergent_items",
    ),
    "offline": ("captured_total", "stale_served_total", "degraded_total"),
}


def with_more(knobs: MobileBanking) -> tuple[str, ...]:
    """Those of `MORE_GAUGES` that the app reports with these knobs."""
    failover = knobs.failover is not None and knobs.failover.mode != "none"
    on = {"failover": failover, "offline": knobs.offline is not None}
    return tuple(gauge for knob, gauges in MORE_GAUGES.items() if on[knob] for gauge in gauges)
