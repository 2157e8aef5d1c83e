"""Three apps through an outage of their store's name, and through a flaky store: and what the audit finds."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import yaml

from harness.record.rows import read_rows
from harness.spec.vocabulary import GAUGES

APPS = ("hospital", "smart_home", "streaming")
EFFECTS = {"hospital": "charts", "smart_home": "telemetry", "streaming": "licences"}
EMPTY = [
    {"at": "outage.start", "do": "dns.empty_record"},
    {"at": "outage.end", "do": "dns.heal", "with": {"fault": "empty_record"}, "fix": True},
]
SLOW = [
    {"at": "outage.start", "do": "kv.latency", "with": {"mean": "100ms"}},
    {"at": "outage.end", "do": "kv.heal", "with": {"fault": "latency"}, "fix": True},
]
FLAKY = [*EMPTY, {"at": "outage.end", "do": "kv.errors", "with": {"share": "60%", "for": "6s"}}]
CRASH = [
    {"at": "outage.start", "do": "smart_home.crash"},
    {"at": "outage.end", "do": "smart_home.heal", "with": {"fault": "crash"}, "fix": True},
]
FILE = {
    "title": "Three apps without their store",
    "seed": 7,
    "region": {
        "preset": "small",
        "mobile_banking": None,
        "kv": {"slots": 12, "service": {"mean": "20ms"}, "connection": {"max_age": "1s"}},
        "hospital": {},
        "smart_home": {"reconnect": {"kind": "token"}},
        "streaming": {},
    },
    "client": {"retry_budget": {"ratio": 0.1, "burst": 50}, "backoff": {"kind": "exponential", "base": "50ms"}},
    "load": {app: {"arrivals": {"rate": "50/s", "process": "poisson"}, "users": 150} for app in APPS},
    "phases": {"warm_up": "2s", "baseline": "6s", "outage": "8s", "recovery": "16s", "drain": "6s"},
    "timeline": EMPTY,
    "steady_state": {"p99": "none", "for": "3s"},
    "variants": {
        "keyed": {},
        "slow_keyed": {"timeline": SLOW},
        "slow_keyless": {"timeline": SLOW, "region": {app: {"idempotency_keys": False} for app in APPS}},
        "crash": {"timeline": CRASH},
        "crash_small": {"timeline": CRASH, "region": {"smart_home": {"keep": 1}}},
        "flaky": {"timeline": FLAKY, "region": {"hospital": {"paper": {"retry_wait": "500ms"}}}},
        "flaky_pile": {
            "timeline": FLAKY,
            "region": {"hospital": {"paper": {"retry_wait": "500ms", "in_order": False}}},
        },
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
    """What was put into one table, in order, by the store's own log."""
    log = export(folder, "kv")["effects"]
    at = {name: log["columns"].index(name) for name in ("table", "put")}
    return [row[at["put"]] for row in log["rows"] if row[at["table"]] == table]


def last(folder, component, gauge):
    """The last reading of one gauge."""
    file = read_rows(folder.gauges)
    number = file.names["component"].index(component), file.names["gauge"].index(gauge)
    rows = file.rows[(file.rows["component"] == number[0]) & (file.rows["gauge"] == number[1])]
    return rows["value"][-1]


@pytest.mark.parametrize("variant", ["keyed", "slow_keyed", "crash", "flaky"])
def test_with_keys_nothing_is_lost_doubled_out_of_order_or_left(run, variant):
    found = measures(run(variant))
    audit = found["audit"]
    assert found["validity"]["valid"]
    assert not audit["partial"]
    kinds = ("lost", "expired", "duplicated", "stuck", "mismatched", "out_of_order")
    assert {kind: audit[kind] for kind in kinds} == dict.fromkeys(kinds, 0)
    assert all(app["acknowledged"] > 150 for app in audit["by_app"].values())


def test_without_keys_the_audit_finds_every_record_too_many(run):
    folder = run("slow_keyless")
    audit = measures(folder)["audit"]
    for app, table in EFFECTS.items():
        truth = sum(count - 1 for count in Counter(put["op"] for put in puts(folder, table)).values())
        assert audit["by_app"][app]["duplicated"] == truth > 0


def test_a_pile_of_paper_is_entered_in_any_order_and_a_line_for_each_patient_is_not(run):
    """Retries pass each other; the oracle looks at every pair of entries of a patient."""
    folder = run("flaky_pile")
    highest, wrong = {}, 0
    for put in puts(folder, "charts"):
        wrong += put["order"] < highest.get(put["of"], 0)
        highest[put["of"]] = max(put["order"], highest.get(put["of"], 0))
    assert measures(folder)["audit"]["out_of_order"] == wrong > 0
    assert measures(run("flaky"))["audit"]["out_of_order"] == 0


def test_readings_kept_through_a_crash_arrive_late_and_all_of_them(run):
    folder = run("crash")
    home = measures(folder)["audit"]["by_app"]["smart_home"]
    assert home["unacknowledged_done"] > 100  # too late for their users, but there
    assert home["unacknowledged_not_done"] < 30  # of devices that did not report again before the end
    assert export(folder, "smart_home")["expired"] == []


def test_a_device_that_keeps_one_reading_throws_others_away_and_says_which(run):
    folder = run("crash_small")
    audit = measures(folder)["audit"]
    expired = {op for op, _ in export(folder, "smart_home")["expired"]}
    assert len(expired) == last(folder, "smart_home", "readings_dropped_total") > 50
    assert not expired & {put["op"] for put in puts(folder, "telemetry")}
    assert audit["expired"] == len(expired)
    assert audit["lost"] == 0  # nobody was told that they had arrived


def test_players_hide_what_they_can(run):
    folder = run("keyed")
    shares = measures(folder)["goodput_share"]["outage"]["by_operation"]["streaming"]
    assert (shares["manifest"], shares["licence"]) == (1.0, 1.0)
    assert shares["prefetch"] < 0.2
    assert last(folder, "streaming", "grace_total") > 20


def test_an_operation_costs_the_store_about_one_request(run):
    folder = run("keyed")
    for app in APPS:
        calls = last(folder, app, "kv_calls_total")
        due = sum(kind["due"] for kind in measures(folder)["impact"]["by_app"][app]["operations"].values())
        assert 0.5 < calls / due < 1.7  # `due` counts from the fault on, three quarters of the load


@pytest.mark.parametrize("app", APPS)
def test_the_gauges_an_app_reports_are_those_it_announces(run, app):
    file = read_rows(run("keyed").gauges)
    component = file.names["component"].index(app)
    reported = {file.names["gauge"][number] for number in file.rows["gauge"][file.rows["component"] == component]}
    assert set(GAUGES[app]) <= reported
    assert {name for name in reported if name.startswith("waiting_")} <= set(GAUGES[app])


@pytest.mark.parametrize("variant", ["neither", "priority", "both"])
def test_the_safety_class_is_kept_by_priority_and_a_copy_together(simulated, variant):
    found = measures(simulated("components/hospital_safety", variant))
    assert found["validity"]["valid"]
    assert {line["verdict"] for line in found["expect"]} == {"pass"}
    assert found["audit"]["out_of_order"] == 0


@pytest.mark.parametrize("variant", ["none", "jitter", "slots", "token"])
def test_an_unpaced_herd_stays_and_a_paced_one_comes_home(simulated, variant):
    folder = simulated("components/reconnect_herd", variant)
    found = measures(folder)
    assert found["validity"]["valid"]
    assert {line["verdict"] for line in found["expect"]} == {"pass"}
    if variant == "none":
        assert found["verdict"] == "metastable"
        assert last(folder, "smart_home", "waiting_queue") > 1000
    else:
        assert last(folder, "smart_home", "waiting_queue") == 0.0
        assert last(folder, "smart_home", "sessions") == 400.0
