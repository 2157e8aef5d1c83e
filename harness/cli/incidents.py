"""`blackstart incidents`: the library of real outages, each an experiment that runs in seconds.

    blackstart incidents                  all of them: year, who, trigger, what kept it going, what ended it, the file
    blackstart incidents aws_ebs_2011     one: its story, its sources, and the two commands
    blackstart incidents aws_2025_10_20 --replay      played in virtual time, beside what was published, and what if

They lie in `experiments/incidents/` and are read from there, so that an outage is added by adding a file with the key
`incident`. Looked for in the folder of a source tree that holds this package, and else below the current folder. Leaves
out: running them live. That is what the two commands it prints are for.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from harness.errors import SpecError

if TYPE_CHECKING:
    from harness.spec.load import ExperimentFile

FOLDER: Final = Path("experiments/incidents")
_TREE: Final = Path(__file__).parents[2]
_TOLD: Final = ("trigger", "sustaining", "ended")
_LABELS: Final = {
    "trigger": "trigger",
    "sustaining": "kept it going",
    "ended": "ended by",
    "lesson": "lesson",
    "unsure": "not known",
}


def incidents(
    name: Annotated[str | None, typer.Argument(help="Only this one, as in aws_ebs_2011.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON, alone on stdout.")] = False,
    replay: Annotated[
        bool, typer.Option("--replay", help="Play its variants in virtual time, beside what was published.")
    ] = False,
    variant: Annotated[
        list[str] | None, typer.Option("--variant", help="With --replay: only this one; may be given again.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="With --replay: the seed (default: the file's).")] = None,
) -> None:
    """List the real outages that can be run, tell one of them, or replay it."""
    found = chosen(name)
    if replay:
        if name is None:
            raise SpecError("--replay of which? give the name of an incident, as in aws_2025_10_20")
        from harness.cli.replays import replayed, tell

        told = replayed(Path(found[0]["file"]), tuple(variant or ()), seed)
        sys.stdout.write(json.dumps(told, indent=1) + "\n") if as_json else tell(told)
        return
    if as_json:
        sys.stdout.write(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    elif name is None:
        _list(found)
    else:
        _tell(found[0])


def chosen(name: str | None = None, folder: Path | None = None) -> list[dict[str, Any]]:
    """The outages as JSON-able values, the latest first; only `name` if one is given.

    Raises SpecError with the nearest names for an unknown one, and when there is no library or a file in it is wrong.
    """
    from harness.policies.entry import did_you_mean
    from harness.spec.load import load_experiment

    files = _files(folder)
    known = {path.stem: path for path in files}
    wanted = name.removesuffix(".yaml") if name is not None else None
    if wanted is not None and wanted not in known:
        raise SpecError(
            f"no incident {name!r}; they are {', '.join(sorted(known))}{did_you_mean(wanted, sorted(known))}"
        )
    paths = files if wanted is None else [known[wanted]]
    found = [facts(load_experiment(path), path) for path in paths]
    return sorted(found, key=lambda one: (one["date"], one["name"]), reverse=True)


def facts(file: ExperimentFile, path: Path) -> dict[str, Any]:
    """One outage: what the file's `incident` says, its question, its variants and its commands."""
    told = file.incident
    if told is None:
        raise SpecError(f"{path}: no `incident`; say in it what the outage was, or move the file out of {FOLDER}")
    shown = _shown(path)
    return {
        "name": path.stem,
        "title": told.name,
        "year": told.year,
        **told.model_dump(mode="json", exclude={"name"}),
        "question": file.description,
        "variants": list(file.variants),
        "file": shown,
        "comment": _comment(path),
        "commands": [
            f"blackstart compare {shown} --engine simulate --repeat 5",
            f"blackstart run {shown} --variant {file.variants[0]}",
        ],
    }


def _files(folder: Path | None) -> list[Path]:
    for place in [_TREE / FOLDER, FOLDER] if folder is None else [folder]:
        if place.is_dir():
            return sorted(place.glob("*.yaml"))
    raise SpecError(f"no folder {FOLDER}; the outages come with the source tree, so call this word from there")


def _shown(path: Path) -> str:
    """The path as one would type it: relative when it lies below the current folder."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _comment(path: Path) -> str:
    """The comment that a file begins with, as one paragraph."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("#").strip())
    return " ".join(line for line in lines if line)


def _list(found: Sequence[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column("name", no_wrap=True)
    table.add_column("what")
    for one in found:
        table.add_row(Text(str(one["year"]), style="bold"), Text(one["title"], style="bold"))
        for key in _TOLD:
            table.add_row(Text(f"  {_LABELS[key]}", style="dim"), one[key])
        table.add_row(Text("  file", style="dim"), Text(one["file"] + "\n", style="cyan"))
    Console(highlight=False).print(table)


def _tell(one: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    console.print(Text(f"{one['title']}, {one['date']} ({one['who']})\n", style="bold"))
    console.print(Text(one["comment"] + "\n"))
    table = Table.grid(padding=(0, 2))
    table.add_column("what", no_wrap=True)
    table.add_column("told")
    for key, label in _LABELS.items():
        if one[key]:
            table.add_row(Text(label, style="dim"), Text(one[key]))
    table.add_row(Text("question", style="dim"), Text(one["question"]))
    table.add_row(Text("sources", style="dim"), Text("\n".join(one["sources"])))
    console.print(table)
    console.print(Text("\nIn virtual time, each way five times; then live:\n", style="dim"))
    for command in one["commands"]:  # whole, however narrow the window: they are there to be copied
        sys.stdout.write(f"  {command}\n")
