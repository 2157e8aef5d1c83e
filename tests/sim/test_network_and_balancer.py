"""The two stages of the recovery in virtual time: what sustains them, and that the announced fixes end it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.record.folder import RunFolder
from harness.record.rows import read_rows
from harness.spec.components import balancer, network

Simulate = Callable[..., RunFolder]
SEEDS = (7, 8, 9)


def measures(folder: RunFolder) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(folder.measures.read_text())
    return found


def gauge_names(folder: RunFolder, component: str) -> set[str]:
    read = read_rows(folder.gauges)
    number = read.names["component"].index(component)
    return {read.names["gauge"][gauge] for gauge in set(read.rows["gauge"][read.rows["component"] == number].tolist())}


def kinds(folder: RunFolder) -> list[str]:
    return [json.loads(line)["kind"] for line in folder.journal.read_text().splitlines()]


@pytest.mark.parametrize("seed", SEEDS)
def test_quick_workers_alone_do_not_end_the_networks_backlog_and_the_throttle_does(
    simulated: Simulate, seed: int
) -> None:
    stuck = measures(simulated("components/network_backlog", "as_it_was", seed))
    throttled = measures(simulated("components/network_backlog", "limit_by_queue", seed))
    assert stuck["validity"]["valid"]
    assert stuck["goodput_deficit"]["recovery_ops"] == 1000, "not one start came good in the 50 s after the fix"
    assert (stuck["throttled"]["server"], stuck["verdict"] in ("degraded", "metastable")) == (0, True)
    assert throttled["verdict"] == "recovered"
    assert throttled["time_to_recover_s"] < 15.0
    assert throttled["throttled"]["by_component"]["network"] > 0


def test_what_sustains_the_backlog_is_replacing_and_not_only_the_cost_of_a_long_line(
    play: Callable[..., RunFolder], experiments: Path, tmp_path: Path
) -> None:
    text = (experiments / "components/network_backlog.yaml").read_text()
    free = tmp_path / "free.yaml"
    free.write_text(text.replace("backlog_cost: 0.2", "backlog_cost: 0"))
    found = measures(play(tmp_path, free, "as_it_was"))
    assert found["verdict"] in ("degraded", "metastable")
    assert found["goodput_deficit"]["recovery_ops"] > 900


@pytest.mark.parametrize("seed", SEEDS)
def test_a_checker_that_overloads_itself_stays_so_until_failover_is_off(simulated: Simulate, seed: int) -> None:
    left = simulated("components/balancer_flapping", "as_it_was", seed)
    off = simulated("components/balancer_flapping", "failover_off", seed)
    assert measures(left)["verdict"] in ("degraded", "metastable")
    assert measures(left)["goodput_deficit"]["recovery_ops"] > 1000
    assert measures(off)["verdict"] == "recovered"
    assert measures(off)["time_to_recover_s"] <= 15.0, "10 s until they act, and then what has piled up"
    assert kinds(left).count("zone_removed") > 20
    assert "failover_off" in kinds(off)


@pytest.mark.parametrize("seed", SEEDS)
def test_with_a_limit_on_removals_nobody_notices_the_flapping(simulated: Simulate, seed: int) -> None:
    folder = simulated("components/balancer_flapping", "velocity_limit", seed)
    assert measures(folder)["verdict"] == "never_failed"
    assert "zone_removed" not in kinds(folder)


def test_every_gauge_a_component_reports_is_in_its_list_and_the_other_way_round(simulated: Simulate) -> None:
    for experiment, component, listed in (
        ("components/network_backlog", "network", network.GAUGES),
        ("components/balancer_flapping", "balancer", balancer.GAUGES),
    ):
        found = gauge_names(simulated(experiment, "as_it_was", SEEDS[0]), component)
        assert set(listed) <= found
        assert len(set(listed)) == len(listed)


def test_equal_seeds_give_equal_runs(play: Callable[..., RunFolder], tmp_path: Path) -> None:
    one, other = (play(tmp_path / name, "components/balancer_flapping", "as_it_was") for name in "ab")
    assert (one.rows / "balancer-served.rows").read_bytes() == (other.rows / "balancer-served.rows").read_bytes()
    assert one.gauges.read_bytes() == other.gauges.read_bytes()
