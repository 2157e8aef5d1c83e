"""The banking app's brain, from its knobs."""

from __future__ import annotations

from harness import build
from harness.flows.failover import FailoverSpec
from harness.models.apps.banking_offline import OfflineSpec
from harness.models.apps.mobile_banking import BankingSpec
from harness.models.apps.mobile_banking import MobileBanking as Brain
from harness.models.component import Given
from harness.models.outbox import OutboxSpec
from harness.policies.pacing import PaceSpec
from harness.spec.components.mobile_banking import Failover, MobileBanking, Offline

USERS = 400  # to prewarm when the experiment has no load for this app


def spec_of(knobs: MobileBanking, users: int) -> BankingSpec:
    """The app's spec. Raises ValueError for what cannot work together."""
    box = knobs.outbox
    pace = None if box.pace_per_s is None else PaceSpec(1.0 / box.pace_per_s, 1)
    return BankingSpec(
        users=users,
        session_ttl_s=knobs.sessions.ttl_s,
        prewarmed=knobs.sessions.prewarmed,
        outbox=OutboxSpec(box.senders, pace, box.retry_wait_s, box.capacity),
        idempotency_keys=knobs.idempotency_keys,
        client=knobs.client.policy(),
        admission=build.admission_spec(knobs.admission),
        failover=_failover(knobs.failover),
        offline=_offline(knobs.offline),
    )


def brain(knobs: MobileBanking, given: Given) -> Brain:
    """The brain of this run. Raises ValueError for what cannot work together."""
    return Brain(spec_of(knobs, given.users or USERS), given)


def _failover(knobs: Failover | None) -> FailoverSpec | None:
    """Between two stores; None where nothing ever fails over."""
    if knobs is None or knobs.mode == "none":
        return None
    return FailoverSpec(knobs.mode, knobs.fail_after, knobs.back_after, knobs.probe_every_s, knobs.first_share)


def _offline(knobs: Offline | None) -> OfflineSpec | None:
    if knobs is None:
        return None
    return OfflineSpec(knobs.captures, knobs.risk_limit, knobs.after_s, knobs.probe_every_s, knobs.stale_balance_s)
