"""`blackstart compare FILE|DIR...`: several recoveries side by side, in one table and one report.

With an experiment file its variants are run first, interleaved, on real sockets or in virtual time; with run folders
nothing is run. `LABEL=DIR` compares a folder under another name than its variant's: the same variant before and after a
change, say. With `--until-sure` seeds are added until every answer is settled. The comparison goes to
`runs/<experiment>/compare-<time>/`, beside the runs it compares.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli import results
from harness.cli.live_runs import exit_of, exit_of_measures, jobs, worst
from harness.cli.run import LIVE, WORLD, do_all
from harness.errors import Exit, RunError, SpecError
from harness.record.folder import RunFolder

if TYPE_CHECKING:
    from harness.compare.looks import Look
    from harness.study.until_sure import Sure

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
    what: Annotated[
        list[str], typer.Argument(metavar="FILE|[LABEL=]DIR...", help="an experiment file, or run folders")
    ],
    variant: Annotated[
        list[str] | None, typer.Option(help="with a file: run this variant; may be given again (default: all)")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="with a file: seed of the first run")] = None,
    repeat: Annotated[int | None, typer.Option(min=1, help="with a file: runs of each variant")] = None,
    engine: Annotated[
        Engine | None, typer.Option(help="with a file: on real sockets, or in virtual time (default: live)")
    ] = None,
    until_sure: Annotated[
        float | None, typer.Option(help="with a file: add seeds until every answer has this confidence, 0.95 say")
    ] = None,
    at_most: Annotated[int, typer.Option(min=6, help="with --until-sure: runs of each variant at most")] = 30,
    runs: Annotated[Path, typer.Option(help="with a file: where run folders go")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="print comparison.json alone on stdout")] = False,
    no_report: Annotated[bool, typer.Option("--no-report", help="write no report.html")] = False,
) -> int:
    """Run variants, or read run folders, and compare their recoveries."""
    labels, paths = split(what)
    sure: Sure | None = None
    if any(path.is_dir() for path in paths):
        if variant or seed is not None or repeat is not None or engine is not None or until_sure is not None:
            raise SpecError(
                "compare: --variant, --seed, --repeat, --engine and --until-sure choose what to run; run folders are "
                "not run again"
            )
        folders, codes = read(paths)
    elif len(paths) != 1:
        raise SpecError(f"compare: {len(paths)} files; name one experiment file, or two or more run folders")
    else:
        how = (engine or Engine.LIVE, runs, as_json, not no_report)
        if until_sure is None:
            folders, codes = run_all(paths[0], variant or [], seed, repeat, *how)
        else:
            if repeat is not None:
                raise SpecError("compare: --until-sure decides how many runs there are; leave out --repeat")
            sure, codes = run_until_sure(paths[0], variant or [], seed, (until_sure, at_most), *how)
            folders = sure.folders
    if len(folders) < 2:
        if codes and worst(codes) not in (Exit.PASS, Exit.CRITERION_FAILED, Exit.INVALID):
            return int(worst(codes))
        raise SpecError(TOO_FEW)
    comparison, out = judge(folders, labels, sure)
    if as_json:
        typer.echo(json.dumps(comparison, indent=1, allow_nan=False))
    else:
        named = [
            {**folder.read_json(folder.measures), "variant": run["variant"]}
            for folder, run in zip(folders, comparison["runs"], strict=True)
        ]
        typer.echo("\n".join(side_by_side(ranked(named, comparison))))
        typer.echo("\n".join(f"\n{sentence}" for sentence in comparison.get("sentences", ())))
        typer.echo(f"\n  comparison  {out / 'comparison.json'}")
    if not no_report:
        from harness.report import write_comparison

        page = write_comparison(folders, out, comparison)
        if not as_json:
            typer.echo(f"  report      {page}")
    return int(worst([*codes, *exits_of(comparison)]))


def read(paths: Sequence[Path]) -> tuple[list[RunFolder], list[Exit]]:
    """Run folders and what each is worth; those whose measures cannot be trusted are measured again from their rows.

    Raises RecordError for what is no run.
    """
    from harness.gate.runs import fresh

    folders, codes = [RunFolder.open(path) for path in paths], []
    for folder in folders:
        for sentence in fresh(folder):
            typer.echo(f"blackstart: {sentence}", err=True)
        codes.append(exit_of_measures(folder.read_json(folder.measures)))
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


def run_until_sure(
    source: Path,
    variants: Sequence[str],
    seed: int | None,
    sureness: tuple[float, int],
    engine: Engine,
    runs: Path,
    quiet: bool,
    write_report: bool,
) -> tuple[Sure, list[Exit]]:
    """Run pairs until every answer is settled at the confidence of `sureness`, or its number of pairs is done."""
    from harness.spec import load_experiment
    from harness.study.until_sure import until_sure

    confidence, most = sureness
    if not 0.5 <= confidence < 1.0:
        raise SpecError(f"compare: --until-sure {confidence:g} is no confidence; write a share under 1, 0.95 say")
    file = load_experiment(source)
    names = list(dict.fromkeys(variants)) or list(file.variants)
    if len(names) < 2:
        raise SpecError("compare: --until-sure needs two variants; there is nothing to be sure of with one")
    codes: list[Exit] = []

    def more(done: int, add: int) -> list[RunFolder] | None:
        order = jobs(file, names, (file.seed if seed is None else seed) + done, add)
        outcomes = do_all(source, file, order, LIVE if engine is Engine.LIVE else WORLD, runs, quiet, write_report)
        codes.extend(exit_of(outcome) for outcome in outcomes)
        return [outcome.folder for outcome in outcomes] if all(one.measures is not None for one in outcomes) else None

    def tell(look: Look, unsettled: int) -> None:
        settled = "all settled" if not unsettled else f"{unsettled} answer{'' if unsettled == 1 else 's'} still unsure"
        sys.stderr.write(f"after {look.pairs} pairs, at level {look.level:.3f}: {settled}\n")

    try:
        return until_sure(more, len(names), most, 1.0 - confidence, tell), codes
    except ValueError as error:
        raise SpecError(f"compare: {error}; raise --at-most, or compare fewer variants") from error


def split(what: Sequence[str]) -> tuple[list[str | None], list[Path]]:
    """`LABEL=DIR` into its two parts; a path that exists as it stands has no label."""
    parts = [("", text) if Path(text).exists() or "=" not in text else tuple(text.split("=", 1)) for text in what]
    return [label or None for label, _ in parts], [Path(path) for _, path in parts]


def judge(
    folders: Sequence[RunFolder], labels: Sequence[str | None] = (), sure: Sure | None = None
) -> tuple[dict[str, Any], Path]:
    """Compare the runs; the comparison, and the folder it was written to."""
    from harness.compare import compare as compare_runs
    from harness.live.clock import wall_stamp

    comparison: dict[str, Any] = compare_runs(folders, labels, sure.pairs if sure else None)
    if sure is not None:
        comparison["looks"] = [look._asdict() for look in sure.taken]
    out = _made(folders[0].path.parent, f"compare-{wall_stamp()}")
    folders[0].write_json(out / "comparison.json", comparison)
    return comparison, out


def _made(parent: Path, name: str) -> Path:
    """A new folder: two comparisons may end within one second."""
    for number in count(1):
        out = parent / (name if number == 1 else f"{name}-{number}")
        try:
            out.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise RunError(f"{out}: cannot make the folder of the comparison: {error.strerror}") from error
        return out
    raise AssertionError("numbers do not end")


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
