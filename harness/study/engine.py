"""One run of a cell, whichever engine can do it: a seed in, what is told about the run out.

The kernel plays a run hundreds of times faster than the world, and not every run. What must not happen is that the two
are *judged* differently, so both go through the same measures: windows of the same width, the same lines, validity and
verdict (`harness.analyse`). The kernel's counts and rows are put into those windows in memory; the world leaves a run
folder, which is read as any other and then removed.

    prepare(subject.file(settings), "auto") -> Runner        runner.tell(seed) -> Told

`auto` takes the kernel where it can express the plan and numba is installed, else the world; `kernel` and `world`
insist. A kernel run without a p99 line needs only counts per window (fast, constant memory); with one it needs rows.

Leaves out: what only a folder of rows can tell (wasted work, audit, latency). `blackstart simulate` gives all of it.
"""

from __future__ import annotations

import importlib.util
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from harness.errors import RunError, SpecError
from harness.plan import Plan, make_plan
from harness.record.folder import RunFolder
from harness.spec import ExperimentFile

ENGINES: Final = ("auto", "kernel", "world")


class Told(NamedTuple):
    """One run, as far as a sweep asks. None where the measure is not defined in this run."""

    engine: str
    verdict: str
    recovered: bool | None  # None for an invalid run
    time_to_recover_s: float | None
    horizon_s: float | None  # load after the fix: how long a recovery was watched for
    amplification: float | None  # attempts per operation due, from the fault to the end of the load
    amplification_peak: float | None
    goodput_outage_per_s: float | None  # operations due in the phase that met their deadline
    goodput_recovery_per_s: float | None
    backlog_peak: float | None
    drain_s: float | None


class Runner(Protocol):
    """One cell, ready to be run with any seed."""

    engine: str

    def tell(self, seed: int) -> Told:
        """Run it. Raises RunError when the run cannot be done."""

    def tell_all(self, seeds: Sequence[int]) -> tuple[Told, ...]:
        """Run it with each of these seeds, in their order."""


def prepare(file: ExperimentFile, engine: str = "auto") -> Runner:
    """The runner of a file's first variant. Raises SpecError for an engine that cannot express it."""
    if engine not in ENGINES:
        raise SpecError(f"unknown engine {engine!r}; engines are {', '.join(ENGINES)}")
    plan = make_plan(file, file.variants[0], engine="world")
    reason = why_no_kernel(plan)
    if engine == "kernel" and reason is not None:
        raise SpecError(f"{file.source}: {reason}, or sweep it with --engine world")
    if engine == "world" or reason is not None:
        return WorldRunner(plan)
    from harness.study.counted import KernelRunner

    return KernelRunner(plan)


def why_no_kernel(plan: Plan) -> str | None:
    """Why the kernel does not run a plan; None when it does."""
    if importlib.util.find_spec("numba") is None:
        return "the kernel needs numba, which is not installed (pip install blackstart[sim])"
    from harness.sim.kernels import why_not

    return why_not(plan)


class WorldRunner:
    """Runs in the world, by way of a run folder that is removed afterwards."""

    engine = "world"

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def tell_all(self, seeds: Sequence[int]) -> tuple[Told, ...]:
        """One after the other."""
        return tuple(map(self.tell, seeds))

    def tell(self, seed: int) -> Told:
        """Simulate, analyse, and keep the measures a sweep asks for."""
        from harness.analyse import analyse
        from harness.sim import simulate

        plan = replace(self._plan, seed=seed)
        try:
            with tempfile.TemporaryDirectory(prefix="blackstart-study-") as root:
                folder = RunFolder.create(Path(root), plan.name, plan.variant, seed, "world")
                simulate(plan, folder)
                return from_measures(analyse(folder), plan)
        except OSError as error:
            raise RunError(
                f"a run of {plan.name} could not be kept while it was measured: {error}; free some space, or point "
                "TMPDIR elsewhere"
            ) from error


def from_measures(measures: Mapping[str, Any], plan: Plan) -> Told:
    """What a sweep keeps of a run's measures."""
    spans = {phase.name: phase.end_s - phase.start_s for phase in plan.phases}
    latency = measures["latency"]

    def good_per_s(phase: str) -> float | None:
        return rounded(latency[phase]["good"] / spans[phase]) if phase in latency else None

    return Told(
        "world",
        measures["verdict"],
        measures["recovered"],
        measures["time_to_recover_s"],
        measures["horizon_s"],
        measures["amplification"]["overall"],
        measures["amplification"]["peak"],
        good_per_s("outage"),
        good_per_s("recovery"),
        measures["backlog"]["peak"],
        measures["backlog"]["drain_s"],
    )


def rounded(value: float | None) -> float | None:
    """As measures.json rounds, so that engines do not differ in the last bits; nan is None."""
    return None if value is None or math.isnan(value) else round(float(value), 9)
