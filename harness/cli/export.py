"""`blackstart export DIR --format parquet|csv | --otlp URL`: a run's rows as tables or traces for other tools."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.record.folder import RunFolder


class Form(StrEnum):
    """A file format."""

    PARQUET = "parquet"
    CSV = "csv"


def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="run folder, as printed by `blackstart run`")],
    form: Annotated[Form, typer.Option("--format", help="the format of the files")] = Form.PARQUET,
    out: Annotated[Path | None, typer.Option(help="where the files go (default: DIR/export)")] = None,
    otlp: Annotated[
        str | None, typer.Option(metavar="URL", help="send traces to this OTLP/HTTP collector instead of writing files")
    ] = None,
) -> int:
    """Write operations, attempts, served requests and gauges, with names and words instead of numbers.

    docs/run_folder.md says what each column means, docs/metrics.md what the traces look like.
    """
    run = RunFolder.open(folder)
    if otlp is not None:
        from harness.report.otlp import send

        count, problems = send(run, otlp)
        said = [f"{count} spans sent to {otlp}"]
    else:
        from harness.report.export import export as write

        made, problems = write(run, out or folder / "export", form.value)
        said = [str(path) for path in made]
    for problem in problems:
        typer.echo(f"blackstart: {problem}", err=True)
    for line in said:
        typer.echo(line)
    return 0
