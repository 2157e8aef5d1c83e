"""`blackstart report DIR`: write the report of a run folder again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.record.folder import RunFolder


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="run folder, as printed by `blackstart run`")],
) -> int:
    """Write report.html and its charts again, measuring the run first if that was not done."""
    from harness.analyse import analyse
    from harness.report import write_report

    found = RunFolder.open(folder)
    if not found.measures.is_file():
        analyse(found)
    typer.echo(str(write_report(found)))
    return 0
