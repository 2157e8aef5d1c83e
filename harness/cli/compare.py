"""`blackstart compare FILE|DIR...`: several recoveries side by side, in one table and one report.

With an experiment file its variants are run first, interleaved, on real sockets or in virtual time; with run folders
nothing is run. The comparison goes to `runs/<experiment>/compare-<time>/`, beside the runs it compares.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli import results
from harness.cli.live_runs import exit_of, exit_of_measures, jobs, worst
from harness.cli.run import LIVE, WORLD, do_all
from harness.errors import Exit, RunError, SpecError
from harness.record.folder import RunFolder

_COLUMNS = (
    ("verdict", "verdict", ""),
    ("time to recover", "time_to_recover_s", "s"),
    ("lost after the fix", "goodput_deficit.recovery_ops", "n"),
    ("peak attempts/operation", "amplification.peak", "x"),
    ("wasted", "wasted_work_ratio", "%"),
    ("peak waiting", "backlog.peak", "n"),
)
TOO_FEW = "compare: needs at least two runs; name more variants, more run folders, or use --repeat 2"


class Engine(StrEnum):
    """What runs an experiment."""

    LIVE = "live"
    SIMULATE = "simulate"


def compare(
    what: Annotated[list[Path], typer.Argument(metavar="FILE|DIR...", help="an experiment file, or run folders")],
    variant: Annotated[
        list[str] | None, typer.Option(help="with a file: run this variant; may be given again (default: all)")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="with a file: seed of the first run")] = None,
    repeat: Annotated[int | None, typer.Option(min=1, help="with a file: runs of each variant")] = None,
    engine: Annotated[
        Engine | None, typer.Option(help="with a file: on real sockets, or in virtual time (default: live)")
    ] = None,
    runs: Annotated[Path, typer.Option(help="with a file: where run folders go")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="print comparison.json alone on stdout")] = False,
    no_report: Annotated[bool, typer.Option("--no-report", help="write no report.html")] = False,
) -> int:
    """Run variants, or read run folders, and compare their recoveries."""
    if any(path.is_dir() for path in what):
        if variant or seed is not None or repeat is not None or engine is not None:
            raise SpecError(
                "compare: --variant, --seed, --repeat and --engine choose what to run; run folders are not run again"
            )
        folders, codes = read(what)
    elif len(what) != 1:
        raise SpecError(f"compare: {len(what)} files; name one experiment file, or two or more run folders")
    else:
        how = (engine or Engine.LIVE, runs, as_json, not no_report)
        folders, codes = run_all(what[0], variant or [], seed, repeat, *how)
    if len(folders) < 2:
        if codes and worst(codes) not in (Exit.PASS, Exit.CRITERION_FAILED, Exit.INVALID):
            return int(worst(codes))
        raise SpecError(TOO_FEW)
    comparison, out = judge(folders)
    if as_json:
        typer.echo(json.dumps(comparison, indent=1, allow_nan=False))
    else:
        measured = ranked([folder.read_json(folder.measures) for folder in folders], comparison)
        typer.echo("\n".join(side_by_side(measured)))
        typer.echo("\n".join(f"\n{sentence}" for sentence in comparison.get("sentences", ())))
        typer.echo(f"\n  comparison  {out / 'comparison.json'}")
    if not no_report:
        from harness.report import write_comparison

        page = write_comparison(folders, out, comparison)
        if not as_json:
            typer.echo(f"  report      {page}")
    return int(worst([*codes, *exits_of(comparison)]))


def read(paths: Sequence[Path]) -> tuple[list[RunFolder], list[Exit]]:
    """Run folders, measured if that was not done, and what each is worth. Raises RecordError for what is no run."""
    from harness.analyse import analyse

    folders, codes = [RunFolder.open(path) for path in paths], []
    for folder in folders:
        measures = folder.read_json(folder.measures) if folder.measures.is_file() else analyse(folder)
        codes.append(exit_of_measures(measures))
    return folders, codes


def run_all(
    source: Path,
    variants: Sequence[str],
    seed: int | None,
    repeat: int | None,
    engine: Engine,
    runs: Path,
    quiet: bool,
    write_report: bool,
) -> tuple[list[RunFolder], list[Exit]]:
    """Run what is to be compared, until a run fails: the measured runs, and what each run was worth."""
    from harness.spec import load_experiment

    file = load_experiment(source)
    order = jobs(file, variants, seed, repeat)
    if len(order) < 2:  # said before anything is run, because a run takes its own length
        raise SpecError(TOO_FEW)
    how = LIVE if engine is Engine.LIVE else WORLD
    done = do_all(source, file, order, how, runs, quiet, write_report)
    return [outcome.folder for outcome in done if outcome.measures is not None], [exit_of(outcome) for outcome in done]


def judge(folders: Sequence[RunFolder]) -> tuple[dict[str, Any], Path]:
    """Compare the runs; the comparison, and the folder it was written to."""
    from harness.compare import compare as compare_runs
    from harness.live.clock import wall_stamp

    comparison: dict[str, Any] = compare_runs(folders)
    out = folders[0].path.parent / f"compare-{wall_stamp()}"
    try:
        out.mkdir()
    except OSError as error:
        raise RunError(f"{out}: cannot make the folder of the comparison: {error.strerror}") from error
    folders[0].write_json(out / "comparison.json", comparison)
    return comparison, out


def exits_of(comparison: Mapping[str, Any]) -> list[Exit]:
    """What the comparison's own criteria are worth."""
    worth = {"fail": Exit.CRITERION_FAILED, "unsure": Exit.INVALID}
    return [worth.get(str(answer.get("verdict")), Exit.PASS) for answer in comparison.get("expect") or ()]


def ranked(measured: Sequence[Mapping[str, Any]], comparison: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The runs by their variants' rank, then by seed."""
    places = {one["variant"]: place for place, one in enumerate(comparison.get("ranking", ()))}
    return sorted(measured, key=lambda measures: (places.get(measures["variant"], len(places)), measures["seed"]))


def side_by_side(measured: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line for each run, in columns."""
    heads = ["run", *(label for label, _, _ in _COLUMNS)]
    rows = [
        [f"{measures['variant']} s{measures['seed']}", *(_cell(measures, key, unit) for _, key, unit in _COLUMNS)]
        for measures in measured
    ]
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [heads, *rows]]
    return [line.rstrip() for line in lines]


def _cell(measures: Mapping[str, Any], key: str, unit: str) -> str:
    value = results.look(measures, key)
    if value is None:
        return "not reached" if key == "time_to_recover_s" and measures.get("censored") else "-"
    return results.show(value, unit)
