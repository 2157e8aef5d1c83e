"""What the parity tests share: a plan played by the world and by the kernel, all rows compared."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from harness.plan import Plan, make_plan
from harness.record.folder import RunFolder
from harness.record.rows import read_rows
from harness.sim.kernels import KernelRows, run_kernel, why_not
from harness.sim.network import Delays
from harness.sim.world import World
from harness.spec.load import parse_experiment

FILES = {
    "operation": "load-0-operation",
    "attempt": "load-0-attempt",
    "served": "kv-served",
    "app_attempt": "mobile_banking-attempt",
    "app_served": "mobile_banking-served",
}
NO_DELAYS = Delays(0.0, 0.0, 0.0)
WINDOW_NS = 237_110_003  # no moment of these runs falls on its multiples, where rows round and counts do not


def of_the_world(plan: Plan, delays: Delays | None = None) -> KernelRows:
    """All rows of a world; without an app its two kinds are empty."""
    with tempfile.TemporaryDirectory() as root:
        folder = RunFolder.create(Path(root), "parity", plan.variant, plan.seed, "test")
        World(plan, folder, delays).run()
        paths = {kind: folder.rows / f"{name}.rows" for kind, name in FILES.items()}
        found = {kind: np.array(read_rows(path).rows) for kind, path in paths.items() if path.exists()}
    empty = {"app_attempt": found["attempt"][:0], "app_served": found["served"][:0]}
    return KernelRows(**{**empty, **found})


def agree(plan: Plan, delays: Delays | None = None) -> KernelRows:
    """The rows of a plan, which are the same in world and kernel, or an error."""
    assert why_not(plan) is None
    world, kernel = of_the_world(plan, delays), run_kernel(plan, delays)
    for kind, theirs, ours in zip(FILES, world, kernel, strict=True):
        assert theirs.dtype == ours.dtype, kind
        assert theirs.tolist() == ours.tolist(), kind
    return kernel


def plan_of(spec: dict[str, Any], seed: int) -> Plan:
    """The plan of a file's first variant."""
    file = parse_experiment(yaml.safe_dump(spec))
    return make_plan(file, file.variants[0], seed, engine="world")


def slow(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The timeline's two lines: `spec` from the start of the outage to its end."""
    component, _, fault = spec["do"].partition(".")
    return [
        {"at": "outage.start", **spec},
        {"at": "outage.end", "do": f"{component}.heal", "with": {"fault": fault}, "fix": component != "load"},
    ]


TROUBLES = (
    slow({"do": "kv.latency", "with": {"mean": "100ms"}}),
    slow({"do": "kv.latency", "with": {"factor": 5}}),
    slow({"do": "kv.capacity", "with": {"slots": 1}}),
    slow({"do": "kv.errors", "with": {"share": 0.5}}),
    slow({"do": "dns.empty_record"}),
    slow({"do": "load.surge", "with": {"factor": 3}}) + slow({"do": "kv.capacity", "with": {"slots": 1}}),
    [
        {"at": "outage.start", "do": "kv.latency", "with": {"mean": "100ms", "for": "450ms"}},
        {"at": "outage.end", "do": "kv.drop_queue", "fix": True},
    ],
)
