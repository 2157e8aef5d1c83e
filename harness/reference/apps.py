"""`docs/reference/apps.md`: the seven apps, from the facts that `blackstart apps --json` prints."""

from __future__ import annotations

from typing import Any, Final

from harness.cli.apps import chosen
from harness.reference.keys import cell

_INTRO: Final = """# Apps

Made by `make reference` from what `blackstart apps --json` prints; the facts are in `harness/spec/components/`.

Each app is a component with users of its own. Criticality 0 is the most critical. A value is what a user loses when one
operation fails, in pounds: a stand-in until somebody who knows the business sets it, and good for weighing operations
against each other. An operation that leaves a record must leave exactly one; the audit counts what was lost or doubled.
The knobs are on the page of [components](components.md).
"""


def page() -> str:
    """The page, Markdown."""
    lines = [_INTRO.rstrip()]
    for app in chosen(None):
        depends = ", ".join(f"`{name}`" for name in app["depends_on"])
        lines += ["", f"## `{app['app']}`", "", f"{app['about']} Sector: {app['sector']}. Depends on {depends}.", ""]
        for story in app["stories"]:
            lines += [f"Story `{story['story']}`:", "", *_operations(story["operations"])]
    return "\n".join(lines) + "\n"


def _operations(operations: list[dict[str, Any]]) -> list[str]:
    head = [
        "| operation | share | criticality | value | leaves a record in | when it fails |",
        "|---|---|---|---|---|---|",
    ]
    rows = []
    for one in operations:
        value = one.get("value")
        worth = "-" if value is None else f"£{value:.2f}" if value >= 0.01 else f"£{value:g}"
        effect = f"`{one['effect']}`" if one.get("effect") else "-"
        rows.append(
            f"| `{one['operation']}` | {100 * one['share']:g} % | {one.get('criticality', '-')} | {worth} | {effect} | "
            f"{cell(one.get('fallback', '-'))} |"
        )
    return [*head, *rows]
