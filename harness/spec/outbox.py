"""Knobs of an outbox: work that an app took and could not finish, sent again when its store is back.

The banking app has its own, without expiry; the apps that throw away what nobody wants any more use this one.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from harness.spec.knobs import Count
from harness.spec.values import MaybeDuration, MaybeRate, Model, Period


class Outbox(Model):
    """Work owed, sent by `senders` at once and at most `pace` (none: as fast as it goes). What is older than `expiry`
    when its turn comes is thrown away (none: nothing is)."""

    senders: Count = 20
    pace_per_s: MaybeRate = Field(default=None, alias="pace")
    retry_wait_s: Period = Field(default=5.0, alias="retry_wait")
    capacity: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000
    expiry_s: MaybeDuration = Field(default=None, alias="expiry")
