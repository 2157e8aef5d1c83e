"""The simulated twin: the same plan, flows, models and policies in virtual time.

    simulate(plan, folder)    the world on an event heap; leaves a run folder of the live form

Where to look: `heap` (time), `network` (connections and names), `conversation` (flows), `servers` (the services),
`world` (one run). Importing this package loads nothing by itself.
"""

from __future__ import annotations

import platform
from importlib import metadata

from harness import __version__
from harness.plan import Plan
from harness.record.folder import RunFolder


def simulate(plan: Plan, folder: RunFolder) -> None:
    """Run a plan in virtual time into an empty run folder; the same plan leaves the same bytes.

    Raises RunError when the run feeds a storm without end, or the folder cannot be written.
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
    world.run()
    world.region.save(folder.region)
    folder.write_json(folder.path / "load-0.json", world.summary())
    folder.write_json(folder.manifest, {**manifest, "state": "done", "exit_code": 0, "steps": world.heap.steps_done})
