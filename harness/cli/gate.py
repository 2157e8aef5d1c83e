"""`blackstart gate DIR...|FILE`: may this change be merged? Every criterion answered, one exit code, and CI's formats.

With run folders nothing is run; with an experiment file its variants are run first, live or in virtual time. What a
person reads goes to stdout, what a machine reads to files, each named by its own option.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.compare import Engine
from harness.cli.live_runs import exit_of, jobs, worst
from harness.cli.run import LIVE, WORLD, do_all
from harness.errors import Exit, RunError, SpecError
from harness.record.folder import RunFolder

_BASELINES = Path("baselines")
_JUDGED = (Exit.PASS, Exit.CRITERION_FAILED, Exit.INVALID)  # what a run with measures is worth; the gate says it again


def gate(
    what: Annotated[list[Path], typer.Argument(metavar="FILE|DIR...", help="an experiment file, or run folders")],
    variant: Annotated[list[str] | None, typer.Option(help="only this variant; may be given again")] = None,
    seed: Annotated[int | None, typer.Option(help="with a file: seed of the first run")] = None,
    repeat: Annotated[int | None, typer.Option(min=1, help="with a file: runs of each variant")] = None,
    engine: Annotated[
        Engine | None, typer.Option(help="with a file: on real sockets, or in virtual time (default: live)")
    ] = None,
    runs: Annotated[Path, typer.Option(help="with a file: where run folders go")] = Path("runs"),
    criteria: Annotated[
        Path | None, typer.Option(help="with run folders: take the expect lines of this experiment file")
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="the saved baseline (default: baselines/<experiment>.json if it is there)")
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="write JUnit XML, one case per criterion")] = None,
    github: Annotated[
        bool, typer.Option("--github", help="print annotations; append to the step's summary and outputs")
    ] = False,
    gitlab: Annotated[Path | None, typer.Option(help="write GitLab's metrics report (OpenMetrics)")] = None,
    markdown: Annotated[Path | None, typer.Option(help="write Markdown for a comment on a pull request")] = None,
    benchmark: Annotated[
        Path | None, typer.Option(help="write JSON for github-action-benchmark (customSmallerIsBetter)")
    ] = None,
    bencher: Annotated[Path | None, typer.Option(help="write Bencher Metric Format")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the whole judgement alone on stdout")] = False,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="exit 0 also when criteria failed or are unsure, to report only")
    ] = False,
) -> int:
    """Judge runs by their experiment's expect lines: 0 all held, 1 one failed, 3 these runs cannot say."""
    from harness.gate import judge

    wanted = list(dict.fromkeys(variant or []))
    folders, lines = _folders(what, wanted, seed, repeat, engine, runs, criteria)
    found = judge(folders, lines=lines, variants=wanted, baseline=baseline or _default(folders[0]))
    if as_json:
        typer.echo(json.dumps(found, indent=1, allow_nan=False))
    else:
        typer.echo("\n".join(told(found)))
    for path, make in _files(junit, gitlab, markdown, benchmark, bencher):
        _write(path, make(found))
    if github:
        _github(found, to_stderr=as_json)
    return int(Exit.PASS) if exit_zero else int(found["exit_code"])


def _folders(
    what: Sequence[Path],
    variants: Sequence[str],
    seed: int | None,
    repeat: int | None,
    engine: Engine | None,
    runs: Path,
    criteria: Path | None,
) -> tuple[list[RunFolder], list[dict[str, Any]] | None]:
    """The runs to judge, done first where a file was named, and the lines to judge by where others are wanted."""
    from harness.spec import load_experiment

    if len(what) == 1 and what[0].is_file():
        if criteria is not None:
            raise SpecError("gate: --criteria chooses the lines for run folders; an experiment file brings its own")
        file = load_experiment(what[0])
        if not file.expect:
            raise SpecError(f"{what[0]}: no `expect` lines; a gate without criteria lets everything through")
        order = jobs(file, variants, seed, repeat)
        done = do_all(what[0], file, order, WORLD if engine is Engine.SIMULATE else LIVE, runs, True, False)
        ended = worst([exit_of(outcome) for outcome in done])
        if ended not in _JUDGED:
            raise _Ended(ended)
        return [outcome.folder for outcome in done], None
    if seed is not None or repeat is not None or engine is not None:
        raise SpecError("gate: --seed, --repeat and --engine choose what to run; run folders are not run again")
    lines = None
    if criteria is not None:
        lines = [line.model_dump(mode="json", by_alias=True) for line in load_experiment(criteria).expect]
    return [RunFolder.open(path) for path in what], lines


class _Ended(RunError):
    """A run ended before there was anything to judge; its message is on stderr already."""

    def __init__(self, code: Exit) -> None:
        super().__init__("gate: a run did not come to its end, so nothing was judged")
        self.exit_code = code


def _default(folder: RunFolder) -> Path | None:
    """The baseline file of the runs' experiment, if it lies where one is looked for."""
    path = _BASELINES / f"{folder.path.resolve().parent.name}.json"
    return path if path.is_file() else None


def told(found: Mapping[str, Any]) -> list[str]:
    """The judgement for people: what failed first."""
    order = {"fail": 0, "unsure": 1, "pass": 2}
    lines = [f"note: {note}" for note in found["notes"]]
    for one in sorted(found["criteria"], key=lambda one: order[one["verdict"]]):
        lines.append(f"{one['verdict']:<7} {one['name']}")
        lines.append(f"        {one['why']}")
    return [*lines, "", found["sentence"]]


def _files(
    junit: Path | None, gitlab: Path | None, markdown: Path | None, benchmark: Path | None, bencher: Path | None
) -> list[tuple[Path, Callable[[Mapping[str, Any]], str]]]:
    """The files asked for, and what makes each."""
    from harness.report import gate_text, trends
    from harness.report import junit as junit_form

    asked = (
        (junit, junit_form.junit),
        (gitlab, trends.open_metrics),
        (markdown, gate_text.markdown),
        (benchmark, trends.benchmark_action),
        (bencher, trends.bencher),
    )
    return [(path, make) for path, make in asked if path is not None]


def _github(found: Mapping[str, Any], *, to_stderr: bool) -> None:
    """Annotations in the log, and the step's summary and outputs where GitHub says they are."""
    from harness.report import gate_text
    from harness.report import github as form

    typer.echo("\n".join(form.notes(found)), err=to_stderr)
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        there = Path(summary).stat().st_size if Path(summary).is_file() else 0
        _write(Path(summary), gate_text.markdown(found, max(8_192, gate_text.SUMMARY_BYTES - there)), append=True)
    named = os.environ.get("GITHUB_OUTPUT")
    if named:
        _write(Path(named), form.outputs(found), append=True)


def _write(path: Path, text: str, *, append: bool = False) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if append else "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror}") from error
