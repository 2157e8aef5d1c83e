"""`blackstart history DIR...`: what many runs were worth, in a table, as a chart, and kept in one small file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.errors import SpecError
from harness.units import show_s


def history(
    where: Annotated[
        list[Path] | None, typer.Argument(metavar="DIR...", help="run folders, or folders that hold them, as in runs/")
    ] = None,
    db: Annotated[Path | None, typer.Option(help="keep the runs in this SQLite file, and tell of all it holds")] = None,
    experiment: Annotated[str | None, typer.Option(help="only this experiment")] = None,
    variant: Annotated[list[str] | None, typer.Option(help="only this variant; may be given again")] = None,
    measure: Annotated[str, typer.Option(help="the measure to draw, a key of measures.json")] = "time_to_recover",
    last: Annotated[int, typer.Option(min=1, help="rows of the table for each variant")] = 20,
    chart: Annotated[Path | None, typer.Option(help="draw the trend as SVG and PNG into this folder")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print all runs alone as JSON on stdout")] = False,
) -> int:
    """List runs by experiment and variant, the newest last, and draw how a measure went."""
    from harness.compare import SIDE_BY_SIDE
    from harness.gate.history import History, find
    from harness.spec.vocabulary import full_key

    if not where and db is None:
        raise SpecError("history: names no run; name folders with runs, as in runs/, or a kept history with --db FILE")
    key = full_key(measure)
    if key not in SIDE_BY_SIDE:
        raise SpecError(f"history: {measure!r} is not among the measures kept: {', '.join(SIDE_BY_SIDE)}")
    with History(db) as kept:
        notes = kept.take(find(where)) if where else []
        entries = [entry._asdict() for entry in kept.entries(experiment, variant or [])]
    for note in notes:
        typer.echo(f"blackstart: {note}", err=True)
    if not entries:
        raise SpecError("history: no such run; leave out --experiment and --variant to see what there is")
    typer.echo(json.dumps(entries, indent=1) if as_json else "\n".join(_told(entries, str(key), last)))
    if chart is not None:
        for path in _draw(entries, str(key), chart):
            typer.echo(str(path), err=as_json)
    return 0


def _grouped(entries: Sequence[Mapping[str, Any]], *keys: str) -> dict[tuple[str, ...], list[Mapping[str, Any]]]:
    found: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for entry in entries:
        found.setdefault(tuple(str(entry[key]) for key in keys), []).append(entry)
    return found


def _told(entries: Sequence[Mapping[str, Any]], key: str, last: int) -> list[str]:
    """One line per run, and one wherever the experiment or the suite changed."""
    lines = []
    for (experiment, engine, variant), runs in _grouped(entries, "experiment", "engine", "variant").items():
        well = sum(run["verdict"] in ("recovered", "never_failed") for run in runs if run["valid"])
        valid = sum(run["valid"] for run in runs)
        lines += ["", f"{experiment} / {variant}, {engine}: {len(runs)} runs, {well} of {valid} valid ones recovered"]
        before: tuple[str, str] | None = None
        for number, run in enumerate(runs):
            now = (run["fingerprint"], run["suite"])
            if before is not None and before != now:
                lines.append(f"  -- from here on another experiment: {now[0]}, blackstart {now[1]}")
            before = now
            if number >= len(runs) - last:
                lines.append(_row(run, key))
    return lines[1:]


def _row(run: Mapping[str, Any], key: str) -> str:
    value = run["values"].get(key)
    text = "-" if value is None else show_s(value) if key.endswith("_s") else f"{value:.4g}"
    if value is None and key == "time_to_recover_s" and run["values"].get("censored"):
        text = f"not in {show_s(run['values'].get('horizon_s'))}"
    ratio = run["values"].get("amplification.overall")
    amplified = "-" if ratio is None else f"{ratio:.2f}x"
    verdict = run["verdict"] if run["valid"] else "invalid"
    return f"  {run['started'] or '-':<19}  seed {run['seed']:<6} {verdict:<12} {key} {text:<14} {amplified}"


def _draw(entries: Sequence[Mapping[str, Any]], key: str, directory: Path) -> list[Path]:
    from harness.report.history import write_history

    return [
        write_history(runs, key, f"{experiment} ({engine}): {key}", directory, f"{experiment}-{engine}-{key}")
        for (experiment, engine), runs in _grouped(entries, "experiment", "engine").items()
    ]
