"""What the builders of owing apps share: outboxes and the app's common part, from their knobs."""

from __future__ import annotations

import math
from typing import Protocol

from harness import build
from harness.models.apps.app import AppSpec
from harness.models.apps.owing import OwingSpec
from harness.models.outbox import OutboxSpec
from harness.policies.pacing import PaceSpec
from harness.spec.client import Client
from harness.spec.outbox import Outbox
from harness.spec.policy import Policy


class Knobs(Protocol):
    """What the knobs of every owing app have."""

    @property
    def depends_on(self) -> tuple[str, ...]: ...
    @property
    def client(self) -> Client: ...
    @property
    def admission(self) -> Policy | None: ...
    @property
    def idempotency_keys(self) -> bool: ...
    @property
    def probe_every_s(self) -> float: ...


def app_spec(name: str, knobs: Knobs) -> AppSpec:
    """The part every app has. Raises ValueError for what cannot work together."""
    return AppSpec(name, knobs.depends_on, knobs.client.policy(), build.admission_spec(knobs.admission))


def owing_spec(knobs: Knobs) -> OwingSpec:
    """The part every owing app has."""
    return OwingSpec(knobs.idempotency_keys, knobs.probe_every_s)


def outbox_spec(knobs: Outbox) -> OutboxSpec:
    """An outbox, from its knobs."""
    pace = None if knobs.pace_per_s is None else PaceSpec(1.0 / knobs.pace_per_s, 1)
    expiry_s = math.inf if knobs.expiry_s is None else knobs.expiry_s
    return OutboxSpec(knobs.senders, pace, knobs.retry_wait_s, knobs.capacity, expiry_s)
