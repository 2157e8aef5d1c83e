"""What `run` and `compare` share: which runs to do in which order, doing one, and what it is worth as an exit code.

Variants are interleaved (A B, then B A with the next seed): a machine that slows down over half an hour then does so to
all of them alike. Seeds are the same for every variant, so that runs can be compared in pairs.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import Exit
from harness.live.loaders import ONE_PROCESS, Loaders
from harness.live.way_out import RunState
from harness.record.folder import RunFolder
from harness.spec import ExperimentFile

WORST_FIRST = (
    Exit.TERMINATED, Exit.INTERRUPTED, Exit.MACHINERY, Exit.USAGE, Exit.STOPPED, Exit.CRITERION_FAILED, Exit.INVALID,
)  # fmt: skip


class Job(NamedTuple):
    """One run to do."""

    variant: str
    seed: int


class Outcome(NamedTuple):
    """One run done. `measures` is None when the run failed before there was anything to measure."""

    job: Job
    folder: RunFolder
    state: RunState
    measures: dict[str, Any] | None


def jobs(file: ExperimentFile, wanted: Sequence[str], seed: int | None, repeat: int | None) -> list[Job]:
    """The runs in the order to do them. Raises SpecError for an unknown variant."""
    variants = list(dict.fromkeys(wanted)) or list(file.variants)
    for name in variants:
        file.variant(name)
    first = file.seed if seed is None else seed
    order = []
    for number in range(file.repeat if repeat is None else repeat):
        turn = variants if number % 2 == 0 else variants[::-1]
        order += [Job(name, first + number) for name in turn]
    return order


def do(
    file: ExperimentFile, job: Job, root: Path, load: Loaders = ONE_PROCESS, metrics_port: int | None = None
) -> Outcome:
    """Run one job live into a new folder under `root`, and measure it; `load` says how many processes make the load.

    Progress goes to stderr, and to whoever scrapes `metrics_port`.
    """
    import trio

    from harness.analyse import analyse
    from harness.cli.progress import ProgressLine
    from harness.live import loaders
    from harness.live.clock import wall_stamp
    from harness.live.events import Event
    from harness.live.metrics import MetricsPort
    from harness.live.orchestrate import run_live
    from harness.plan import make_plan

    plan = make_plan(file, job.variant, job.seed)
    with ExitStack() as stack:
        listeners = [] if metrics_port is None else [stack.enter_context(MetricsPort(plan, metrics_port)).hear]
        folder = RunFolder.create(root, file.name, job.variant, plan.seed, wall_stamp())  # not when the port is taken
        if load.elsewhere:
            sys.stderr.write(f"start {load.elsewhere} times, elsewhere: {loaders.invitation(load, plan.stories)}\n")
        line = stack.enter_context(ProgressLine(plan, f"{file.name} / {job.variant}, seed {plan.seed}"))
        listeners.append(line.emit)

        def emit(event: Event) -> None:
            for listener in listeners:
                listener(event)

        state = trio.run(partial(run_live, plan, folder, emit, load=load))
    measured = state.exit_code in (Exit.PASS, Exit.STOPPED)
    return Outcome(job, folder, state, analyse(folder) if measured else None)


def do_simulated(file: ExperimentFile, job: Job, root: Path) -> Outcome:
    """Run one job in virtual time into a new folder under `root`, and measure it."""
    from harness.analyse import analyse
    from harness.live.clock import wall_stamp
    from harness.live.way_out import DONE
    from harness.plan import make_plan
    from harness.sim import simulate

    plan = make_plan(file, job.variant, job.seed, engine="world")
    folder = RunFolder.create(root, file.name, job.variant, plan.seed, f"{wall_stamp()}-world")
    simulate(plan, folder)
    return Outcome(job, folder, DONE, analyse(folder))


def again(source: Path, outcome: Outcome, word: str = "run") -> str:
    """The line that repeats a run; `word` is the one that did it."""
    job = outcome.job
    return f"blackstart {word} {shlex.quote(str(source))} --variant {shlex.quote(job.variant)} --seed {job.seed}"


def exit_of(outcome: Outcome) -> Exit:
    """What one run is worth: 0, 1 when a criterion failed, 3 when invalid or unsure, or how the run itself ended."""
    if outcome.state.exit_code is not Exit.PASS or outcome.measures is None:
        return outcome.state.exit_code
    return exit_of_measures(outcome.measures)


def exit_of_measures(measures: Mapping[str, Any]) -> Exit:
    """The same for measures alone. Comparative lines need `compare` and count for nothing here."""
    if not measures["validity"]["valid"]:
        return Exit.INVALID
    answers = {answer["verdict"] for answer in measures.get("expect") or () if "compare" not in answer}
    if "fail" in answers:
        return Exit.CRITERION_FAILED
    return Exit.INVALID if "unsure" in answers else Exit.PASS


def worst(codes: Sequence[Exit]) -> Exit:
    """One exit code for several runs: what needs a person first comes first."""
    return next((code for code in WORST_FIRST if code in codes), Exit.PASS)
