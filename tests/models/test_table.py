"""The table store: all or nothing, once per token, and a log that tells the truth."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.models.table import TableStore


def put(key: str, value: int, **condition: Any) -> dict[str, Any]:
    return {"table": "t", "key": key, "put": {"n": value}, **({"if": condition} if condition else {})}


def add(key: str, amount: int, **condition: Any) -> dict[str, Any]:
    return {"table": "t", "key": key, "add": {"n": amount}, **({"if": condition} if condition else {})}


def write(store: TableStore, *writes: dict[str, Any], token: str | None = None, now_s: float = 0.0) -> Any:
    params: dict[str, Any] = {"writes": list(writes)}
    if token is not None:
        params["token"] = token
    return store.perform("write", params, 1, now_s)


def value(store: TableStore, key: str) -> Any:
    return store.perform("read", {"table": "t", "key": key}, 0, 0.0).body["item"]


def test_a_write_is_all_or_nothing() -> None:
    store = TableStore()
    write(store, put("a", 1))
    answer = write(store, add("b", 5), put("a", 2, absent=True))
    assert (answer.status, answer.code) == (409, "conflict")
    assert answer.body["message"] == "t/a: exists already"
    assert value(store, "b") is None
    assert len(store.effects) == 1


@pytest.mark.parametrize(
    ("condition", "ok"),
    [
        ({"absent": True}, False),
        ({"version": 1}, True),
        ({"version": 0}, False),
        ({"at_least": {"n": 7}}, True),
        ({"at_least": {"n": 8}}, False),
        ({"at_least": {"other": 1}}, False),
    ],
)
def test_conditions_are_checked_against_what_is_there(condition: dict[str, Any], ok: bool) -> None:
    store = TableStore()
    write(store, put("a", 7))
    assert (write(store, add("a", 1, **condition)).status == 200) is ok
    assert value(store, "a") == {"n": 8 if ok else 7}


def test_a_token_makes_the_repeat_harmless_until_it_is_forgotten() -> None:
    store = TableStore(token_ttl_s=600.0)
    assert write(store, add("a", 5), token="x", now_s=0.0).body == {"versions": [1], "replayed": False}
    assert write(store, add("a", 5), token="x", now_s=599.9).body == {"versions": [1], "replayed": True}
    assert value(store, "a") == {"n": 5}
    assert write(store, add("a", 5), token="x", now_s=600.0).body["replayed"] is False
    assert value(store, "a") == {"n": 10}


def test_a_token_is_not_lent_to_another_write() -> None:
    store = TableStore()
    write(store, add("a", 5), token="x")
    assert write(store, add("a", 6), token="x").code == "token_mismatch"
    assert value(store, "a") == {"n": 5}


def test_a_conflict_is_not_remembered_under_its_token() -> None:
    store = TableStore()
    write(store, put("a", 1))
    assert write(store, put("b", 1), put("a", 2, version=9), token="x").status == 409
    assert write(store, put("b", 1), put("a", 2, version=1), token="x").status == 200


def test_a_put_without_a_key_makes_an_item_per_attempt_and_leaves_the_request_alone() -> None:
    store = TableStore()
    params = {"writes": [{"table": "t", "put": {"n": 1}}]}
    for attempt in (11, 12):
        assert store.perform("write", params, attempt, 0.0).status == 200
    assert store.export()["tables"] == {"t": {"11": {"n": 1}, "12": {"n": 1}}}
    assert params == {"writes": [{"table": "t", "put": {"n": 1}}]}


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({}, "at least one write"),
        ({"writes": "all"}, "at least one write"),
        ({"writes": [3]}, r"writes\[0\] is a int"),
        ({"writes": [{"table": "t", "key": "a"}]}, "either put or add"),
        ({"writes": [{"table": "t", "key": "a", "put": {}, "add": {}}]}, "either put or add"),
        ({"writes": [{"table": "t", "add": {"n": 1}}]}, "key is None"),
        ({"writes": [{"table": "t", "key": "a", "add": {"n": 0.5}}]}, "to integers"),
        ({"writes": [{"table": "t", "key": "a", "put": 4}]}, "put must be an object"),
        ({"writes": [{"table": "t", "key": "a", "put": {}, "if": {"newer": 1}}]}, "absent, version and at_least"),
        ({"writes": [put("a", 1), put("a", 2)]}, "written twice at once"),
        ({"writes": [put("a", 1)], "token": 5}, "token is 5"),
    ],
)
def test_a_malformed_write_is_refused_with_the_place(params: dict[str, Any], says: str) -> None:
    store = TableStore()
    answer = store.perform("write", params, 1, 0.0)
    assert (answer.status, answer.code) == (400, "bad_request")
    assert re.search(says, answer.body["message"])
    assert store.effects == []


keys = st.sampled_from(["a", "b", "c"])
conditions = st.sampled_from([{}, {"absent": True}, {"version": 1}, {"at_least": {"n": 0}}])
amounts = st.integers(-3, 3)
one_write = st.builds(lambda key, amount, condition: add(key, amount, **condition), keys, amounts, conditions)
writes = st.lists(one_write, min_size=1, max_size=3, unique_by=lambda write: write["key"])
requests = st.lists(st.tuples(writes, st.sampled_from([None, "x", "y"])), max_size=25)


@given(requests)
def test_the_effect_log_replayed_gives_the_tables(asked: list[tuple[list[dict[str, Any]], str | None]]) -> None:
    store = TableStore()
    for attempt, (these, token) in enumerate(asked):
        store.perform("write", {"writes": these, "token": token}, attempt, 0.0)
    replayed: dict[str, int] = {}
    versions: dict[str, int] = {}
    for _, _, _, _, key, version, _, added in store.effects:
        replayed[key] = replayed.get(key, 0) + added["n"]
        versions[key] = versions.get(key, 0) + 1
        assert version == versions[key]
    assert {key: item["n"] for key, item in store.export()["tables"].get("t", {}).items()} == replayed


@given(requests)
def test_a_token_takes_effect_at_most_once(asked: list[tuple[list[dict[str, Any]], str | None]]) -> None:
    store = TableStore()
    for attempt, (these, token) in enumerate(asked):
        store.perform("write", {"writes": these, "token": token}, attempt, 0.0)
    for token in ("x", "y"):
        assert len({effect[1] for effect in store.effects if effect[2] == token}) <= 1
