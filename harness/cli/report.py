"""`blackstart report RUN...`: write the reports of run folders again, or a post-event summary of one of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.record.folder import RunFolder


def report(
    run: Annotated[list[Path], typer.Argument(metavar="RUN...", help="run folders, as printed by `blackstart run`")],
    post_event: Annotated[
        bool,
        typer.Option(
            "--post-event",
            help="sum up the first run as post-event.md and post-event.html; the others, or those beside it, tell what "
            "would have helped",
        ),
    ] = False,
) -> int:
    """Write report.html and its charts again, measuring runs first where that was not done."""
    from harness.analyse import analyse
    from harness.report import write_post_event, write_report

    folders = [RunFolder.open(path) for path in run]
    for folder in folders:
        if not folder.measures.is_file():
            analyse(folder)
    for path in write_post_event(folders[0], folders[1:]) if post_event else map(write_report, folders):
        typer.echo(str(path))
    return 0
