"""The network manager's brain, from its knobs."""

from __future__ import annotations

from harness.models.component import Given
from harness.models.network import Network as Brain
from harness.models.network import NetworkSpec
from harness.models.station import StationSpec
from harness.spec.components.network import Network


def brain(knobs: Network, given: Given) -> Brain:
    """The brain of this run. Raises ValueError for what cannot work together."""
    work = knobs.propagation
    workers = StationSpec(work.slots, work.service.mean_s, work.service.distribution, work.server())
    return Brain(NetworkSpec(workers, knobs.backlog_cost, knobs.limit_by_queue), given)
