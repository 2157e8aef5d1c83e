"""`blackstart baseline save|list|compare FILE RUN...`: what a variant was worth when somebody agreed to it.

The file is meant to lie in the repository and to be changed by review, never by a job.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.errors import Exit, SpecError
from harness.record.folder import RunFolder


class Deed(StrEnum):
    """What to do with a baseline."""

    SAVE = "save"
    LIST = "list"
    COMPARE = "compare"


def baseline(
    deed: Annotated[Deed, typer.Argument(help="save these runs, list what files hold, or compare runs with one")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="the baseline, as in baselines/dns_race.json")],
    run: Annotated[
        list[Path] | None, typer.Argument(metavar="RUN...", help="run folders (for list: more files)")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the result alone as JSON on stdout")] = False,
) -> int:
    """Save runs as a baseline to be reviewed, list baselines, or say what got worse since one was saved."""
    from harness.gate import drift, saved
    from harness.gate.runs import read

    paths = run or []
    if file.is_dir():
        raise SpecError(
            f"baseline {deed}: {file} is a folder; name the baseline's file first, as in baselines/dns_race.json, "
            "then run folders"
        )
    if deed is Deed.LIST:
        entries = saved.listing([file, *paths])
        typer.echo(json.dumps(entries, indent=1) if as_json else "\n".join(map(_entry, entries)))
        return int(Exit.PASS)
    if not paths:
        raise SpecError(f"baseline {deed}: names no run; add run folders, as printed by `blackstart run`")
    subject = read([RunFolder.open(path) for path in paths])
    if deed is Deed.SAVE:
        kept = saved.save(file, subject)
        typer.echo(
            f"{file}: {len(subject.sides)} run{'' if len(subject.sides) == 1 else 's'} saved, {len(kept.entries)} "
            "variant/engine/version in the file; have the change reviewed before you merge it",
            err=as_json,
        )
        if as_json:
            typer.echo(json.dumps(saved.listing([file]), indent=1))
        return int(Exit.PASS)
    found = drift.against(subject, saved.Saved.read(file))
    typer.echo(json.dumps(found, indent=1, allow_nan=False) if as_json else "\n".join(_drift(found)))
    return int(found["exit_code"])


def _entry(one: Mapping[str, Any]) -> str:
    seeds = ", ".join(map(str, one["seeds"]))
    return f"{one['file']}: {one['experiment']}/{one['variant']}, {one['engine']}, blackstart {one['suite']}, " + (
        f"fingerprint {one['fingerprint']}, seed{'' if len(one['seeds']) == 1 else 's'} {seeds}"
    )


def _drift(found: Mapping[str, Any]) -> list[str]:
    lines = [f"note: {note}" for note in found["notes"]]
    for entry in found["variants"]:
        lines.append(f"{entry['variant']}: {len(entry['seeds'])} pairs of runs with equal seeds")
        lines += [f"  {name} is invalid and counts for nothing" for name in entry["invalid"]]
        judged = {one["measure"]: one for one in entry["judged"]}
        lines += [
            _measure(key, judged.get(key), entry["medians"]) for key in dict.fromkeys([*judged, *entry["medians"]])
        ]
    words = {0: "nothing got worse", 1: "got worse", 3: "these runs cannot say whether anything got worse"}
    return [*lines, "", words[found["exit_code"]]]


def _measure(key: str, judged: Mapping[str, Any] | None, medians: Mapping[str, Any]) -> str:
    values = medians.get(key)
    was = f"{values['saved']:.4g} -> {values['now']:.4g}" if values else "-"
    said = f"{judged['verdict']} ({judged['why']})" if judged is not None else ""
    return f"  {key:<30} {was:<22} {said}".rstrip()
