"""`smart_home`: from its knobs to its brain."""

from __future__ import annotations

from harness.build import admission_spec, workplace
from harness.models.apps.app import AppSpec
from harness.models.apps.smart_home import HomeSpec, SmartHome
from harness.models.component import Given
from harness.policies.reconnect import ReconnectSpec
from harness.spec.components import smart_home

DEVICES = 400  # when the experiment has no load for this app


def brain(knobs: smart_home.SmartHome, given: Given) -> SmartHome:
    """The app. Raises ValueError for what cannot work together."""
    devices, pacing = given.users or DEVICES, knobs.reconnect
    spec = HomeSpec(
        app=AppSpec("smart_home", knobs.depends_on, knobs.client.policy(), admission_spec(knobs.admission)),
        reconnect=ReconnectSpec(pacing.kind, pacing.retry_s, pacing.window_s, pacing.rate_per_s, devices),
        keep=knobs.keep,
        collapse=knobs.collapse,
        idempotency_keys=knobs.idempotency_keys,
        prewarmed=devices if knobs.prewarmed else 0,
    )
    return SmartHome(spec, workplace(knobs.session_service, given), given)
