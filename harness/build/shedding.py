"""An app's door by criticality, from its `priority` knob."""

from __future__ import annotations

from harness.policies import catalogue
from harness.policies.entry import make
from harness.policies.priority import PartitionedSpec
from harness.spec.policy import Policy


def partitions(app: str, policy: Policy | None) -> PartitionedSpec | None:
    """The partitions, None for none. Raises ValueError for a priority that orders a line, which an app has not."""
    if policy is None:
        return None
    kind, params = policy.filled()
    spec = make(catalogue.find("server", "priority", kind), params)
    if not isinstance(spec, PartitionedSpec):
        raise ValueError(  # noqa: TRY004 - bad input
            f"{app}.priority: {kind} orders a line, and an app has none; use {{kind: partitioned, limit: ...}}, or "
            f"give {kind} to the store"
        )
    return spec
