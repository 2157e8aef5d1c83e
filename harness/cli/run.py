"""`blackstart run FILE`: run an experiment's variants on real sockets, measure each, and print verdicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.cli import results
from harness.cli.live_runs import Outcome, again, do, exit_of, jobs, worst
from harness.errors import Exit


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="experiment file (YAML)")],
    variant: Annotated[
        list[str] | None, typer.Option(help="run this variant; may be given again (default: all)")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="seed of the first run (default: the file's)")] = None,
    runs: Annotated[Path, typer.Option(help="where run folders go")] = Path("runs"),
    repeat: Annotated[
        int | None, typer.Option(min=1, help="runs of each variant, with seeds s, s+1, ... (default: the file's)")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="print measures.json alone on stdout (a list for several runs)")
    ] = False,
    no_report: Annotated[bool, typer.Option("--no-report", help="write no report.html")] = False,
) -> int:
    """Run an experiment on real sockets and judge how it recovered.

    Every variant is run unless --variant says otherwise; with repeats they are interleaved. Progress goes to stderr.
    """
    from harness.spec import load_experiment

    loaded = load_experiment(file)
    order = jobs(loaded, variant or [], seed, repeat)
    done: list[Outcome] = []
    for job in order:
        outcome = do(loaded, job, runs)
        done.append(outcome)
        tell(outcome, file, as_json, write_report=not no_report)
        if outcome.measures is None:
            break
    if as_json:
        measured = [outcome.measures for outcome in done if outcome.measures is not None]
        if measured:
            typer.echo(json.dumps(measured[0] if len(order) == 1 else measured, indent=1, allow_nan=False))
    return int(worst([exit_of(outcome) for outcome in done]))


def tell(outcome: Outcome, file: Path, as_json: bool, write_report: bool, word: str = "run") -> None:
    """Write the report of one run and say how it went; a run without measures says why on stderr."""
    path = outcome.folder.path
    if outcome.measures is None:
        typer.echo(f"blackstart: {outcome.state.message}", err=True)
        typer.echo(f"blackstart: what was recorded is in {path}; measure it with `blackstart analyse {path}`", err=True)
        return
    if outcome.state.exit_code is Exit.STOPPED:
        typer.echo(f"blackstart: {outcome.state.message}", err=True)
    if not as_json:
        typer.echo("\n".join(results.lines(outcome.measures, str(path), again(file, outcome, word))))
    if write_report:
        from harness.report import write_report as write

        page = write(outcome.folder)
        if not as_json:
            typer.echo(f"  report  {page}\n")
