"""The brain of `compute`, from its knobs."""

from __future__ import annotations

import math

from harness.flows.lease_manager import NO_CAP, LeaseSpec
from harness.models.component import Given
from harness.models.compute import Compute as Brain
from harness.models.compute import ComputeSpec
from harness.policies.pacing import PaceSpec
from harness.spec.components.compute import Compute


def spec_of(knobs: Compute) -> ComputeSpec:
    """Durations of leases and checks become whole ticks, rounded up."""
    lease, rate = knobs.leases, knobs.api.rate_per_s
    leases = LeaseSpec(
        droplets=knobs.droplets,
        attempts_per_tick=lease.attempts_per_tick,
        timeout_ticks=lease.timeout_ticks,
        lease_ticks=_ticks(lease.lease_s, lease.tick_s),
        check_ticks=_ticks(lease.check_every_s, lease.tick_s),
        line_cap=NO_CAP if lease.line_cap is None else lease.line_cap,
        drop_expired=lease.drop_expired,
    )
    api = None if rate is None else PaceSpec(1.0 / rate, knobs.api.burst)
    return ComputeSpec(leases, lease.tick_s, api, knobs.client.policy(), lease.held_at_start)


def brain(knobs: Compute, given: Given) -> Brain:
    """The brain of this run. Raises ValueError for what cannot work together."""
    return Brain(spec_of(knobs), given)


def _ticks(length_s: float, tick_s: float) -> int:
    return math.ceil(round(length_s / tick_s, 9))
