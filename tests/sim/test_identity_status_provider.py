"""Whole runs with the token service, the health page and the second provider: what each is there to show."""

from __future__ import annotations

import json

import pytest
import yaml

from harness.record.journal import read_journal
from harness.record.rows import read_rows


def measures(folder):
    return json.loads(folder.measures.read_text())


def gauge(folder, component, name):
    """The readings of one gauge, in order of time."""
    file = read_rows(folder.gauges)
    number = file.names["component"].index(component), file.names["gauge"].index(name)
    rows = file.rows[(file.rows["component"] == number[0]) & (file.rows["gauge"] == number[1])]
    return rows["value"]


def own_lines(found):
    """What became of the `expect` lines about this variant alone."""
    return {line["verdict"] for line in found["expect"] if "compare" not in line}


WATCHED = {
    "title": "A store fails and a page says so",
    "seed": 7,
    "region": {
        "preset": "small",
        "mobile_banking": None,
        "kv": {"instances": 1, "slots": 5, "service": {"mean": "10ms", "distribution": "fixed"}},
        "provider": {"slots": 5, "replicate_every": "250ms"},
        "status": {"depends_on": ["kv", "provider"], "probe_every": "250ms", "post_lag": "2s", "window": "2s"},
    },
    "load": {"replicated_reads": {"arrivals": {"rate": "40/s", "process": "even"}, "mix": {"single": 1.0}}},
    "phases": {"warm_up": "1s", "baseline": "5s", "outage": "4s", "recovery": "8s", "drain": "1s"},
    "timeline": [
        {"at": "outage.start", "do": "kv.errors", "with": {"share": "100%"}},
        {"at": "outage.end", "do": "kv.heal", "with": {"fault": "errors"}, "fix": True},
    ],
    "steady_state": {"p99": "none", "for": "2s"},
}


@pytest.fixture(scope="module")
def watched(tmp_path_factory, play):
    """One run of the above."""
    root = tmp_path_factory.mktemp("watched")
    path = root / "watched.yaml"
    path.write_text(yaml.safe_dump(WATCHED))
    return play(root, path, "base")


def test_the_page_turns_red_and_green_a_human_delay_after_its_probes_do(watched):
    posts = [entry for entry in read_journal(watched.journal) if entry["kind"] == "status_post"]
    assert [(entry["who"], entry["state"]) for entry in posts] == [("status", "red"), ("status", "green")]
    assert [round(entry["t_s"] - entry["found_s"], 6) for entry in posts] == [2.0, 2.0]
    found = measures(watched)
    assert found["status_page"]["first_post_lag_s"] == pytest.approx(posts[0]["t_s"] - found["t_fault_s"], abs=1e-6)
    assert 2.0 < found["status_page"]["first_post_lag_s"] < 3.5


def test_green_over_failing_users_is_measured_as_false(watched):
    """All users fail from the fault on, so until the first post every second of green was wrong, and no second after
    the clear, which came late."""
    page = measures(watched)["status_page"]
    assert page["false_clear_s"] == page["first_post_lag_s"]


def test_probes_and_replication_are_nobody_s_operation(watched):
    attempts = read_rows(watched.rows / "status-attempt.rows").rows
    assert set(attempts["op"].tolist()) == {0}
    assert len(set(attempts["attempt"].tolist())) == len(attempts)
    assert set(read_rows(watched.rows / "provider-attempt.rows").rows["op"].tolist()) == {0}


def test_the_copy_stands_still_while_the_first_is_away_and_catches_up(watched):
    lag_s = gauge(watched, "provider", "replication_lag_s")  # read four times a second
    assert max(lag_s[: 6 * 4]) < 0.75
    assert lag_s[10 * 4 - 1] > 3.5
    assert max(lag_s[11 * 4 :]) < 0.75


def test_a_region_without_a_page_says_so(simulated):
    found = measures(simulated("slow_dependency", "d0_4"))
    assert found["status_page"] is None
    assert found["reasons"]["status_page"] == "this region has no status page"


@pytest.mark.long
@pytest.mark.parametrize("variant", ["unguarded", "admission", "full_size", "single"])
def test_a_standby_of_half_the_size_collapses_unguarded_and_holds_with_admission(simulated, variant):
    found = measures(simulated("components/failover_herd", variant))
    assert found["validity"]["valid"]
    assert own_lines(found) == {"pass"}
    if variant == "admission":
        assert max(gauge(simulated("components/failover_herd", variant), "provider", "waiting_queue")) <= 20


@pytest.mark.long
@pytest.mark.parametrize("variant", ["late", "ahead", "short", "herd", "herd_ahead", "herd_admission"])
def test_an_issuer_is_missed_late_and_drowned_by_those_who_come_back(simulated, variant):
    found = measures(simulated("components/identity_late", variant))
    assert found["validity"]["valid"]
    assert own_lines(found) == {"pass"}


@pytest.mark.long
@pytest.mark.parametrize("variant", ["automatic", "manual", "one_eyed"])
def test_a_page_is_as_late_as_its_rule_and_as_true_as_what_it_looks_at(simulated, variant):
    found = measures(simulated("components/status_page", variant))
    assert found["validity"]["valid"]
    assert own_lines(found) == {"pass"}
    assert found["verdict"] == "recovered"
