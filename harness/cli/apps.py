"""`blackstart apps`: the dependent apps as data: who depends on what, what an operation is worth, what happens instead.

They are the entries that plan, audit and impact read, so what is printed is what is counted. A value weighs operations
against each other; it is a stand-in until somebody who knows the business sets it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from harness.errors import SpecError


def apps(
    app: Annotated[str | None, typer.Argument(help="Only this app, as in hospital.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON, alone on stdout.")] = False,
) -> None:
    """List the apps that depend on the region, with what their operations are worth and fall back to."""
    found = chosen(app)
    if as_json:
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
    else:
        _print(found)


def chosen(app: str | None) -> list[dict[str, Any]]:
    """The apps as JSON-able values, in the order of the region. Raises SpecError naming the nearest for an unknown."""
    from harness.policies.entry import did_you_mean
    from harness.spec.region import APPS

    found = [facts(name) for name in APPS if _stories(name)]
    known = [one["app"] for one in found]
    if app not in (None, *known):
        raise SpecError(f"no app {app!r}; apps are {', '.join(known)}{did_you_mean(str(app), known)}")
    return [one for one in found if app in (None, one["app"])]


def facts(name: str) -> dict[str, Any]:
    """One app: sector, dependencies, operations by story, and the default knobs as a file would write them."""
    from harness.spec.region import KNOBS
    from harness.spec.vocabulary import STORIES

    knobs = KNOBS[name]()
    stories = _stories(name)
    return {
        "app": name,
        "about": _about(name),
        "sector": STORIES[stories[0]].sector or name,
        "depends_on": list(knobs.depends_on),
        "stories": [
            {
                "story": story,
                "needs": list(STORIES[story].needs),
                "operations": [
                    {"operation": operation, "share": share, **_wish(story, operation)}
                    for operation, share in STORIES[story].operations.items()
                ],
            }
            for story in stories
        ],
        "knobs": knobs.model_dump(mode="json", by_alias=True, exclude={"client", "depends_on", "instances"}),
    }


def _stories(name: str) -> list[str]:
    from harness.spec.vocabulary import STORIES

    return [story for story, entry in STORIES.items() if entry.target == name and entry.wishes]


def _wish(story: str, operation: str) -> dict[str, Any]:
    """What is known of an operation: criticality, value in pounds, fallback, and the table of its record."""
    from harness.spec.vocabulary import STORIES

    wish = STORIES[story].wishes.get(operation)
    return {} if wish is None else wish._asdict()


def _about(name: str) -> str:
    """The first paragraph of the knobs' own description, as one line."""
    from harness.spec.region import KNOBS

    return " ".join((KNOBS[name].__doc__ or "").strip().partition("\n\n")[0].split())


def _print(found: Sequence[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column("operation", no_wrap=True)
    table.add_column("what")
    for one in found:
        depends = f"{one['sector']}; depends on {', '.join(one['depends_on']) or 'nothing'}"
        table.add_row(Text(one["app"], style="bold"), Text.assemble((depends, "bold"), "\n", one["about"]))
        for story in one["stories"]:
            for row in story["operations"]:
                what = Text.assemble(_worth(row), "\n", (f"when it fails: {row.get('fallback', '-')}", "dim"))
                table.add_row(Text(f"  {row['operation']}", style="cyan"), what)
        table.add_row(Text("  knobs", style="dim"), Text(_knobs(one["knobs"]) + "\n", style="dim"))
    Console(highlight=False).print(table)


def _worth(row: dict[str, Any]) -> str:
    """How often an operation comes, how critical it is, what it is worth, and what it must leave behind."""
    words = [f"{100 * row['share']:.0f} % of operations"]
    if "value" in row:
        value = f"{row['value']:.2f}" if row["value"] >= 0.01 else f"{row['value']:g}"
        words += [f"criticality {row['criticality']}", f"£{value}"]
    if row.get("effect"):
        words.append(f"leaves one record in {row['effect']}")
    return ", ".join(words)


def _knobs(knobs: dict[str, Any], prefix: str = "") -> str:
    """Nested knobs as one line of dotted names."""
    parts = []
    for key, value in knobs.items():
        if isinstance(value, dict):
            parts.append(_knobs(value, f"{prefix}{key}."))
        else:
            shown = str(value).lower() if isinstance(value, bool) else "none" if value is None else str(value)
            parts.append(f"{prefix}{key} {shown}")
    return ", ".join(part for part in parts if part)
