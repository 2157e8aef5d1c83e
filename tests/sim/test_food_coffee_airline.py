"""Three apps through an outage of their store's name, and through a slow store: and what the audit finds."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import yaml

from harness.record.rows import read_rows
from harness.spec.vocabulary import GAUGES

APPS = ("food_delivery", "coffee", "airline")
EFFECTS = {"food_delivery": ("dispatches",), "coffee": ("orders", "points"), "airline": ("check_ins", "crew_plans")}
OFF = {
    "food_delivery": {"fallbacks": {"accept": "none", "stale_menu": 0, "omit_location": False}},
    "coffee": {"fallbacks": {"stale_menu": 0, "counter": "none", "late_points": False}},
    "airline": {"fallbacks": {"manual": "none", "stale_pass": 0}},
}
EMPTY = [
    {"at": "outage.start", "do": "dns.empty_record"},
    {"at": "outage.end", "do": "dns.heal", "with": {"fault": "empty_record"}, "fix": True},
]
SLOW = [
    {"at": "outage.start", "do": "kv.latency", "with": {"mean": "100ms"}},
    {"at": "outage.end", "do": "kv.heal", "with": {"fault": "latency"}, "fix": True},
]
FILE = {
    "title": "Three apps without their store",
    "seed": 7,
    "region": {
        "preset": "small",
        "mobile_banking": None,
        "kv": {"slots": 12, "service": {"mean": "20ms"}, "connection": {"max_age": "1s"}},
        **{app: {} for app in APPS},
    },
    "client": {"retry_budget": {"ratio": 0.1, "burst": 50}, "backoff": {"kind": "exponential", "base": "50ms"}},
    "load": {app: {"arrivals": {"rate": "50/s", "process": "poisson"}, "users": 300} for app in APPS},
    "phases": {"warm_up": "2s", "baseline": "6s", "outage": "8s", "recovery": "16s", "drain": "6s"},
    "timeline": EMPTY,
    "steady_state": {"p99": "none", "for": "3s"},
    "variants": {
        "keyed": {},
        "strict": {"region": OFF},
        "slow_keyed": {"timeline": SLOW},
        "slow_keyless": {"timeline": SLOW, "region": {app: {"idempotency_keys": False} for app in APPS}},
    },
}


@pytest.fixture(scope="module")
def run(tmp_path_factory, play):
    """One run of a variant of the above, each once."""
    root = tmp_path_factory.mktemp("apps")
    path = root / "apps.yaml"
    path.write_text(yaml.safe_dump(FILE, sort_keys=False))
    known = {}

    def variant(name):
        if name not in known:
            known[name] = play(root, path, name)
        return known[name]

    return variant


def measures(folder):
    return json.loads(folder.measures.read_text())


def export(folder, component):
    return folder.read_json(folder.exports / f"{component}.json")


def puts(folder, table):
    """Records of each operation in one table, by the store's own log."""
    log = export(folder, "kv")["effects"]
    at = {name: log["columns"].index(name) for name in ("table", "put")}
    found = [row[at["put"]] for row in log["rows"] if row[at["table"]] == table]
    return Counter(put["op"] for put in found if put and "op" in put)


def sums(folder):
    """Pence paid, given back, and of the meals that were sent."""
    tables = export(folder, "kv")["tables"]
    return (
        sum(record.get("amount", 0) for record in tables["payments"].values()),
        sum(record["amount"] for record in tables.get("refunds", {}).values()),
        sum(record["price"] for record in tables["dispatches"].values() if "op" in record),
    )


@pytest.mark.parametrize("variant", ["keyed", "slow_keyed"])
def test_with_keys_nothing_is_lost_doubled_or_left_and_the_money_adds_up(run, variant):
    folder = run(variant)
    found = measures(folder)
    audit = found["audit"]
    assert found["validity"]["valid"]
    assert not audit["partial"]
    kinds = ("lost", "expired", "duplicated", "stuck", "mismatched", "out_of_order")
    assert {kind: audit[kind] for kind in kinds} == dict.fromkeys(kinds, 0)
    assert all(app["acknowledged"] > 250 for app in audit["by_app"].values())
    paid, back, meals = sums(folder)
    assert paid - back == meals
    assert set(puts(folder, "payments").values()) == {1}
    assert export(folder, "food_delivery")["paid_undispatched"] == []


def test_points_posted_late_are_the_balances_of_the_ledger(run):
    folder = run("keyed")
    tables = export(folder, "kv")["tables"]
    posted = sum(record["points"] for record in tables["points"].values())
    assert posted == sum(held["points"] for held in tables["loyalty"].values()) > 0


def test_without_keys_the_audit_finds_every_record_too_many(run):
    folder = run("slow_keyless")
    audit = measures(folder)["audit"]
    for app, tables in EFFECTS.items():
        truth = sum(count - 1 for table in tables for count in puts(folder, table).values())
        assert audit["by_app"][app]["duplicated"] == truth > 0
    assert sum(count - 1 for count in puts(folder, "payments").values()) > 0
    paid, back, meals = sums(folder)
    assert paid - back != meals


def test_fallbacks_save_what_they_are_there_to_save(run):
    with_them, without = (measures(run(variant)) for variant in ("keyed", "strict"))
    for app in APPS:
        lost = [found["impact"]["by_app"][app]["value_lost"]["total"] for found in (with_them, without)]
        assert lost[0] < lost[1]
    kinds = [found["impact"]["by_app"]["coffee"]["operations"]["earn"]["failed"] for found in (with_them, without)]
    assert kinds[0] == 0 < kinds[1]
    missed = [found["impact"]["by_app"]["airline"]["missed_windows"] for found in (with_them, without)]
    assert 0 < missed[0] < missed[1]


def test_an_operation_costs_the_store_about_one_request(run):
    folder = run("keyed")
    for app in APPS:
        calls = export_gauge(folder, app, "kv_calls_total")
        operations = measures(folder)["impact"]["by_app"][app]["operations"]
        due = sum(kind["due"] for kind in operations.values())
        assert 0.5 < calls / due < 1.7  # `due` counts from the fault on, three quarters of the load


def export_gauge(folder, component, name):
    """The last reading of one gauge."""
    file = read_rows(folder.gauges)
    number = file.names["component"].index(component), file.names["gauge"].index(name)
    rows = file.rows[(file.rows["component"] == number[0]) & (file.rows["gauge"] == number[1])]
    return rows["value"][-1]


@pytest.mark.parametrize("app", APPS)
def test_the_gauges_an_app_reports_are_those_it_announces(run, app):
    file = read_rows(run("keyed").gauges)
    component = file.names["component"].index(app)
    reported = {file.names["gauge"][number] for number in file.rows["gauge"][file.rows["component"] == component]}
    assert set(GAUGES[app]) <= reported
    assert {name for name in reported if name.startswith("waiting_")} <= set(GAUGES[app])


@pytest.mark.parametrize("variant", ["expiry_short", "expiry_long"])
def test_an_expiry_shorter_than_the_outage_throws_away_what_was_promised(simulated, variant):
    folder = simulated("components/outbox_expiry", variant)
    found = measures(folder)
    assert found["validity"]["valid"]
    assert {line["verdict"] for line in found["expect"]} == {"pass"}
    audit, exported = found["audit"], export(folder, "food_delivery")
    assert audit["expired"] == audit["lost"] == len(exported["expired"])
    assert audit["stuck"] == audit["duplicated"] == 0
    assert found["goodput_deficit"] == {"outage_ops": 0, "recovery_ops": 0}  # its users saw nothing of it
    dispatched = puts(folder, "dispatches")
    assert not {op for op, _ in exported["expired"]} & set(dispatched)
    assert audit["by_app"]["food_delivery"]["acknowledged"] == len(dispatched) + audit["expired"]


@pytest.mark.long
def test_a_pace_ages_what_waits(simulated):
    paced, unpaced = (
        measures(simulated("components/outbox_expiry", variant)) for variant in ("expiry_short", "expiry_short_unpaced")
    )
    assert unpaced["audit"]["expired"] < paced["audit"]["expired"]
    assert unpaced["time_to_recover_s"] > paced["time_to_recover_s"]
