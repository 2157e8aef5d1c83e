"""`blackstart analyse DIR`: measure a run folder again, with this version's rules, from its rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.cli import results
from harness.cli.live_runs import exit_of_measures
from harness.record.folder import RunFolder


def analyse(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="run folder, as printed by `blackstart run`")],
    as_json: Annotated[bool, typer.Option("--json", help="print measures.json alone on stdout")] = False,
) -> int:
    """Measure a run folder again and write its measures.json. Exit codes are those of `run`."""
    from harness.analyse import analyse as measure
    from harness.plan import Plan
    from harness.report.run_page import repeat_line

    found = RunFolder.open(folder)
    measures = measure(found)
    if as_json:
        typer.echo(json.dumps(measures, indent=1, allow_nan=False))
    else:
        plan = Plan.from_json(found.read_json(found.plan), str(found.plan))
        typer.echo("\n".join(results.lines(measures, str(folder), repeat_line(plan, found))))
    return int(exit_of_measures(measures))
