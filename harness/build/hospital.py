"""`hospital`: from its knobs to its brain."""

from __future__ import annotations

from harness.build import shedding
from harness.build.owing import app_spec, owing_spec
from harness.models.apps.hospital import Hospital, HospitalSpec
from harness.models.component import Given
from harness.models.outbox import OutboxSpec
from harness.policies.pacing import PaceSpec
from harness.spec.components import hospital

PATIENTS = 400  # with a copy at hand when the experiment has no load for this app


def brain(knobs: hospital.Hospital, given: Given) -> Hospital:
    """The app. Raises ValueError for what cannot work together."""
    spec = HospitalSpec(
        app=app_spec("hospital", knobs),
        owing=owing_spec(knobs),
        paper=None if knobs.paper is None else _paper(knobs.paper),
        in_order=knobs.paper is None or knobs.paper.in_order,
        local_replica=knobs.local_replica,
        patience_s=knobs.replica_after_s,
        priority=shedding.partitions("hospital", knobs.priority),
        patients=given.users or PATIENTS,
    )
    return Hospital(spec, given)


def _paper(knobs: hospital.Paper) -> OutboxSpec:
    pace = None if knobs.rate_per_s is None else PaceSpec(1.0 / knobs.rate_per_s, 1)
    return OutboxSpec(knobs.clerks, pace, knobs.retry_wait_s, knobs.room)
