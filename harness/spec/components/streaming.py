"""Knobs, verbs, story and gauges of `streaming`: manifests and licences, and prefetching that can wait."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field, model_validator

from harness.spec import verbs
from harness.spec.knobs import AdmissionSlot, Hosted, PrioritySlot, only_a_door
from harness.spec.outbox import Outbox
from harness.spec.values import Duration, Model, Period
from harness.spec.verbs import Story, Verb, Wish, with_heal


class Licences(Model):
    """What a licence is when it cannot be asked for: `open` grants it for `grace` after the store was last heard of,
    and owes the record; `closed` refuses."""

    fail: Literal["open", "closed"] = "open"
    grace_s: Duration = Field(default=30.0, alias="grace")


class Streaming(Hosted):
    """Manifests are `fresh` for a while and served for `stale` longer (0s: never). `player_buffer` is what players
    hold (0s: nothing). `priority` may only be `partitioned`: it is a door. `outbox` is that of licences owed."""

    depends_on: tuple[str, ...] = Field(default=("kv",), strict=False)
    admission: AdmissionSlot = None
    priority: PrioritySlot = None
    idempotency_keys: bool = True
    probe_every_s: Period = Field(default=1.0, alias="probe_every")
    fresh_s: Duration = Field(default=2.0, alias="fresh")
    stale_s: Duration = Field(default=60.0, alias="stale")
    licences: Licences = Licences()
    player_buffer_s: Duration = Field(default=5.0, alias="player_buffer")
    outbox: Outbox = Outbox()

    @model_validator(mode="after")
    def _door(self) -> Streaming:
        only_a_door(self.priority)
        return self


VERBS: Final[dict[str, Verb]] = with_heal({**verbs.HOSTED, **verbs.CACHING})
# Values are stand-ins: an evening spoilt, a title not begun, a slower start.
STORIES: Final[dict[str, Story]] = {
    "streaming": Story(
        "streaming",
        ("dns", "kv", "streaming"),
        {"manifest": 0.45, "licence": 0.15, "prefetch": 0.4},
        {
            "manifest": Wish(0, 0.05, "an old manifest is served, and players play on from their buffer"),
            "licence": Wish(1, 0.20, "granted on trust for a while, and written down later", "licences"),
            "prefetch": Wish(3, 0.001, "none: it starts more slowly"),
        },
        sector="media",
        store_calls={"manifest": 0.6},  # they are kept for a while
    )
}
GAUGES: Final[tuple[str, ...]] = (
    "waiting_orbit", "in_flight", "refused_total", "throttled_client_total", "retries_refused_total", "kv_in_flight",
    "kv_attempts_total", "kv_calls_total", "degraded_total", "waiting_grants", "grants_sending", "grants_added_total",
    "grants_sent_total", "grants_failed_total", "grants_expired_total", "grants_dropped_total", "stale_served_total",
    "grace_total", "crowded_out_total", "masked_total", "rebuffer_s_total",
)  # fmt: skip
