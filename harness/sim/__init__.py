"""The simulated twin: the same plan, flows, models and policies in virtual time.

    simulate(plan, folder)    the world on an event heap; leaves a run folder of the live form

Where to look: `heap` (time), `network` (connections and names), `conversation` (flows), `region` and `servers` (the
services), `load` (operations), `records` (what is written down), `world` (one run). Importing this package loads
nothing by itself.
"""

from __future__ import annotations

import platform
from importlib import metadata
from typing import TYPE_CHECKING, Any

from harness import __version__
from harness.errors import RunError
from harness.plan import Plan
from harness.record.folder import RunFolder

if TYPE_CHECKING:
    from harness.sim.world import World


def simulate(plan: Plan, folder: RunFolder) -> None:
    """Run a plan in virtual time into an empty run folder; the same plan leaves the same bytes.

    Raises RunError when the run feeds a storm without end, something of the timeline could not be done, or the folder
    cannot be written; what was recorded until then is kept whole.
    """
    from harness.sim.network import Delays
    from harness.sim.world import World

    facts = plan.at_zero(0).to_json()
    delays = Delays()
    folder.write_json(folder.plan, facts)
    folder.experiment.write_text(plan.experiment.text())
    manifest = {
        "schema_version": 1,
        "state": "running",
        **{key: facts[key] for key in ("experiment", "variant", "seed", "fingerprint", "engine")},
        "exit_code": None,
        "clock": "virtual",
        "zero_monotonic_ns": 0,
        "delays": delays._asdict(),
        "versions": {
            "blackstart": __version__,
            "python": platform.python_version(),
            "numpy": metadata.version("numpy"),
        },
    }
    folder.write_json(folder.manifest, manifest)
    world = World(plan, folder, delays)
    try:
        world.run()
    except RunError as error:
        _keep(world, folder, {**manifest, "state": "failed", "exit_code": int(error.exit_code), "message": str(error)})
        raise RunError(f"{error}; what was recorded is in {folder.path}") from error
    _keep(world, folder, {**manifest, "state": "done", "exit_code": 0})


def _keep(world: World, folder: RunFolder, manifest: dict[str, Any]) -> None:
    """Write what is known only when the run is over."""
    world.region.map.save(folder.region)
    folder.write_json(folder.path / "load-0.json", world.summary())
    folder.write_json(folder.manifest, {**manifest, "steps": world.heap.steps_done})
