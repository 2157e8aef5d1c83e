"""Does the twin tell the truth? One live run against its own plan in virtual time, curve by curve.

A simulator that agrees with itself proves nothing. So a live run's plan is played again in the world, and what both
recorded is laid side by side, window by window of one second:

    nrmse = root mean square of (world - live) / range of the live curve

for goodput and for waiting work, together with both verdicts and both times to recover. The band that was promised
(same verdict, 10 %, 15 % or one second) is judged here; where a run is further off, the figures say by how much.

Arrivals, users, service times and retries' jitter are the same draws in both; what differs is what a machine adds:
scheduling, sockets, the moment at which an operator's request arrives.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.analyse import judge
from harness.analyse.drawing import Curves
from harness.plan import Plan
from harness.record.folder import RunFolder
from harness.sim import simulate

NRMSE_MAX = 0.10
TTR_SHARE_MAX = 0.15
TTR_S_MAX = 1.0
_BIN_S = 1.0

Array = np.ndarray[Any, np.dtype[np.float64]]


class Parity(NamedTuple):
    """One live run beside its simulated twin; times in seconds, None where not reached."""

    variant: str
    seed: int
    verdict_live: str
    verdict_world: str
    ttr_live_s: float | None
    ttr_world_s: float | None
    goodput_nrmse: float
    backlog_nrmse: float

    @property
    def agrees(self) -> bool:
        """True when verdict, curves and time to recover all lie within the band."""
        return (
            self.verdict_live == self.verdict_world
            and self.goodput_nrmse <= NRMSE_MAX
            and self.backlog_nrmse <= NRMSE_MAX
            and same_time(self.ttr_live_s, self.ttr_world_s)
        )


def same_time(live_s: float | None, world_s: float | None) -> bool:
    """True when both were not reached, or they differ by at most 15 % or one second."""
    if live_s is None or world_s is None:
        return live_s is world_s
    return abs(world_s - live_s) <= max(TTR_S_MAX, TTR_SHARE_MAX * live_s)


def nrmse(live: Array, world: Array) -> float:
    """Root mean square difference over the range of `live`; 0 for two equal curves, inf if only `live` is flat."""
    difference = float(np.sqrt(np.mean((world - live) ** 2)))
    spread = float(live.max() - live.min())
    return 0.0 if difference == 0.0 else difference / spread if spread > 0.0 else float("inf")


def binned(values: Array, width_s: float) -> Array:
    """Means over whole seconds."""
    per_bin = round(_BIN_S / width_s)
    whole = values.size // per_bin * per_bin
    means: Array = values[:whole].reshape(-1, per_bin).mean(axis=1)
    return means


def backlog(curves: Curves) -> Array:
    """All waiting work together."""
    total: Array = np.sum(list(curves.backlog.values()), axis=0)
    return np.nan_to_num(total)


def against_world(live: RunFolder) -> Parity:
    """Play a live run's plan in virtual time and compare. Raises RecordError when `live` is not a run."""
    measures_live, curves_live = judge(live)
    plan = Plan.from_json(live.read_json(live.plan), str(live.plan))
    with tempfile.TemporaryDirectory() as root:
        folder = RunFolder.create(Path(root), plan.name, plan.variant, plan.seed, "world")
        simulate(replace(plan, engine="world"), folder)
        measures_world, curves_world = judge(folder)
    length = min(curves_live.t_s.size, curves_world.t_s.size)
    pairs = [
        (
            binned(one(curves_live)[:length], curves_live.width_s),
            binned(one(curves_world)[:length], curves_world.width_s),
        )
        for one in (lambda curves: curves.goodput, backlog)
    ]
    return Parity(
        plan.variant,
        plan.seed,
        measures_live["verdict"],
        measures_world["verdict"],
        measures_live["time_to_recover_s"],
        measures_world["time_to_recover_s"],
        *(nrmse(*pair) for pair in pairs),
    )
