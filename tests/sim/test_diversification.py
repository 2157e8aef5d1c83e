"""A bank with one store, two, or none for a while; and seven apps at once: what was lost, and what the audit finds."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from harness.record.rows import read_rows

DIVERSE = "diversification"
APPS_OF_RECORDS = (  # tables in which an operation must leave exactly one record
    "transfers", "dispatches", "charts", "telemetry", "licences", "orders", "points", "check_ins", "crew_plans",
)  # fmt: skip


def measures(folder):
    return json.loads(folder.measures.read_text())


def highest(folder, component, gauge):
    """The highest reading of one gauge."""
    file = read_rows(folder.gauges)
    number = file.names["component"].index(component), file.names["gauge"].index(gauge)
    rows = file.rows[(file.rows["component"] == number[0]) & (file.rows["gauge"] == number[1])]
    return float(rows["value"].max())


def own_lines(found):
    """What became of the `expect` lines about this variant alone."""
    return {line["verdict"] for line in found["expect"] if "compare" not in line}


def test_a_bank_without_its_store_promises_and_keeps_every_promise(simulated):
    folder = simulated(DIVERSE, "local")
    found = measures(folder)
    assert found["validity"]["valid"]
    assert own_lines(found) == {"pass"}
    assert highest(folder, "mobile_banking", "captured_total") > 1000
    assert {found["audit"][key] for key in ("lost", "stuck", "duplicated", "mismatched", "money_created")} == {0}


@pytest.mark.long
def test_a_standby_of_half_the_size_collapses_without_admission_and_holds_with_it(simulated):
    herd, held = simulated(DIVERSE, "passive_50"), simulated(DIVERSE, "passive_50_admission")
    for folder in (herd, held):
        assert measures(folder)["validity"]["valid"]
        assert own_lines(measures(folder)) <= {"pass"}
    assert highest(herd, "provider", "waiting_queue") > 200  # over a second's work, for people who wait half of one
    assert highest(held, "provider", "waiting_queue") == 20
    # Without admission the app takes it for dead as well, and comes back in waves.
    assert highest(herd, "mobile_banking", "failed_over_total") > highest(held, "mobile_banking", "failed_over_total")


@pytest.mark.long
@pytest.mark.parametrize("variant", ["single", "passive_full", "active_active"])
def test_what_other_ways_to_diversify_cost(simulated, variant):
    folder = simulated(DIVERSE, variant)
    found = measures(folder)
    assert found["validity"]["valid"]
    assert own_lines(found) == {"pass"}
    assert {found["audit"][key] for key in ("lost", "stuck", "duplicated", "mismatched", "money_created")} == {0}


@pytest.mark.long
def test_active_active_grows_apart_all_day_and_a_standby_only_when_it_is_used(simulated):
    apart = {}
    for variant in ("passive_full", "active_active"):
        folder = simulated(DIVERSE, variant)
        exported = folder.read_json(folder.exports / "provider.json")
        apart[variant] = len(exported["divergent"])
        assert highest(folder, "provider", "divergent_items") == apart[variant]
        assert highest(folder, "provider", "stale_reads_total") == exported["stale_reads"]
    assert apart["active_active"] > 2 * apart["passive_full"] > 0


def records_of(folder):
    """(table, operation) -> how many records it left, straight from the store's effect log."""
    log = folder.read_json(folder.exports / "kv.json")["effects"]
    table, put = log["columns"].index("table"), log["columns"].index("put")
    return Counter(
        (row[table], row[put]["op"]) for row in log["rows"] if row[put] is not None and "op" in row[put]
    )  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("variant", ["keys_on", "keys_off"])
def test_seven_apps_come_through_and_the_audit_finds_every_duplicate(simulated, variant):
    folder = simulated("sectors", variant)
    found = measures(folder)
    assert found["validity"]["valid"]
    assert own_lines(found) == {"pass"}
    assert found["baseline"]["goodput_per_s"] >= 600.0
    records = records_of(folder)
    too_many = sum(count - 1 for (table, _), count in records.items() if table in APPS_OF_RECORDS)
    assert found["audit"]["duplicated"] == too_many
    assert (too_many > 0) == (variant == "keys_off")
    assert {table for table, _ in records} >= set(APPS_OF_RECORDS)


@pytest.mark.long
def test_keys_change_nothing_that_a_user_sees(simulated):
    on, off = (measures(simulated("sectors", variant)) for variant in ("keys_on", "keys_off"))
    assert on["impact"] == off["impact"]
    assert on["goodput_deficit"] == off["goodput_deficit"]


@pytest.mark.long
def test_a_name_that_fails_over_serves_everybody_once_its_old_answers_have_run_out(simulated):
    folder = simulated(DIVERSE, "passive_dns")
    found = measures(folder)
    assert found["validity"]["valid"]
    assert own_lines(found) == {"pass"}
    moves = [json.loads(line) for line in folder.journal.read_text().splitlines()]
    over, back = ([e["t_s"] for e in moves if e["kind"] == kind] for kind in ("failed_over", "failed_back"))
    # Three checks half a second apart; then nobody is turned away from the second on.
    assert found["t_fault_s"] < over[0] < found["t_fault_s"] + 2.0
    assert len(over) == len(back) == 1
    assert found["t_fix_s"] < back[0] < found["t_fix_s"] + 2.0
    operations = read_rows(folder.rows / "load-0-operation.rows").rows
    late = operations[operations["intended_ns"] > (over[0] + 2.5) * 1e9]
    assert (late["outcome"] == 0).mean() > 0.999
    assert {found["audit"][key] for key in ("lost", "stuck", "duplicated", "mismatched", "money_created")} == {0}
    assert found["audit"]["divergent"] > 0  # what was written away and then at home again


@pytest.mark.long
def test_what_the_stores_count_is_what_the_audit_finds_in_their_logs(simulated):
    """Active/active: the app tells all it knows, and finds every item that the audit finds, or all but a few."""
    folder = simulated(DIVERSE, "active_active")
    divergence = measures(folder)["audit"]["divergence"]
    at_second = {(table, key) for table, key, _ in folder.read_json(folder.exports / "provider.json")["divergent"]}
    assert divergence["items"] >= len(at_second) > 0
    assert set(divergence["by_table"]) == {"accounts"}  # records of transfers have one home each
