"""The catalogue and the composed client: everything is listed, built, and refused with the reason."""

from __future__ import annotations

import math
import pkgutil
from importlib import import_module
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness.policies
from harness.policies import catalogue
from harness.policies.client import compose
from harness.policies.entry import REQUIRED, UNITS, Entry, make, resolve

EVERY = [pytest.param(entry, id=f"{entry.side}-{entry.slot}-{entry.kind}") for entry in catalogue.entries()]
CLIENT = [param for param in EVERY if param.values[0].side == "client"]


def test_every_policy_of_every_module_is_in_the_catalogue() -> None:
    modules = [
        import_module(f"harness.policies.{info.name}")
        for info in pkgutil.iter_modules(harness.policies.__path__)
        if info.name != "server"  # it indexes the same entries
    ]
    declared = {(e.side, e.slot, e.kind) for module in modules for e in getattr(module, "ENTRIES", ())}
    assert declared == {(e.side, e.slot, e.kind) for e in catalogue.entries()}


def test_kinds_are_unique_in_their_slot() -> None:
    names = [(e.side, e.slot, e.kind) for e in catalogue.entries()]
    assert len(names) == len(set(names))


def test_every_slot_has_a_default_kind_that_exists() -> None:
    for side, slots in catalogue.SLOTS.items():
        for slot in slots:
            assert catalogue.find(side, slot, catalogue.DEFAULT_KIND[slot]).kind == catalogue.DEFAULT_KIND[slot]


@pytest.mark.parametrize("entry", EVERY)
def test_an_entry_tells_all_there_is_to_know(entry: Entry) -> None:
    assert entry.slot in catalogue.SLOTS[entry.side]
    assert entry.rule
    assert "\n" not in entry.rule
    assert entry.source
    for param in entry.params:
        assert param.unit in UNITS
        assert param.help
        assert not param.name.endswith(("_s", "_ms")), "names in the file carry no unit"
        if param.default is not REQUIRED:
            assert param.complaint(param.default) is None


@pytest.mark.parametrize("entry", CLIENT)
def test_a_client_policy_is_built_from_its_parameters_alone(entry: Entry) -> None:
    values = {p.name: p.default if p.default is not REQUIRED else 2.0 for p in entry.params}
    spec = make(entry, values)
    assert isinstance(spec, tuple)
    assert spec == make(entry, values)
    assert hash(spec) == hash(make(entry, values))


@pytest.mark.parametrize("entry", CLIENT)
def test_bad_parameters_are_refused_by_name(entry: Entry) -> None:
    good = {p.name: p.default if p.default is not REQUIRED else 2.0 for p in entry.params}
    for param in entry.params:
        bad: list[Any] = ["many", None, math.nan] if param.unit not in ("flag", "choice") else ["perhaps"]
        if param.low > -math.inf and param.unit not in ("flag", "choice"):
            bad.append(param.low if param.low_open else param.low - 1)
        for value in bad:
            with pytest.raises(ValueError, match=rf"^{entry.slot} {entry.kind}: {param.name}: "):
                resolve(entry, {**good, param.name: value})
    with pytest.raises(ValueError, match="unknown parameter 'colour'"):
        resolve(entry, {**good, "colour": 1})


REFUSED = [
    ({"limiter": ("pace", {"rate": -5.0})}, "limiter pace: rate: -5 is out of bounds; it must be above 0/s"),
    ({"limiter": ("pace", {"rate": 5.0, "burst": 0})}, "burst: 0 is out of bounds; it must be at least 1"),
    ({"attempts": 3, "retry_budget": ("token_bucket", {"burst": 0.0})}, "burst: 0 is out of bounds"),
    ({"attempts": 1, "retry_budget": ("token_bucket", {})}, "attempts is 1, so there are no retries to budget"),
    ({"breaker": ("hystrix", {"window": 0.5, "bucket": 1.0})}, "window of 0.5 s is shorter than its bucket of 1 s"),
    ({"breaker": ("hystrix", {"window": 10.0, "bucket": 3.0})}, "not a whole number of buckets"),
    ({"breaker": ("hystrix", {"window": 100.0, "bucket": 0.1})}, "1000 buckets of 0.1 s"),
    ({"breaker": ("resilience4j", {"window": 20})}, "min_calls 100 is over the window of 20 calls"),
    ({"backoff": ("exponential", {"base": 3.0, "cap": 2.0})}, "first wait of 3 s is over the cap of 2 s"),
    ({"backoff": ("finagle_equal", {"start": 400.0})}, "start of 400 s is over the cap of 300 s"),
    ({"attempts": 3, "retry_budget": ("botocore", {"capacity": 10})}, "cost 14 is over the capacity of 10"),
    ({"attempts": 3, "retry_budget": ("token_buckt", {})}, "did you mean 'token_bucket'?"),
    ({"backoff": ("exponential", {"bse": 1.0})}, "unknown parameter 'bse'; .*did you mean 'base'?"),
    ({"backof": None}, "unknown client setting 'backof'; .*did you mean 'backoff'?"),
    ({"attempts": 0}, "attempts: 0 leaves nothing to send"),
    ({"timeout_s": 0.0}, "timeout: 0 s leaves no time"),
    ({"deadline_s": -1.0}, "deadline: -1 s leaves no time"),
    ({"attempts": 2, "hedge": ("delayed", {"delay": 0.1, "copies": 2})}, "are 3 attempts, but attempts is 2"),
    ({"attempts": 2, "timeout_s": 0.1, "hedge": ("delayed", {"delay": 0.1})}, "no copy could ever leave"),
    (
        {"attempts": 2, "hedge": ("delayed", {"delay": 0.1}), "limiter": ("pace", {"rate": 1.0})},
        "a limiter cannot count a copy",
    ),
]


@pytest.mark.parametrize(("mapping", "reason"), REFUSED, ids=[reason[:40] for _, reason in REFUSED])
def test_what_cannot_work_is_refused_with_the_reason(mapping: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        compose(mapping)


def test_an_unknown_slot_is_named_with_its_neighbours() -> None:
    with pytest.raises(catalogue.UnknownPolicy, match=r"no client slot 'braker'; .*did you mean 'breaker'\?"):
        catalogue.find("client", "braker", "hystrix")


@given(data=st.data())
def test_any_possible_combination_is_composed(data: st.DataObject) -> None:
    mapping: dict[str, Any] = {"deadline_s": 1.5, "timeout_s": 0.5, "attempts": 3}
    for slot in ("backoff", "retry_budget", "breaker", "limiter", "hints"):
        kind = data.draw(st.sampled_from([None, *(e.kind for e in catalogue.entries("client", slot))]))
        needed = {"fixed": {"delay": 0.1}, "pace": {"rate": 20.0}}.get(kind or "", {})
        mapping[slot] = None if kind is None else (kind, needed)
    spec = compose(mapping)
    assert (spec.deadline_s, spec.timeout_s, spec.attempts) == (1.5, 0.5, 3)
    assert (spec.budget is None) is (mapping["retry_budget"] is None)
    assert hash(spec) == hash(compose(mapping))
