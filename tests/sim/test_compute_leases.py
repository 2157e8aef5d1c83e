"""Compute in the world: the published thresholds exactly, through a store with a queue, and the collapse as users feel
it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from harness.record.folder import RunFolder
from harness.record.rows import read_rows

STUCK = ("metastable", "degraded")


def reading(folder: RunFolder, name: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """One gauge of compute over time: (seconds, values)."""
    rows = read_rows(folder.path / "gauges.rows")
    names = rows.names
    here = (rows.rows["component"] == names["component"].index("compute")) & (
        rows.rows["gauge"] == names["gauge"].index(name)
    )
    return rows.rows["t_ns"][here] / 1e9, rows.rows["value"][here]


def cold_start(path: Path, c: int, t: int, droplets: int, **leases: Any) -> Path:
    """Every droplet in line at zero, and hardly a user: the minimal model with a real store."""
    seconds = droplets / c * 0.1 + 3.0
    path.write_text(
        yaml.safe_dump(
            {
                "title": "All leases at once",
                "seed": 7,
                "region": {
                    "kv": {"slots": 2 * c, "service": {"mean": "20ms", "distribution": "fixed"}},
                    "mobile_banking": None,
                    "compute": {
                        "depends_on": ["kv"],
                        "droplets": droplets,
                        "leases": {
                            "attempts_per_tick": c, "timeout_ticks": t, "tick": "100ms", "held_at_start": False,
                            "lease": "1000s", "check_every": "900s", **leases,
                        },
                    },
                },
                "load": {"launches": {"arrivals": {"rate": "1/s", "process": "even"}, "users": 5}},
                "phases": {"warm_up": "1s", "baseline": "1s", "outage": "1s", "recovery": f"{seconds}s", "drain": "1s"},
                "timeline": [
                    {"at": "outage.start", "do": "kv.latency", "with": {"factor": 1.1}},
                    {"at": "outage.end", "do": "kv.heal", "with": {"fault": "latency"}, "fix": True},
                ],
                "variants": {"cold": {}},
                "expect": [{"variant": "cold", "measure": "censored", "is": False}],
            }
        )
    )  # fmt: skip
    return path


@pytest.mark.parametrize(
    ("c", "t", "droplets", "fix", "leased", "wasteful"),
    [
        (4, 3, 12, {}, 12, False),
        (4, 3, 23, {}, 23, True),
        (4, 3, 24, {}, 12, True),
        (4, 3, 48, {}, 12, True),
        (4, 3, 48, {"line_cap": 12}, 48, False),
        (4, 3, 48, {"drop_expired": True}, 48, False),
        (50, 20, 1000, {}, 1000, False),
        (50, 20, 1999, {}, 1999, True),
        (50, 20, 2000, {}, 1000, True),
        (50, 20, 2000, {"line_cap": 1000}, 2000, False),
    ],
)
def test_the_threshold_is_exact_in_the_world(
    tmp_path: Path, play: Callable[..., RunFolder], c: int, t: int, droplets: int, fix: dict[str, Any], leased: int,
    wasteful: bool,
) -> None:  # fmt: skip
    folder = play(tmp_path, cold_start(tmp_path / "cold.yaml", c, t, droplets, **fix), "cold")
    at_s, values = reading(folder, "leased")
    _, wasted = reading(folder, "wasted_attempts_total")
    _, busy = reading(folder, "lease_worker_busy")
    assert values[-1] == leased
    assert bool(wasted[-1] > 0) is wasteful
    assert bool(busy[-1] == 1.0) is (leased < droplets)
    if not wasteful:  # after tick k all of its C are leased: (k + 1) C of them between ticks k and k + 1
        between = np.flatnonzero(np.abs(at_s * 10 % 1 - 0.5) < 0.01)
        ticks = np.floor(at_s[between] * 10).astype(int)
        assert between.size > 2
        assert values[between].tolist() == np.minimum((ticks + 1) * c, droplets).tolist()


@pytest.mark.parametrize("variant", ["as_it_was", "restarted"])
def test_without_a_throttle_the_fleet_stays_stuck(simulated: Callable[..., RunFolder], variant: str) -> None:
    folder = simulated("components/compute_leases", variant)
    assert folder.read_json(folder.measures)["verdict"] in STUCK
    _, leased = reading(folder, "leased")
    if variant == "as_it_was":
        assert leased[-1] == 12
    assert 12 <= leased[-1] < 120


@pytest.mark.parametrize("variant", ["throttled", "capped", "drop_expired"])
def test_with_the_line_kept_short_all_leases_come_back(simulated: Callable[..., RunFolder], variant: str) -> None:
    folder = simulated("components/compute_leases", variant)
    assert folder.read_json(folder.measures)["verdict"] == "recovered"
    told = [json.loads(line) for line in folder.journal.read_text().splitlines()]
    back = next(entry["t_s"] for entry in told if entry["kind"] == "store_back")
    leased = next(entry for entry in told if entry["kind"] == "all_leased")
    if variant == "throttled":
        assert any(entry["kind"] == "managers_restarted" and entry["dropped"] == 108 for entry in told)
    else:  # 120 / 4 ticks of half a second, and the last write within its tick
        assert 14.5 < leased["t_s"] - back < 15.5
