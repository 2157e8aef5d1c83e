"""`status`: from its knobs to its brain."""

from __future__ import annotations

from harness.models.component import Given
from harness.models.status import Status, StatusSpec
from harness.models.status_rule import RuleSpec
from harness.spec.components import status


def brain(knobs: status.Status, given: Given) -> Status:
    """The health page. Raises ValueError for a component that it has no probe for."""
    spec = StatusSpec(
        watches=knobs.depends_on,
        probe_every_s=knobs.probe_every_s,
        rule=RuleSpec(knobs.open_after, knobs.window_s, knobs.close_after),
        post_lag_s=knobs.post_lag_s,
        client=knobs.client.policy(),
    )
    return Status(spec, given)
