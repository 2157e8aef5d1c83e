"""`blackstart reproduce`: published results beside ours, in one table; exits 1 when one does not agree."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.errors import Exit


def reproduce(
    only: Annotated[list[str] | None, typer.Option(help="this result, as in R12; may be given again")] = None,
    seeds: Annotated[int, typer.Option(min=3, max=10_000, help="seeds, or repeats, for each number")] = 20,
    experiments: Annotated[
        Path | None, typer.Option(help="the folder of the published experiments (default: experiments/published)")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the lines alone on stdout")] = False,
) -> int:
    """Find published results again: source, published value, ours, interval, verdict."""
    from harness.study import reproduce as study
    from harness.study.claims import DIFFERS, Effort

    claims = study.chosen(only or [])
    effort = Effort(seeds, study.files_folder(experiments))
    found = []
    source = ""
    for claim, line in study.reproduce(claims, effort):
        found.append({"source": claim.source, **line._asdict()})
        if as_json:
            sys.stderr.write(f"\r\x1b[K{line.result} {line.what}" if sys.stderr.isatty() else "")
            continue
        if source != claim.source:
            source = claim.source
            typer.echo(f"\n{claim.result}  {source}")
            typer.echo(f"  {'':58} {'published':>14} {'ours':>12}  {'interval':26} verdict")
        typer.echo(
            f"  {line.what:58} {line.published:>14} {line.ours:>12}  {line.interval:26} {line.verdict} ({line.rule})"
        )
    differing = sum(line["verdict"] == DIFFERS for line in found)
    compared = sum(line["verdict"] != "stated" for line in found)
    if as_json:
        typer.echo(json.dumps(found, indent=1, allow_nan=False))
    else:
        typer.echo(f"\n{compared - differing} of {compared} published numbers found again with {seeds} seeds")
    return int(Exit.CRITERION_FAILED if differing else Exit.PASS)
