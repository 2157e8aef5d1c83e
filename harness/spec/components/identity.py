"""Knobs, verbs, stories and gauges of `identity`: tokens, issued and checked."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from harness.spec import verbs
from harness.spec.knobs import Count, Hosted, Working
from harness.spec.values import Duration, PositiveDuration, Share
from harness.spec.verbs import Story, Verb, with_heal


class Identity(Hosted, Working):
    """Tokens, issued and checked. Tokens live between (1 - `spread`) and 1 times `token_life`."""

    depends_on: tuple[str, ...] = Field(default=("kv",), strict=False)
    slots: Count = 4
    token_life_s: PositiveDuration = Field(default=12.0, alias="token_life")
    spread: Annotated[Share, Field(lt=1.0)] = 0.2
    refresh_ahead_s: Duration = Field(default=0.0, alias="refresh_ahead")  # what clients are told


VERBS: Final[dict[str, Verb]] = with_heal({**verbs.HOSTED, **verbs.WORKING})
STORIES: Final[dict[str, Story]] = {
    "tokens": Story("identity", ("dns", "kv", "identity"), {"signed_read": 1.0}, store_calls={"signed_read": 1.3})
}
GAUGES: Final[tuple[str, ...]] = (
    "waiting_queue", "in_service", "slots", "oldest_wait_s", "served_total", "refused_total", "dropped_total",
    "cancelled_total", "busy_s_total", "queue_delay_s", "tokens_issued_total", "checks_total", "checks_failed_total",
    "dependency_failed_total", "kv_calls_total", "kv_attempts_total",
)  # fmt: skip
