"""What tests of several areas share: experiments run in virtual time, once a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from harness.analyse import analyse
from harness.plan import make_plan
from harness.record.folder import RunFolder
from harness.sim import simulate
from harness.spec.load import load_experiment

# On a shared machine an example may take a hundred times its time; timings are the business of benchmarks/.
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")

ROOT = Path(__file__).parent.parent
EXPERIMENTS = ROOT / "experiments"

Simulate = Callable[..., RunFolder]


def _play(root: Path, experiment: str | Path, variant: str, seed: int = 7) -> RunFolder:
    """Run one variant of an experiment (a file in experiments/ by name, or a path) in the world and analyse it."""
    path = experiment if isinstance(experiment, Path) else EXPERIMENTS / f"{experiment}.yaml"
    file = load_experiment(path)
    plan = make_plan(file, variant, seed, engine="world")
    folder = RunFolder.create(root, file.name, variant, seed, "test")
    simulate(plan, folder)
    analyse(folder)
    return folder


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Simulate:
    """`simulated(experiment, variant, seed=7)`: the folder of a simulated run; equal calls share one."""
    root = tmp_path_factory.mktemp("runs")
    known: dict[tuple[str, str, int], RunFolder] = {}

    def run(experiment: str, variant: str, seed: int = 7) -> RunFolder:
        key = (experiment, variant, seed)
        if key not in known:
            known[key] = _play(root, experiment, variant, seed)
        return known[key]

    return run


@pytest.fixture(scope="session")
def play() -> Callable[..., RunFolder]:
    """`play(root, experiment or path, variant, seed=7)`: a simulated run of its own, under `root`."""
    return _play


@pytest.fixture(scope="session")
def experiments() -> Path:
    """The folder of the experiments that come with the project."""
    return EXPERIMENTS
