"""A poller that stays dead, the backlog it leaves, and a scaling that is frozen when the morning comes: whole runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from harness.record.folder import RunFolder
from harness.record.rows import read_rows
from harness.spec.components import functions, queue

Simulate = Callable[..., RunFolder]
BACKLOG = "components/functions_backlog"
FROZEN = "components/frozen_scaling"


def measures(folder: RunFolder) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(folder.measures.read_text())
    return found


def entries(folder: RunFolder, *kinds: str) -> list[dict[str, Any]]:
    read = [json.loads(line) for line in folder.journal.read_text().splitlines()]
    return [entry for entry in read if entry["kind"] in kinds]


def last(folder: RunFolder, component: str, gauge: str) -> float:
    read = read_rows(folder.gauges)
    of, what = read.names["component"].index(component), read.names["gauge"].index(gauge)
    return float(read.rows["value"][(read.rows["component"] == of) & (read.rows["gauge"] == what)][-1])


def test_nobody_starts_the_poller_again_and_messages_pile_up_after_the_repair(simulated: Simulate) -> None:
    folder = simulated(BACKLOG, "as_it_was")
    found = measures(folder)
    died = entries(folder, "poller_died", "poller_restarted")
    assert [(entry["who"], entry["kind"], entry["because"]) for entry in died] == [
        ("functions", "poller_died", "kv"),
    ]
    assert found["t_fault_s"] < died[0]["t_s"] < found["t_fix_s"]
    assert found["validity"]["valid"]
    assert found["verdict"] == "degraded"
    assert last(folder, "queue", "waiting_messages") > 2000.0
    assert last(folder, "queue", "oldest_message_s") > 70.0


def test_started_by_hand_it_drains_and_every_message_has_one_end(simulated: Simulate) -> None:
    folder = simulated(BACKLOG, "restarted")
    found = measures(folder)
    assert found["verdict"] == "recovered"
    assert 30.0 < found["time_to_recover_s"] < 45.0, "it was started 30 s after the repair"
    ends = {name: last(folder, "queue", name) for name in ("sent_total", "deleted_total", "in_flight")}
    assert ends["sent_total"] == ends["deleted_total"] + ends["in_flight"] + last(folder, "queue", "waiting_messages")
    assert ends["deleted_total"] > 0.99 * ends["sent_total"]


def test_calls_are_refused_while_it_drains_unless_they_go_first_which_takes_longer(simulated: Simulate) -> None:
    left, alike, first = (measures(simulated(BACKLOG, name)) for name in ("as_it_was", "restarted", "sync_first"))
    outage_only = left["throttled"]["by_component"]["functions"]
    assert alike["throttled"]["by_component"]["functions"] > 2 * outage_only
    assert first["throttled"]["by_component"]["functions"] < 1.1 * outage_only
    assert alike["backlog"]["drain_s"] < first["backlog"]["drain_s"]
    assert first["verdict"] == "recovered"


def test_a_frozen_compute_is_felt_when_the_morning_comes_and_not_before(simulated: Simulate) -> None:
    frozen, quiet, launching = (simulated(FROZEN, name) for name in ("as_it_was", "quiet", "launching"))
    found = measures(frozen)
    assert found["validity"]["valid"]
    assert found["goodput_deficit"]["outage_ops"] <= 2, "the outage itself is not theirs"
    assert (found["verdict"], found["throttled"]["by_component"]["functions"] > 5000) == ("degraded", True)
    assert last(frozen, "functions", "launch_insufficient_total") > 50.0
    assert measures(quiet)["verdict"] in ("never_failed", "recovered")
    assert measures(launching)["verdict"] == "recovered"
    assert last(launching, "functions", "hosts_usable") > 2 * last(frozen, "functions", "hosts_usable")
    assert "scaling_frozen" in [entry["kind"] for entry in entries(frozen, "scaling_frozen", "scaling_again")]


@pytest.mark.parametrize(("component", "listed"), [("functions", functions.GAUGES), ("queue", queue.GAUGES)])
def test_every_gauge_that_is_listed_is_reported(simulated: Simulate, component: str, listed: tuple[str, ...]) -> None:
    read = read_rows(simulated(BACKLOG, "as_it_was").gauges)
    of = read.names["component"].index(component)
    numbers = set(read.rows["gauge"][read.rows["component"] == of].tolist())
    assert set(listed) <= {read.names["gauge"][number] for number in numbers}
    assert len(set(listed)) == len(listed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(8, 17))
def test_ten_seeds_agree_on_the_backlog_and_on_the_frozen_scaling(simulated: Simulate, seed: int) -> None:
    verdicts = {
        (name, variant): measures(simulated(name, variant, seed))["verdict"]
        for name, variants in (
            (BACKLOG, ("as_it_was", "restarted", "sync_first")),
            (FROZEN, ("as_it_was", "launching")),
        )
        for variant in variants
    }
    assert [variant for (_, variant), verdict in verdicts.items() if verdict == "recovered"] == [
        "restarted", "sync_first", "launching",
    ]  # fmt: skip
