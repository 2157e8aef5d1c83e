"""The world: the region in virtual time, judged like any run."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import yaml

from harness.record.journal import read_journal
from harness.record.rows import read_rows


def measures(folder):
    return json.loads(folder.measures.read_text())


def kinds(folder):
    return Counter(entry["kind"] for entry in read_journal(folder.journal))


@pytest.fixture
def changed(tmp_path, experiments):
    """`changed(change)`: dns_race with `change(document)` applied, as a file of its own."""

    def make(change):
        document = yaml.safe_load((experiments / "dns_race.yaml").read_text())
        change(document)
        path = tmp_path / "changed.yaml"
        path.write_text(yaml.safe_dump(document))
        return path

    return make


def test_the_same_plan_writes_the_same_bytes(tmp_path, play):
    first, second = (play(tmp_path, "slow_dependency", "d2", seed=3) for _ in range(2))
    files = sorted(path.relative_to(first.path) for path in first.path.rglob("*.rows"))
    assert len(files) >= 4
    for name in files:
        assert (first.path / name).read_bytes() == (second.path / name).read_bytes(), name


def test_every_operation_of_the_plan_has_one_row_and_every_attempt_a_server_or_a_cause(simulated):
    folder = simulated("dns_race", "naive")
    operations = read_rows(folder.rows / "load-0-operation.rows")
    planned = len(set(operations.rows["op"].tolist()))
    assert operations.complete
    assert planned == operations.rows.size == operations.rows["op"].max()
    served = set(read_rows(folder.rows / "mobile_banking-served.rows").rows["attempt"].tolist())
    outer = read_rows(folder.rows / "load-0-attempt.rows").rows
    assert served == set(outer["attempt"].tolist())
    inner = read_rows(folder.rows / "mobile_banking-attempt.rows").rows
    at_store = set(read_rows(folder.rows / "kv-served.rows").rows["attempt"].tolist())
    unsent = {int(row["attempt"]) for row in inner if row["cause"] != 0}
    assert at_store <= set(inner["attempt"].tolist())
    assert set(inner["attempt"].tolist()) - at_store <= unsent


def test_the_race_happens_by_mechanism_and_the_operator_ends_it(simulated):
    routine = ("plan", "apply", "clean", "note", "phase", "heal")
    told = [e["kind"] for e in read_journal(simulated("dns_race", "budget").journal) if e["kind"] not in routine]
    assert [kind for kind in told if kind != "enactor_error"] == [
        "inject", "stale_apply", "active_plan_deleted", "first_empty_answer", "action", "restored", "fix",
    ]  # fmt: skip
    assert told.count("enactor_error") == 3
    assert told.index("active_plan_deleted") < told.index("enactor_error") < told.index("restored")


def test_without_the_stall_there_is_no_fault(tmp_path, play, changed):
    def calm(document):
        harmless = {"at": "outage.start", "do": "kv.errors", "with": {"share": "0.001%", "for": "1s"}}
        document["timeline"] = [harmless, {"at": "outage.end", "do": "dns.restore", "fix": True}]
        document["expect"] = []

    folder = play(tmp_path, changed(calm), "naive")
    assert measures(folder)["verdict"] == "never_failed"
    assert not kinds(folder).keys() & {"stale_apply", "active_plan_deleted", "first_empty_answer", "enactor_error"}


def test_a_second_stall_after_the_restore_empties_the_record_again_unless_the_race_is_fixed(tmp_path, play, changed):
    def twice(document):
        document["timeline"].append(
            {"at": "outage.end + 3s", "do": "dns.stall_enactor", "with": {"enactor": "az1", "for": "2.2s"}}
        )
        document["expect"] = []

    path = changed(twice)
    assert kinds(play(tmp_path, path, "budget"))["first_empty_answer"] == 2
    assert kinds(play(tmp_path, path, "race_fixed"))["first_empty_answer"] == 0


@pytest.mark.parametrize(
    ("experiment", "variant", "verdict"),
    [
        ("dns_race", "naive", "metastable"),
        ("dns_race", "budget", "recovered"),
        ("dns_race", "race_fixed", "never_failed"),
        ("resolvers", "ttl", "recovered"),
        ("slow_dependency", "d0_4", "recovered"),
        ("slow_dependency", "d2", "metastable"),
    ],
)
def test_the_first_experiments_end_as_published(simulated, experiment, variant, verdict):
    found = measures(simulated(experiment, variant))
    assert found["validity"] == {"valid": True, "reasons": [], "notes": []}
    assert found["verdict"] == verdict


def test_the_stuck_state_has_its_reason_in_the_measures(simulated):
    found = measures(simulated("dns_race", "naive"))
    assert found["wasted_work_ratio"] > 0.8
    assert found["capacity"]["utilisation"] < 0.75
    assert found["amplification"]["overall"] > 2.5


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 21))
def test_the_flagship_ends_the_same_way_for_twenty_seeds(tmp_path, play, seed):
    assert measures(play(tmp_path, "dns_race", "naive", seed))["verdict"] == "metastable"
    assert measures(play(tmp_path, "dns_race", "budget", seed))["verdict"] == "recovered"
