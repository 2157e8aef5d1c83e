"""Notes: what is allowed but may not answer the question."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.spec import ExperimentFile
from harness.spec.notes import needed_recovery_s, notes, station, store_demand_per_s

Changed = Callable[..., ExperimentFile]


def told(file: ExperimentFile, variant: str = "plain") -> str:
    return "\n".join(notes(file.variant(variant)))


def test_an_experiment_with_room_has_no_notes(changed: Changed) -> None:
    assert told(changed()) == ""


def test_demand_counts_operations_and_sessions_rebuilt(changed: Changed) -> None:
    """100 users at 0.5/s each, sessions of 8 s: one rebuild per user every 8 + 2 s."""
    experiment = changed().variant("plain")
    assert store_demand_per_s(experiment) == 50.0 + 100 / 10.0
    store = station(experiment)
    assert store is not None
    assert (store.capacity_per_s, store.utilisation) == (160.0, 60.0 / 160.0)


def test_a_region_without_a_store_has_no_station(changed: Changed) -> None:
    experiment = changed().variant("plain")
    bare = experiment.model_copy(update={"region": experiment.region.model_copy(update={"kv": None})})
    assert station(bare) is None
    assert needed_recovery_s(bare) != needed_recovery_s(bare)  # nan: nothing decides


def test_the_time_needed_is_backlog_over_the_gap_to_capacity(changed: Changed) -> None:
    """Waiting: 50/s x 0.8 s x 4 attempts, and 35 transfers/s owed for 2 s; the gap is 160 - 60 calls/s."""
    assert needed_recovery_s(changed().variant("plain")) == pytest.approx((160 + 70) / 100, rel=1e-12)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("rate: 50/s", "rate: 200/s", "overloaded, no recovery can be expected"),
        ("rate: 50/s", "rate: 115/s", "above 75% any policy recovers slowly"),
        (
            "recovery: 20s",
            "recovery: 5s",
            "too short to tell a slow drain from a stuck state; lengthen phases.recovery",
        ),
        (
            "  - {at: outage.end",
            "  - {at: outage.start, do: kv.errors, with: {share: 0.1, for: 3s}}\n  - {at: outage.end",
            "kv.errors is on until 10 s, but the fix is at 9 s",
        ),
        ("rate: 50/s", "rate: 9/s", "judged in windows of 22.2 s (200 operations)"),
        ("drain: 3s", "drain: 500ms", "shorter than mobile_banking's deadline of 800 ms"),
        ("timeout: 200ms", "timeout: 900ms", "ends nothing before the deadline of 800 ms"),
        ("timeout: 200ms", "timeout: 300ms", "4 attempts of 300 ms do not fit its deadline of 800 ms"),
        ("baseline: 6s", "baseline: 5s", "shorter than twice the 3 s"),
        (
            "  kv: {",
            "  mobile_banking: {outbox: {pace: 3/s}}\n  kv: {",
            "may owe 70 transfers at the fix and sends 3/s",
        ),
        (
            "  - {at: outage.end",
            "  - {at: outage.start, do: dns.stall_enactor, with: {enactor: az1, for: 2s}}\n  - {at: outage.end",
            "dns.stall_enactor for 2 s may be too short to empty the record: 2.15 s is sure",
        ),
    ],
)
def test_each_doubt_is_named(changed: Changed, old: str, new: str, said: str) -> None:
    assert said not in told(changed())
    assert said in told(changed(old, new))


def test_a_horizon_just_long_enough_is_not_doubted(changed: Changed) -> None:
    """2.3 s to drain and 3 s to hold: 5.3 s is enough, less is not."""
    assert "too short" not in told(changed("recovery: 20s", "recovery: 5301ms"))
    assert "too short" in told(changed("recovery: 20s", "recovery: 5299ms"))
