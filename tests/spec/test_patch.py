"""Merging: mappings deeply, lists whole, null deletes, another kind replaces."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.spec.patch import filled, merge, normal, patched

KEYS = st.sampled_from(["a", "b", "c"])
SCALARS = st.sampled_from([0, 1, "x", "", [1], [1, 2], True])
LEAVES = st.dictionaries(KEYS, SCALARS, max_size=3)
BRANCHES = st.dictionaries(KEYS, st.one_of(SCALARS, LEAVES), max_size=3)
TREES = st.dictionaries(KEYS, st.one_of(SCALARS, BRANCHES), max_size=3)


def test_mappings_merge_and_lists_are_replaced() -> None:
    assert merge({"a": {"x": 1, "y": [1, 2]}, "b": 2}, {"a": {"y": [3]}}) == {"a": {"x": 1, "y": [3]}, "b": 2}


def test_null_deletes() -> None:
    assert merge({"a": {"x": 1, "y": 2}}, {"a": {"x": None}, "b": None}) == {"a": {"y": 2}}


def test_another_kind_of_policy_replaces_all_parameters() -> None:
    base = {"backoff": {"kind": "exponential", "base": "50ms"}}
    assert merge(base, {"backoff": {"kind": "fixed", "delay": "1s"}}) == {"backoff": {"kind": "fixed", "delay": "1s"}}
    assert merge(base, {"backoff": {"cap": "1s"}})["backoff"] == {"kind": "exponential", "base": "50ms", "cap": "1s"}


@settings(deadline=None)
@given(TREES)
def test_an_empty_patch_changes_nothing(tree: dict[str, Any]) -> None:
    assert merge(tree, {}) == tree


@settings(deadline=None)
@given(TREES)
def test_patching_a_thing_with_itself_changes_nothing(tree: dict[str, Any]) -> None:
    assert merge(tree, tree) == tree


@settings(deadline=None)
@given(TREES, TREES)
def test_a_patch_applied_twice_is_a_patch_applied_once(tree: dict[str, Any], patch: dict[str, Any]) -> None:
    once = merge(tree, patch)
    assert merge(once, patch) == once


@settings(deadline=None)
@given(TREES, TREES)
def test_nothing_given_is_changed(tree: dict[str, Any], patch: dict[str, Any]) -> None:
    before = repr((tree, patch))
    merge(tree, patch)
    assert repr((tree, patch)) == before


def test_a_component_set_to_null_stays_absent_instead_of_coming_back() -> None:
    assert patched({"region": "small"}, {"region": {"kv": None}})["region"] == {"preset": "small", "kv": None}
    inside = patched({"region": {"kv": {"slots": 3}}}, {"region": {"kv": {"slots": None}}})
    assert inside["region"] == {"kv": {}}


def test_a_preset_by_name_meets_patches_as_a_mapping() -> None:
    assert normal({"region": "small"}) == {"region": {"preset": "small"}}


def test_every_caller_gets_the_whole_client_with_its_own_part_over_it() -> None:
    raw = {
        "client": {"timeout": "500ms", "retry_budget": {"ratio": 0.1}},
        "region": {"mobile_banking": {"client": {"timeout": "1s"}}},
        "load": {"mobile_banking": {"client": {"retry_budget": None}}},
    }
    result = filled(raw)
    assert result["region"]["mobile_banking"]["client"] == {"timeout": "1s", "retry_budget": {"ratio": 0.1}}
    assert result["load"]["mobile_banking"]["client"] == {"timeout": "500ms"}


def test_an_apps_resolver_is_its_clients_and_the_other_way_round() -> None:
    own = filled({"region": {"mobile_banking": {"resolver": "c_ares"}}})["region"]["mobile_banking"]
    assert (own["resolver"], own["client"]["resolver"]) == ("c_ares", "c_ares")
    everyones = filled({"client": {"resolver": "forever"}})["region"]["mobile_banking"]
    assert (everyones["resolver"], everyones["client"]["resolver"]) == ("forever", "forever")
