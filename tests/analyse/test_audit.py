"""The audit finds what was done to the data: nothing more, nothing less, and never assumes."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.analyse import analyse
from harness.record.folder import RunFolder

Simulate = Callable[..., RunFolder]


def audit_of(folder: RunFolder) -> dict[str, Any]:
    found: dict[str, Any] = analyse(folder)["audit"]
    assert found == folder.read_json(folder.audit)
    return found


def store_of(folder: RunFolder) -> dict[str, Any]:
    return folder.read_json(folder.exports / "kv.json")


def puts_by_op(store: dict[str, Any], table: str) -> Counter[int]:
    columns = store["effects"]["columns"]
    at = {name: columns.index(name) for name in ("table", "put")}
    rows = store["effects"]["rows"]
    return Counter(row[at["put"]]["op"] for row in rows if row[at["table"]] == table and row[at["put"]] is not None)


@pytest.fixture
def copied(simulated: Simulate, tmp_path: Path) -> RunFolder:
    """A run of our own to spoil."""
    source = simulated("dns_race", "budget")
    target = tmp_path / "run"
    for path in sorted(source.path.rglob("*")):
        if path.is_file():
            (target / path.relative_to(source.path)).parent.mkdir(parents=True, exist_ok=True)
            (target / path.relative_to(source.path)).write_bytes(path.read_bytes())
    return RunFolder.open(target)


@pytest.fixture(scope="module")
def keyless(play: Callable[..., RunFolder], experiments: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The flagship outage without idempotency keys."""
    root = tmp_path_factory.mktemp("keyless")
    raw = yaml.safe_load((experiments / "dns_race.yaml").read_text())
    raw["variants"] = {"keyless": {"region": {"mobile_banking": {"idempotency_keys": False}}}}
    raw["expect"] = []
    path = root / "keyless.yaml"
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    return play(root, path, "keyless")


def test_with_idempotency_keys_nothing_is_lost_doubled_or_made_up(simulated: Simulate) -> None:
    for variant in ("naive", "budget"):
        found = audit_of(simulated("dns_race", variant))
        assert not found["partial"]
        assert [found[key] for key in ("lost", "duplicated", "mismatched", "money_created", "out_of_order")] == [0] * 5
        assert found["stuck"] > 0, "the load ended before the outbox was empty"


def test_without_keys_every_duplicate_is_found_and_no_other(keyless: RunFolder) -> None:
    found = audit_of(keyless)
    truth = puts_by_op(store_of(keyless), "transfers")
    assert found["duplicated"] == sum(count - 1 for count in truth.values()) > 100
    assert set(found["by_app"]["mobile_banking"]["examples"]["duplicated"]) <= {op for op, n in truth.items() if n > 1}
    assert (found["lost"], found["money_created"]) == (0, 0)


@pytest.mark.parametrize("count", [1, 7, 40])
def test_of_entries_changed_behind_the_logs_back_each_is_found(copied: RunFolder, count: int) -> None:
    store = store_of(copied)
    table = store["tables"]["transfers"]
    for key in random.Random(count).sample(sorted(table), count):
        table[key]["amount"] += 1
    (copied.exports / "kv.json").write_text(json.dumps(store))
    assert audit_of(copied)["mismatched"] == count


@pytest.mark.parametrize("count", [1, 13])
def test_records_that_never_were_are_lost_if_somebody_was_told_of_them(copied: RunFolder, count: int) -> None:
    before = audit_of(copied)
    store, bank = store_of(copied), copied.read_json(copied.exports / "mobile_banking.json")
    columns = store["effects"]["columns"]
    put, table = columns.index("put"), columns.index("table")
    owed = {op for op, _ in bank["owed"]}
    told = [op for op in bank["confirmed"] if op not in owed][:count]  # in the calm, so their users were told
    store["effects"]["rows"] = [
        row for row in store["effects"]["rows"]
        if not (row[table] == "transfers" and row[put] is not None and row[put]["op"] in told)
    ]  # fmt: skip
    for op in told:
        del store["tables"]["transfers"][str(op)]
    (copied.exports / "kv.json").write_text(json.dumps(store))
    found = audit_of(copied)
    assert (found["lost"], found["stuck"], found["mismatched"]) == (count, before["stuck"], 0)


def test_money_from_nowhere_is_counted_to_the_penny(copied: RunFolder) -> None:
    store = store_of(copied)
    columns = store["effects"]["columns"]
    row: list[Any] = [None] * len(columns)
    for name, value in {"t_s": 1.0, "attempt": 1, "table": "accounts", "key": "3", "add": {"balance": 17}}.items():
        row[columns.index(name)] = value
    store["effects"]["rows"].append(row)
    account = store["tables"]["accounts"].setdefault("3", {"balance": 0})
    account["balance"] = account.get("balance", 0) + 17
    (copied.exports / "kv.json").write_text(json.dumps(store))
    found = audit_of(copied)
    assert (found["money_created"], found["mismatched"]) == (17, 0)


def test_a_component_that_left_no_state_makes_the_audit_partial_and_nothing_lost(copied: RunFolder) -> None:
    (copied.exports / "mobile_banking.json").unlink()
    found = audit_of(copied)
    assert found["partial"]
    assert "mobile_banking: its state was not recorded" in found["reasons"][0]
    assert (found["lost"], found["stuck"]) == (0, 0)


def test_a_run_that_was_cut_has_a_partial_audit(copied: RunFolder) -> None:
    manifest = copied.read_json(copied.manifest) if copied.manifest.is_file() else {}
    copied.write_json(copied.manifest, {**manifest, "state": "interrupted"})
    found = audit_of(copied)
    assert found["partial"]
    assert "interrupted" in found["reasons"][0]


def test_value_is_lost_before_the_fix_and_after_it_by_what_was_due(simulated: Simulate) -> None:
    naive, budget = (analyse(simulated("dns_race", variant))["impact"] for variant in ("naive", "budget"))
    app = naive["by_app"]["mobile_banking"]
    worth = {"transfer": 0.40, "balance": 0.05}
    assert app["value_lost"]["total"] == pytest.approx(
        sum(worth[name] * count["failed"] for name, count in app["operations"].items()), abs=0.01
    )
    assert naive["value_lost"]["recovery"] > 20 * budget["value_lost"]["recovery"]
    assert naive["by_sector"] == {"banking": naive["value_lost"]["total"]}
