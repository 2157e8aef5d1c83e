"""Two stores that grew apart: each item is found once, whatever was written to it how often."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.analyse import analyse
from harness.analyse.divergence import divergence
from harness.record.folder import RunFolder

Simulate = Callable[..., RunFolder]


class Effect(NamedTuple):
    t_s: float
    table: str
    key: str
    put: dict[str, Any] | None = None


COPIES = [(0.5, 0.25), (1.0, 0.75), (4.0, 3.75)]


def of(first: list[Effect], second: list[Effect]) -> dict[str, Any]:
    found = divergence(first, second, COPIES)
    assert sum(found["by_table"].values()) == found["items"]
    return found


def test_an_item_written_fifty_times_away_is_one_item() -> None:
    away = [Effect(2.0 + n / 100, "accounts", "1") for n in range(50)]
    assert of([Effect(0.8, "accounts", "1")], away)["items"] == 1  # the copy ended at 0.75
    assert of([Effect(0.7, "accounts", "1")], away) == {
        "items": 0, "by_table": {}, "to_bring_home": 1, "examples": [],
    }  # fmt: skip


def test_what_the_second_wrote_and_the_first_writes_again_has_two_newest_versions() -> None:
    away, home = Effect(2.0, "users", "a", {"op": 1}), Effect(5.0, "users", "a", {"op": 2})
    assert of([home], [away])["examples"] == [["users", "a"]]


def test_one_record_that_both_stores_hold_is_no_conflict() -> None:
    record = {"op": 7, "amount": 3}
    twice = of([Effect(1.9, "transfers", "7", record)], [Effect(2.1, "transfers", "7", record)])
    assert (twice["items"], twice["to_bring_home"]) == (0, 0)
    other = of([Effect(1.9, "transfers", "7", record)], [Effect(2.1, "transfers", "7", {**record, "amount": 4})])
    assert other["items"] == 1


def test_a_store_that_was_only_copied_from_has_no_say() -> None:
    assert of([Effect(0.1, "users", "a"), Effect(9.0, "users", "a")], [])["items"] == 0


WRITES = st.lists(
    st.tuples(st.integers(0, 80), st.booleans(), st.integers(0, 5)), max_size=40, unique_by=lambda w: w[0]
)


@settings(max_examples=60, deadline=None)
@given(WRITES)
def test_it_agrees_with_a_replay_of_both_stores(writes: list[tuple[int, bool, int]]) -> None:
    """Versions are sets of writes; apart is a write by a store that does not know all of the other's."""
    logs: tuple[list[Effect], list[Effect]] = ([], [])
    apart: set[str] = set()
    for tick, second, key in sorted(writes):
        t_s = tick / 8 + 1 / 16
        known_s = max((up_to_s for at_s, up_to_s in COPIES if at_s <= t_s), default=-1.0)
        mine, theirs = logs[second], logs[not second]
        unknown = [e for e in theirs if e.key == str(key) and not (second and e.t_s <= known_s)]
        if unknown:
            apart.add(str(key))
        mine.append(Effect(t_s, "users", str(key), {"n": tick}))
    assert {key for _, key in of(*logs)["examples"]} == apart


@pytest.fixture(scope="module")
def two_stores(
    play: Callable[..., RunFolder], experiments: Path, tmp_path_factory: pytest.TempPathFactory
) -> RunFolder:
    """A short run of the bank with a standby."""
    root = tmp_path_factory.mktemp("two_stores")
    raw = yaml.safe_load((experiments / "diversification.yaml").read_text())
    raw |= {"variants": {"standby": raw["variants"]["passive_full"]}, "expect": []}
    slow = {"at": "outage.start", "do": "kv.latency", "with": {"factor": 1.5, "for": "500ms"}}
    raw["timeline"] = [slow, {"at": "outage.end", "do": "dns.restore", "fix": True}]
    raw["phases"] = {"warm_up": "500ms", "baseline": "2s", "outage": "1s", "recovery": "1s", "drain": "1s"}
    raw["load"]["mobile_banking"]["arrivals"]["rate"] = "20/s"
    path = root / "two_stores.yaml"
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    return play(root, path, "standby")


@pytest.mark.parametrize("count", [1, 9])
def test_of_items_planted_in_a_run_each_is_found_once(two_stores: RunFolder, tmp_path: Path, count: int) -> None:
    for path in sorted(two_stores.path.rglob("*")):
        if path.is_file():
            (tmp_path / path.relative_to(two_stores.path)).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path.relative_to(two_stores.path)).write_bytes(path.read_bytes())
    folder = RunFolder.open(tmp_path)
    assert analyse(folder)["audit"]["divergent"] == 0
    stores = {name: folder.read_json(folder.exports / f"{name}.json") for name in ("kv", "provider")}
    pick = Random(count)
    for n in range(count):
        for again in range(1 + pick.randrange(30)):
            plant(stores["provider"], f"planted-{n}", 2.5 + again / 100, {"n": again})
        plant(stores["kv"], f"planted-{n}", 2.4, {"n": -1})
        copies = stores["provider"]["copies"]
        assert max(up_to_s for at_s, up_to_s in copies if at_s <= 2.5) < 2.4
    for name, store in stores.items():
        (folder.exports / f"{name}.json").write_text(json.dumps(store))
    found = analyse(folder)["audit"]
    assert (found["divergent"], found["divergence"]["by_table"], found["mismatched"]) == (count, {"users": count}, 0)


def test_with_one_store_there_is_nothing_to_grow_apart_from(simulated: Simulate) -> None:
    assert analyse(simulated("dns_race", "budget"))["audit"]["divergent"] is None


def plant(store: dict[str, Any], key: str, t_s: float, put: dict[str, Any]) -> None:
    """One more write in a store's log and tables."""
    columns = store["effects"]["columns"]
    row: list[Any] = [None] * len(columns)
    for name, value in {"t_s": t_s, "attempt": 1, "table": "users", "key": key, "put": put}.items():
        row[columns.index(name)] = value
    store["effects"]["rows"].append(row)
    store["tables"].setdefault("users", {})[key] = put
