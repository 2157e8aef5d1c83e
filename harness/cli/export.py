"""`blackstart export DIR --format parquet|csv`: a run's rows as tables for other tools."""

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
) -> int:
    """Write operations, attempts, served requests and gauges, with names and words instead of numbers.

    docs/run_folder.md says what each column means.
    """
    from harness.report.export import export as write

    made, problems = write(RunFolder.open(folder), out or folder / "export", form.value)
    for problem in problems:
        typer.echo(f"blackstart: {problem}", err=True)
    for path in made:
        typer.echo(str(path))
    return 0
