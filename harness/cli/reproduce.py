"""`blackstart reproduce`: published results beside ours, in one table; exits 1 when one does not agree."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import Exit

if TYPE_CHECKING:
    from harness.study.claims import Claim, Line


def reproduce(
    only: Annotated[list[str] | None, typer.Option(help="this result, as in R12; may be given again")] = None,
    seeds: Annotated[int, typer.Option(min=3, max=10_000, help="seeds, or repeats, for each number")] = 20,
    experiments: Annotated[
        Path | None, typer.Option(help="the folder of the published experiments (default: experiments/published)")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the lines alone on stdout")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="print docs/reproduced.md alone on stdout")] = False,
) -> int:
    """Find published results again: source, published value, ours, interval, verdict."""
    from harness.study import reproduce as study
    from harness.study.claims import DIFFERS, Effort

    claims = study.chosen(only or [])
    effort = Effort(seeds, study.files_folder(experiments))
    found: list[tuple[Claim, Line]] = []
    alone = as_json or as_markdown
    for claim, line in study.reproduce(claims, effort):
        if alone:
            sys.stderr.write(f"\r\x1b[K{line.result} {line.what}" if sys.stderr.isatty() else "")
        else:
            typer.echo(_row(claim, line, first=not found or found[-1][0].source != claim.source))
        found.append((claim, line))
    if alone and sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    lines = [line for _, line in found]
    if as_json:
        typer.echo(json.dumps([{"source": claim.source, **line._asdict()} for claim, line in found], indent=1))
    elif as_markdown:
        typer.echo(study.markdown(found, effort))
    else:
        typer.echo(f"\n{study.tally(lines)} with {seeds} seeds")
    return int(Exit.CRITERION_FAILED if any(line.verdict == DIFFERS for line in lines) else Exit.PASS)


def _row(claim: Claim, line: Line, *, first: bool) -> str:
    """One line of the table, under its heads when it is the first of its source."""
    row = f"  {line.what:58} {line.published:>14} {line.ours:>12}  {line.interval:30} {line.verdict} ({line.rule})"
    if not first:
        return row
    heads = f"  {'':58} {'published':>14} {'ours':>12}  {'interval':30} verdict"
    return f"\n{claim.result}  {claim.source}\n{heads}\n{row}"
