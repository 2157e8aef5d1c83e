"""`blackstart simulate FILE`: the same experiment in virtual time, in seconds instead of its own length."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli import results
from harness.cli.live_runs import Job, exit_of_measures, jobs, worst
from harness.errors import Exit
from harness.record.folder import RunFolder
from harness.spec import ExperimentFile


def simulate(
    file: Annotated[Path, typer.Argument(help="experiment file (YAML)")],
    variant: Annotated[
        list[str] | None, typer.Option(help="simulate this variant; may be given again (default: all)")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="seed of the first run (default: the file's)")] = None,
    runs: Annotated[Path, typer.Option(help="where run folders go")] = Path("runs"),
    repeat: Annotated[
        int | None, typer.Option(min=1, help="runs of each variant, with seeds s, s+1, ... (default: the file's)")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="print measures.json alone on stdout (a list for several runs)")
    ] = False,
    report: Annotated[bool, typer.Option(help="write report.html into each run folder")] = True,
) -> int:
    """Run an experiment in virtual time and judge how it recovered, exactly as a live run is judged."""
    from harness.spec import load_experiment

    loaded = load_experiment(file)
    order = jobs(loaded, variant or [], seed, repeat)
    measured = []
    for job in order:
        folder, measures = simulated(loaded, job, runs)
        measured.append(measures)
        if not as_json:
            again = (
                f"blackstart simulate {shlex.quote(str(file))} --variant {shlex.quote(job.variant)} --seed {job.seed}"
            )
            typer.echo("\n".join(results.lines(measures, str(folder.path), again)))
        if report:
            from harness.report import write_report

            page = write_report(folder)
            if not as_json:
                typer.echo(f"  report  {page}\n")
    if as_json:
        typer.echo(json.dumps(measured[0] if len(order) == 1 else measured, indent=1, allow_nan=False))
    return int(worst([exit_of_measures(measures) for measures in measured]) if measured else Exit.PASS)


def simulated(file: ExperimentFile, job: Job, root: Path) -> tuple[RunFolder, dict[str, Any]]:
    """Simulate one job into a new folder under `root`, and measure it."""
    from harness.analyse import analyse
    from harness.live.clock import wall_stamp
    from harness.plan import make_plan
    from harness.sim import simulate as simulate_plan

    plan = make_plan(file, job.variant, job.seed, engine="world")
    folder = RunFolder.create(root, file.name, job.variant, plan.seed, f"{wall_stamp()}-world")
    simulate_plan(plan, folder)
    return folder, analyse(folder)
