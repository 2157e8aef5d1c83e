"""Knobs, verbs, story and gauges of `smart_home`: devices that hold sessions, and come back as a herd."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from harness.spec import verbs
from harness.spec.knobs import AdmissionSlot, Count, Hosted, Service, Working
from harness.spec.values import Model, Period, PositiveDuration, Rate
from harness.spec.verbs import Story, Verb, Wish, with_heal


class SessionService(Working):
    """What every connection needs: by default two workers of 50 ms, 40 connections a second."""

    slots: Count = 2
    service: Service = Service.model_validate({"mean": "50ms"})


class Reconnect(Model):
    """How devices come back (`harness.policies.reconnect`): at once and every `retry`, somewhere in a `window`, in
    server-assigned slots of 1 / `rate`, or each with a turn (`token`), given out at `rate`."""

    kind: Literal["none", "jitter", "slots", "token"] = "none"
    retry_s: Period = Field(default=0.2, alias="retry")
    window_s: PositiveDuration = Field(default=15.0, alias="window")
    rate_per_s: Rate = Field(default=30.0, alias="rate")


class SmartHome(Hosted):
    """Sessions in memory, and telemetry. `keep` is how many readings a device keeps while it cannot send; with
    `collapse` only the newest. `prewarmed`: devices come into the run with a session."""

    depends_on: tuple[str, ...] = Field(default=("kv",), strict=False)
    admission: AdmissionSlot = None
    idempotency_keys: bool = True
    session_service: SessionService = SessionService()
    reconnect: Reconnect = Reconnect()
    keep: Annotated[int, Field(ge=1, le=100_000)] = 50
    collapse: bool = False
    prewarmed: bool = True


VERBS: Final[dict[str, Verb]] = with_heal({**verbs.HOSTED, **verbs.WORKING})
# The value is a stand-in: one reading more or less of a room.
STORIES: Final[dict[str, Story]] = {
    "smart_home": Story(
        "smart_home",
        ("dns", "kv", "smart_home"),
        {"telemetry": 1.0},
        {"telemetry": Wish(2, 0.01, "kept on the device and sent later; the oldest is thrown away first", "telemetry")},
        sector="home",
    )
}
GAUGES: Final[tuple[str, ...]] = (
    "waiting_orbit", "in_flight", "refused_total", "throttled_client_total", "retries_refused_total", "kv_in_flight",
    "kv_attempts_total", "kv_calls_total", "waiting_queue", "in_service", "slots", "oldest_wait_s", "served_total",
    "dropped_total", "cancelled_total", "busy_s_total", "queue_delay_s", "sessions", "connected_total",
    "unknown_session_total", "turns_total", "readings_total", "readings_dropped_total",
)  # fmt: skip
