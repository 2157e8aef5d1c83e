"""Putting a server together: defaults, impossible pairs with their reasons, bad parameters with their bounds."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

import pytest

from harness.models.station import Station, StationSpec
from harness.policies.admission import ConcurrencySpec
from harness.policies.catalogue import entries
from harness.policies.discipline import FifoSpec
from harness.policies.entry import REQUIRED, UNITS
from harness.policies.server import ServerSpec, compose

NEEDED: dict[str, dict[str, Any]] = {
    "queue": {"limit": 10},
    "token_bucket": {"rate": 10.0},
    "seda": {"target": 0.1},
    "breakwater": {"target": 0.1},
    "backlog_rate": {"rate": 10.0},
    "partitioned": {"limit": 10},
}


def test_nothing_named_is_a_server_without_rules() -> None:
    assert compose({}) == compose({"admission": None, "drop": None}) == ServerSpec(None, FifoSpec(), None, None)


def test_the_design_files_own_example() -> None:
    assert compose({"admission": ("concurrency", {"limit": 60})}).admission == ConcurrencySpec(60, 0)


def test_every_entry_composes_alone_and_serves() -> None:
    for slot, kind in ((e.slot, e.kind) for e in entries("server")):
        server = compose({slot: (kind, NEEDED.get(kind, {}))})
        station = Station(StationSpec(2, 0.01, server=server), 1, 0.0)
        for attempt in range(50):
            station.offer(attempt, 0.05 * attempt, deadline_s=0.05 * attempt + 1.0, criticality=attempt % 4,
                          tenant=attempt % 3, first_try=attempt % 2 == 0)  # fmt: skip
        assert sum(done.began_s == done.began_s for done in station.advance(10.0)) > 0, (slot, kind)


def test_every_composition_either_works_or_says_why_not() -> None:
    by_slot = {slot: [None, *(e.kind for e in entries("server", slot))]
               for slot in ("admission", "discipline", "drop", "priority")}  # fmt: skip
    refused = 0
    for kinds in product(*by_slot.values()):
        slots = {s: (k, NEEDED.get(k, {})) if k else None for s, k in zip(by_slot, kinds, strict=True)}
        try:
            server = compose(slots)
        except ValueError as error:
            refused += 1
            text = str(error)
            assert "cannot work with" in text
            assert ": " in text
            assert "; " in text  # the reason, and what to do instead
        else:
            assert Station(StationSpec(1, 0.01, server=server), 1, 0.0).next_event_s() == float("inf")
    assert refused > 0


@pytest.mark.parametrize(
    ("slots", "said"),
    [
        ({"discipline": "lifo", "drop": "codel"}, "drop codel cannot work with discipline lifo"),
        ({"discipline": "adaptive_lifo", "drop": "folly_codel"}, "facebook_codel, which watches how long"),
        ({"priority": "criticality", "drop": "codel"}, "one fast line resets its verdict"),
        ({"admission": "breakwater", "drop": "codel"}, "it drops by delay itself"),
        ({"admission": "seda", "priority": "dagor"}, "both steer the same delay"),
        ({"admission": "queue", "discipline": "fair"}, "fair: {per_tenant: n}"),
    ],
)
def test_impossible_pairs_are_refused_with_the_reason(slots: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match="cannot work with") as raised:
        compose({slot: (kind, NEEDED.get(kind, {})) for slot, kind in slots.items()})
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("slot", "kind", "params", "said"),
    [
        ("admission", "token_bucket", {"rate": -5.0}, "rate: -5 is out of bounds; it must be above 0/s"),
        ("admission", "token_bucket", {"rate": 5.0, "burst": 0}, "burst: 0 is out of bounds; it must be at least 1"),
        ("admission", "token_bucket", {}, "rate is missing"),
        ("admission", "queue", {"limit": 0}, "limit: 0 is out of bounds"),
        ("admission", "concurrency", {"limit": 2.5}, "limit: 2.5 is not a whole number"),
        ("admission", "aimd", {"initial": 500}, "set lowest <= initial <= highest"),
        ("admission", "vegas", {"initial": 2000}, "set initial <= highest"),
        ("admission", "gradient2", {"initial": 5}, "set lowest <= initial <= highest"),
        ("admission", "envoy_gradient", {"probe_every": 0.1}, "the limit would never be updated"),
        ("admission", "envoy_gradient", {"lowest": 2000}, "set lowest <= highest"),
        ("admission", "seda", {"target": 0.1, "initial": 1.0}, "set lowest <= initial <= highest"),
        ("admission", "breakwater", {"target": 0.1, "initial": 100}, "lower initial or raise clients"),
        ("admission", "backlog_rate", {"rate": 5.0, "low": 100}, "set low < high"),
        ("admission", "ramp", {"step": 0.0}, "step: 0 is out of bounds; it must be above 0 to 1"),
        ("admission", "quue", {}, "unknown admission policy 'quue'"),
        ("admission", "quue", {}, "did you mean 'queue'?"),
        ("drop", "codel", {"target": 0.2}, "target 0.2 s is not below interval 0.1 s"),
        ("drop", "folly_codel", {"target": 0.2}, "target 0.2 s is not below interval 0.1 s"),
        ("drop", "facebook_codel", {"target": 0.2}, "target 0.2 s is not below interval 0.1 s"),
        ("drop", "deadline", {"known": False}, "which is the kind 'expired'"),
        ("drop", "codel", {"targt": 0.2}, "did you mean 'target'?"),
        ("priority", "partitioned", {"limit": 10, "sheddable": 0.9}, "more critical work would be turned away first"),
        ("priority", "partitioned", {"limit": 1, "critical_plus": 0.5, "critical": 0.5, "sheddable_plus": 0.5},
         "no job could ever enter"),
        ("priority", "dagor", {"decrease": 0.0}, "decrease: 0 is out of bounds"),
        ("discipline", "fair", {"per_tenant": -1}, "per_tenant: -1 is out of bounds"),
        ("disciplin", "fifo", {}, "did you mean 'discipline'?"),
    ],
)  # fmt: skip
def test_bad_parameters_are_refused_when_composed(slot: str, kind: str, params: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        compose({slot: (kind, params)})


def test_every_entry_states_its_facts() -> None:
    for entry in entries("server"):
        assert entry.rule
        assert "\n" not in entry.rule
        assert entry.source
        for param in entry.params:
            assert param.unit in UNITS
            assert param.help
            assert param.default is REQUIRED or param.complaint(param.default) is None, (entry.kind, param.name)
