"""The first hours in virtual time: each part falls after the one before it, for its own reason, and only for that one.

"After" is read from journal and gauges; "because" is shown by cutting each edge: what comes before the cut still falls,
and nothing behind it does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from harness.flows.call import CallResult
from harness.flows.wants import Cause, Reply, Result
from harness.models.compute import Compute
from harness.models.compute_leases import LeaseKeeper
from harness.record.folder import RunFolder
from harness.record.rows import read_rows

Simulate = Callable[..., RunFolder]
Play = Callable[..., RunFolder]
CHAIN = ("dns", "leases", "launches", "network", "balancer", "functions")
SEEDS = range(7, 17)
LONG_S = 1.5  # for a change of the network: in ten runs in which nothing falls none waits for 1.4 s
STUCK = ("no_throttle", "no_poller_restart", "no_network_limit", "no_failover_off")

pytestmark = pytest.mark.long


class Seen:
    """What a run left behind: measures, journal, gauges."""

    def __init__(self, folder: RunFolder) -> None:
        self.measures: dict[str, Any] = json.loads(folder.measures.read_text())
        self.journal = [json.loads(line) for line in folder.journal.read_text().splitlines()]
        self._read = read_rows(folder.gauges)

    def first(self, kind: str, who: str) -> float | None:
        """When a component first wrote down something of this kind."""
        return next((e["t_s"] for e in self.journal if (e["kind"], e["who"]) == (kind, who)), None)

    def last(self, kind: str) -> float:
        """When something of this kind was last written down; -1 for never."""
        return max((e["t_s"] for e in self.journal if e["kind"] == kind), default=-1.0)

    def gauge(self, component: str, gauge: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Moments and readings."""
        rows, names = self._read.rows, self._read.names
        mine = (rows["component"] == names["component"].index(component)) & (
            rows["gauge"] == names["gauge"].index(gauge)
        )
        return rows["t_ns"][mine] / 1e9, rows["value"][mine]

    def over(self, component: str, gauge: str, line: float, from_s: float = 0.0) -> float | None:
        """When a gauge is first above a line."""
        t_s, value = self.gauge(component, gauge)
        found = t_s[(value > line) & (t_s >= from_s)]
        return float(found[0]) if found.size else None

    def at(self, component: str, gauge: str, at_s: float) -> float:
        """The last reading before a moment."""
        t_s, value = self.gauge(component, gauge)
        return float(value[t_s <= at_s][-1])

    def began(self) -> dict[str, float | None]:
        """When each stage began; None for a part that stayed well."""
        return {
            "dns": self.first("first_empty_answer", "dns"),
            "leases": self.first("leases_lost", "compute"),
            "launches": self.over("compute", "insufficient_capacity_total", 0.0),
            "network": self.over("network", "oldest_change_s", LONG_S),
            "balancer": self.first("zone_removed", "balancer"),
            "functions": self.over("functions", "unhealthy_replaced_total", 2.0),
        }


@pytest.fixture
def cut(play: Play, experiments: Path, tmp_path: Path) -> Callable[[dict[str, Any]], Seen]:
    """`cut(patch)`: the run as it was operated, with the region patched."""

    def run(region: dict[str, Any]) -> Seen:
        spec = yaml.safe_load((experiments / "cascade.yaml").read_text())
        spec |= {"variants": {"cut": {"region": region}}, "expect": []}
        path = tmp_path / "cascade.yaml"
        path.write_text(yaml.safe_dump(spec, sort_keys=False))
        return Seen(play(tmp_path, path, "cut"))

    return run


def stayed_well(seen: Seen, first: str) -> None:
    """Everything before `first` fell, and nothing from there on."""
    began = seen.began()
    place = CHAIN.index(first)
    assert [name for name in CHAIN if began[name] is not None] == list(CHAIN[:place])


@pytest.mark.parametrize("seed", SEEDS)
def test_each_part_falls_after_the_one_before_it_and_all_get_up_again(simulated: Simulate, seed: int) -> None:
    seen = Seen(simulated("cascade", "as_operated", seed))
    began = {name: at_s for name, at_s in seen.began().items() if at_s is not None}
    assert sorted(began, key=began.__getitem__) == list(CHAIN), began
    assert seen.measures["validity"]["valid"]
    assert seen.measures["verdict"] == "recovered"


def test_each_part_falls_for_a_reason_of_its_own(simulated: Simulate) -> None:
    seen = Seen(simulated("cascade", "as_operated", 7))
    began = {name: at_s for name, at_s in seen.began().items() if at_s is not None}
    fix_s = seen.measures["t_fix_s"]
    # Leases end for want of state checks, while the store is away; launches are refused when those have gone.
    assert seen.at("compute", "state_checks_failed_total", began["leases"]) > 0.0
    assert began["leases"] < began["launches"] < fix_s
    assert seen.at("compute", "leased", began["launches"]) < 12.0
    # Then the store is back, and the lease manager is stuck at C T until its line was capped and thrown away.
    restarted_s = next(entry["t_s"] for entry in seen.journal if entry.get("name") == "restart_managers")
    assert seen.at("compute", "leased", restarted_s) == 12.0
    assert seen.at("compute", "wasted_attempts_total", restarted_s) > 100.0
    # The network was never in trouble before what was held back came, and it came with the leases.
    assert restarted_s < began["network"]
    before, after = (seen.at("compute", "launches_total", at_s) for at_s in (restarted_s, began["network"]))
    assert (after - before) / (began["network"] - restarted_s) > 1.5 * 4.4, (
        "on a good day 4 users and 0.4 hosts a second"
    )
    # Zones go while targets are unreachable that the network has not told of, and the checker is late.
    assert seen.at("balancer", "unreachable", began["balancer"]) >= 3.0
    assert seen.at("network", "last_propagation_s", began["balancer"]) > 1.0
    assert seen.over("balancer", "check_lateness_s", 0.4, fix_s) is not None
    # Hosts are ended because they are called unhealthy; none was for want of reach before the balancer said so.
    assert seen.at("functions", "unhealthy_replaced_total", restarted_s) == 0.0


def test_the_poller_dies_of_the_store_and_stays_dead_after_it(simulated: Simulate) -> None:
    seen = Seen(simulated("cascade", "no_poller_restart", 7))
    died = [entry for entry in seen.journal if entry["kind"].startswith("poller_")]
    assert [(entry["kind"], entry["because"]) for entry in died] == [("poller_died", "kv")]
    assert seen.at("queue", "waiting_messages", 1e9) > 500.0


@pytest.mark.parametrize("variant", STUCK)
def test_without_one_deed_its_part_stays_down(simulated: Simulate, variant: str) -> None:
    seen = Seen(simulated("cascade", variant, 7))
    end_s = 1e9
    assert seen.measures["verdict"] in ("degraded", "metastable", "draining")
    down = {
        "no_throttle": seen.at("compute", "leased", end_s) == 12.0,
        "no_poller_restart": seen.at("functions", "poller_alive", end_s) == 0.0,
        "no_network_limit": seen.at("network", "waiting_changes", end_s) > 500.0,
        "no_failover_off": seen.last("zone_removed") > 110.0,
    }
    assert [name for name, is_down in down.items() if is_down] == [variant]


def test_without_the_throttle_nothing_behind_the_leases_ever_begins(simulated: Simulate) -> None:
    stayed_well(Seen(simulated("cascade", "no_throttle", 7)), "network")


@pytest.mark.parametrize("seed", SEEDS)
def test_with_the_race_fixed_nothing_falls(simulated: Simulate, seed: int) -> None:
    seen = Seen(simulated("cascade", "race_fixed", seed))
    assert set(seen.began().values()) == {None}
    assert seen.measures["verdict"] == "never_failed"


# One edge after another is cut


def test_whoever_keeps_addresses_feels_no_empty_record(cut: Callable[..., Seen]) -> None:
    seen = cut({name: {"resolver": "serve_stale"} for name in ("compute", "functions", "identity", "balancer")})
    stayed_well(seen, "leases")
    assert seen.first("poller_died", "functions") is None


def test_leases_are_kept_by_a_compute_that_finds_the_store(cut: Callable[..., Seen]) -> None:
    seen = cut({"compute": {"resolver": "serve_stale"}})
    stayed_well(seen, "leases")
    assert seen.first("poller_died", "functions") is not None, "the others did feel it"


def test_launches_that_need_neither_lease_nor_record_never_stop(
    cut: Callable[..., Seen], monkeypatch: pytest.MonkeyPatch
) -> None:
    def recorded(self: Compute, number: int, put: Any, what: str, request: Any, now_s: float) -> Any:
        return CallResult(True, Reply(Result.OK, 200, Cause.NONE, now_s), 1, now_s, False)
        yield

    monkeypatch.setattr(LeaseKeeper, "has", lambda self, droplet: True)
    monkeypatch.setattr(Compute, "_record", recorded)
    stayed_well(cut({}), "launches")


def test_a_network_without_a_backlog_takes_all_launches_at_once(cut: Callable[..., Seen]) -> None:
    instant = {"propagation": {"slots": 100, "service": {"mean": "1ms"}}, "backlog_cost": 0}
    stayed_well(cut({"network": instant}), "network")


def test_a_balancer_that_need_not_wait_for_the_network_does_not_flap(cut: Callable[..., Seen]) -> None:
    stayed_well(cut({"balancer": {"depends_on": []}}), "balancer")


def test_functions_that_do_not_believe_the_balancer_keep_their_hosts(cut: Callable[..., Seen]) -> None:
    stayed_well(cut({"functions": {"fleet": {"grace": "none"}}}), "functions")


def test_a_poller_that_finds_the_store_lives_on(cut: Callable[..., Seen]) -> None:
    seen = cut({"functions": {"resolver": "serve_stale"}})
    assert seen.first("poller_died", "functions") is None
    assert seen.began()["functions"] is not None, "the hosts fall all the same"
