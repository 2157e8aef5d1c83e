"""`blackstart run FILE`: run an experiment's variants on real sockets, measure each, and print verdicts."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from harness.cli import results
from harness.cli.live_runs import Job, Outcome, again, do, do_simulated, exit_of, jobs, worst
from harness.errors import Exit
from harness.live.loaders import ONE_PROCESS, Loaders, check
from harness.spec import ExperimentFile

File = Annotated[Path, typer.Argument(metavar="FILE", help="experiment file (YAML)")]
Variants = Annotated[list[str] | None, typer.Option(help="this variant; may be given again (default: all)")]
Seed = Annotated[int | None, typer.Option(help="seed of the first run (default: the file's)")]
Runs = Annotated[Path, typer.Option(help="where run folders go")]
Repeat = Annotated[
    int | None, typer.Option(min=1, help="runs of each variant, with seeds s, s+1, ... (default: the file's)")
]
AsJson = Annotated[bool, typer.Option("--json", help="print measures.json alone on stdout (a list for several runs)")]
NoReport = Annotated[bool, typer.Option("--no-report", help="write no report.html")]
Processes = Annotated[int, typer.Option(metavar="N", help="Locust processes on this host that share the load")]
Elsewhere = Annotated[int, typer.Option(metavar="N", help="further workers, started by you on other hosts")]
MetricsPort = Annotated[
    int | None, typer.Option(metavar="PORT", min=1, max=65535, help="expose /metrics for Prometheus on 127.0.0.1")
]
Bind = Annotated[str | None, typer.Option(metavar="ADDRESS", help="where those find Locust's master on this host")]


def run(
    file: File,
    variant: Variants = None,
    seed: Seed = None,
    runs: Runs = Path("runs"),
    repeat: Repeat = None,
    as_json: AsJson = False,
    no_report: NoReport = False,
    processes: Processes = 1,
    elsewhere: Elsewhere = 0,
    bind: Bind = None,
    metrics_port: MetricsPort = None,
) -> int:
    """Run an experiment on real sockets and judge how it recovered.

    Every variant is run unless --variant says otherwise; with repeats they are interleaved. Progress goes to stderr.
    """
    load = check(Loaders(processes, elsewhere, bind))
    how = LIVE
    if load != ONE_PROCESS or metrics_port is not None:
        word = LIVE.word if load == ONE_PROCESS else f"{LIVE.word}{_written(load)}"
        how = How(partial(do, load=load, metrics_port=metrics_port), word)
    return run_file(how, file, variant or [], seed, repeat, runs, as_json, not no_report)


def _written(load: Loaders) -> str:
    """The options that say so."""
    far = f" --elsewhere {load.elsewhere} --bind {load.bind}" if load.elsewhere else ""
    return f" --processes {load.processes}{far}"


class How(NamedTuple):
    """How runs are done: `do` does one, `word` is the command that repeats it."""

    do: Callable[[ExperimentFile, Job, Path], Outcome]
    word: str


LIVE = How(do, "run")
WORLD = How(do_simulated, "simulate")


def do_all(
    source: Path, file: ExperimentFile, order: Sequence[Job], how: How, runs: Path, quiet: bool, write_report: bool
) -> list[Outcome]:
    """Do the runs in order and tell of each, until one ends without measures."""
    done: list[Outcome] = []
    for job in order:
        done.append(how.do(file, job, runs))
        tell(done[-1], source, quiet, write_report, how.word)
        if done[-1].measures is None:
            break
    return done


def print_json(done: Sequence[Outcome], alone: bool) -> None:
    """The measures on stdout: one object for a single run, else a list; nothing when nothing was measured."""
    measured = [outcome.measures for outcome in done if outcome.measures is not None]
    if measured:
        typer.echo(json.dumps(measured[0] if alone else measured, indent=1, allow_nan=False))


def run_file(
    how: How,
    source: Path,
    variants: Sequence[str],
    seed: int | None,
    repeat: int | None,
    runs: Path,
    as_json: bool,
    write_report: bool,
) -> int:
    """Do all runs of an experiment file, tell of each; the exit code."""
    from harness.spec import load_experiment

    file = load_experiment(source)
    order = jobs(file, variants, seed, repeat)
    done = do_all(source, file, order, how, runs, as_json, write_report)
    if as_json:
        print_json(done, alone=len(order) == 1)
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
