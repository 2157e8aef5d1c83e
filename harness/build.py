"""From the knobs of an experiment to the brains of a region, once, for every engine.

The live service and its simulated twin must not each decide what `outbox: {pace: 20/s}` means. So the step from
validated knobs (`harness.spec`) to the specs that models take stands here, and both call it.
"""

from __future__ import annotations

from harness.models.apps.mobile_banking import BankingSpec
from harness.models.outbox import OutboxSpec
from harness.models.station import StationSpec
from harness.policies import catalogue
from harness.policies.entry import make
from harness.policies.pacing import PaceSpec
from harness.policies.resolver import ResolverSpec
from harness.spec.experiment import Conventions
from harness.spec.policy import Policy
from harness.spec.region import Kv, MobileBanking


def station_spec(knobs: Kv, conventions: Conventions) -> StationSpec:
    """The station of a table store. Raises ValueError for what cannot work together."""
    return StationSpec(
        knobs.slots,
        knobs.service.mean_s,
        knobs.service.distribution,
        knobs.server(),
        conventions.service_draw,
        conventions.cancellation,
    )


def banking_spec(knobs: MobileBanking, users: int) -> BankingSpec:
    """The banking app's brain. Raises ValueError for what cannot work together."""
    box = knobs.outbox
    pace = None if box.pace_per_s is None else PaceSpec(1.0 / box.pace_per_s, 1)
    admission = None
    if knobs.admission is not None:
        kind, params = knobs.admission.filled()
        admission = make(catalogue.find("server", "admission", kind), params)
    return BankingSpec(
        users=users,
        session_ttl_s=knobs.sessions.ttl_s,
        prewarmed=knobs.sessions.prewarmed,
        outbox=OutboxSpec(box.senders, pace, box.retry_wait_s, box.capacity),
        idempotency_keys=knobs.idempotency_keys,
        client=knobs.client.policy(),
        admission=admission,
    )


def resolver_spec(policy: Policy | None) -> ResolverSpec:
    """The resolver policy as the DNS cache takes it; none asks anew for every connection."""
    if policy is None:
        return ResolverSpec(positive_s=0.0, negative_s=0.0)
    kind, params = policy.filled()
    spec: ResolverSpec = make(catalogue.find("client", "resolver", kind), params)
    return spec
