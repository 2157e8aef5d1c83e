"""`blackstart compare FILE|DIR...`: several recoveries side by side, in one table and one report.

With an experiment file its variants are run first, interleaved; with run folders nothing is run. The comparison goes to
`runs/<experiment>/compare-<time>/`, beside the runs it compares.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli import results
from harness.cli.live_runs import do, exit_of, exit_of_measures, jobs, worst
from harness.cli.run import tell
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


def compare(
    what: Annotated[list[Path], typer.Argument(metavar="FILE|DIR...", help="an experiment file, or run folders")],
    variant: Annotated[
        list[str] | None, typer.Option(help="with a file: run this variant; may be given again (default: all)")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="with a file: seed of the first run")] = None,
    repeat: Annotated[int | None, typer.Option(min=1, help="with a file: runs of each variant")] = None,
    runs: Annotated[Path, typer.Option(help="with a file: where run folders go")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="print comparison.json alone on stdout")] = False,
    no_report: Annotated[bool, typer.Option("--no-report", help="write no report.html")] = False,
) -> int:
    """Run variants, or read run folders, and compare their recoveries."""
    folders, codes = gather(what, variant or [], seed, repeat, runs, as_json, not no_report)
    if len(folders) < 2:
        if codes and worst(codes) not in (Exit.PASS, Exit.CRITERION_FAILED, Exit.INVALID):
            return int(worst(codes))
        raise SpecError("compare: needs at least two runs; name more variants, more run folders, or use --repeat 2")
    comparison, out = judge(folders)
    if as_json:
        typer.echo(json.dumps(comparison, indent=1, allow_nan=False))
    else:
        typer.echo("\n".join(side_by_side([folder.read_json(folder.measures) for folder in folders])))
        typer.echo("\n".join(f"\n{sentence}" for sentence in comparison.get("sentences", ())))
        typer.echo(f"\n  comparison  {out / 'comparison.json'}")
    if not no_report:
        from harness.report import write_comparison

        page = write_comparison(folders, out, comparison)
        if not as_json:
            typer.echo(f"  report      {page}")
    return int(worst([*codes, *exits_of(comparison)]))


def gather(
    what: Sequence[Path],
    variants: Sequence[str],
    seed: int | None,
    repeat: int | None,
    runs: Path,
    quiet: bool,
    write_report: bool,
) -> tuple[list[RunFolder], list[Exit]]:
    """The measured runs to compare and what each is worth. Raises SpecError for a mixture, RecordError for no run."""
    if any(path.is_dir() for path in what):
        if variants or seed is not None or repeat is not None:
            raise SpecError("compare: --variant, --seed and --repeat choose what to run; run folders are not run again")
        from harness.analyse import analyse

        folders = [RunFolder.open(path) for path in what]
        codes = []
        for folder in folders:
            measures = folder.read_json(folder.measures) if folder.measures.is_file() else analyse(folder)
            codes.append(exit_of_measures(measures))
        return folders, codes
    if len(what) != 1:
        raise SpecError(f"compare: {len(what)} files; name one experiment file, or two or more run folders")
    from harness.spec import load_experiment

    file = load_experiment(what[0])
    done = []
    for job in jobs(file, variants, seed, repeat):
        done.append(do(file, job, runs))
        tell(done[-1], what[0], quiet, write_report)
        if done[-1].measures is None:
            break
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
