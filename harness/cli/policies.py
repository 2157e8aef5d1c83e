"""`blackstart policies`: every client and server policy an experiment file can name.

Three forms of one list, the catalogue: a table for people, JSON for programs, and Markdown, from which the page of the
documentation is made (a test keeps the page current).
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.policies.entry import Entry, Param


def policies(
    slot: Annotated[str | None, typer.Argument(help="Only this slot, as in retry_budget.", show_default=False)] = None,
    side: Annotated[str | None, typer.Option(help="Only client or only server policies.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON, alone on stdout.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the page of the documentation.")] = False,
) -> None:
    """List the client and server policies an experiment can name."""
    found = chosen(side, slot)
    if as_json:
        sys.stdout.write(json.dumps([facts(entry) for entry in found], indent=1) + "\n")
    elif markdown:
        sys.stdout.write(page(found))
    else:
        _print(found)


def chosen(side: str | None, slot: str | None) -> tuple[Entry, ...]:
    """The entries of a side and slot, slots in their order. Raises SpecError naming the nearest for an unknown one."""
    from harness.policies import catalogue
    from harness.policies.entry import did_you_mean

    if side not in (None, *catalogue.SLOTS):
        known = tuple(catalogue.SLOTS)
        raise SpecError(f"no side {side!r}; sides are {', '.join(known)}{did_you_mean(str(side), known)}")
    slots = [name for known in catalogue.SLOTS for name in catalogue.SLOTS[known] if side in (None, known)]
    if slot not in (None, *slots):
        raise SpecError(f"no slot {slot!r}; slots are {', '.join(slots)}{did_you_mean(str(slot), slots)}")
    found = catalogue.entries(side, slot)
    return tuple(sorted(found, key=lambda entry: slots.index(entry.slot)))


def facts(entry: Entry) -> dict[str, Any]:
    """One entry as JSON-able values; a default of null is `none`, and `required` says that there is no default."""
    from harness.policies.catalogue import DEFAULT_KIND
    from harness.policies.entry import REQUIRED

    params = [
        {
            "name": param.name,
            "unit": param.unit,
            "required": param.default is REQUIRED,
            "default": None if param.default is REQUIRED else param.default,
            "allowed": param.allowed(),
            "help": param.help,
        }
        for param in entry.params
    ]
    return {
        "kind": entry.kind,
        "side": entry.side,
        "slot": entry.slot,
        "default_of_slot": DEFAULT_KIND.get(entry.slot) == entry.kind,
        "rule": entry.rule,
        "params": params,
        "source": entry.source,
    }


def page(found: Iterable[Entry]) -> str:
    """The documentation page of these entries, Markdown, ending in a newline."""
    from harness.policies.catalogue import DEFAULT_KIND

    lines = [
        "# Policies",
        "",
        "Made by `blackstart policies --markdown` from the catalogue in `harness/policies/`; change it there.",
        "",
        "In an experiment file a slot takes `none`, the name of a kind, or a mapping: "
        "`backoff: {kind: exponential, base: 50ms}`. Without `kind`, a mapping is of the slot's default kind.",
    ]
    heading = ("", "")
    for entry in found:
        if (entry.side, entry.slot) != heading:
            heading = (entry.side, entry.slot)
            default = DEFAULT_KIND.get(entry.slot)
            lines += ["", f"## {entry.side.capitalize()}: `{entry.slot}`", "", f"Default kind: `{default}`."]
        lines += ["", f"### `{entry.kind}`", "", f"{_cell(entry.rule)}", ""]
        if entry.params:
            lines += ["| parameter | allowed | default | meaning |", "|---|---|---|---|"]
            lines += [
                f"| `{param.name}` | {_cell(param.allowed())} | {_cell(shown_default(param))} | {_cell(param.help)} |"
                for param in entry.params
            ]
            lines.append("")
        lines.append(f"Source: {_cell(entry.source)}")
    return "\n".join(lines) + "\n"


def shown_default(param: Param) -> str:
    """A default as a file would write it: "50ms", "20/s", "none"; "required" when there is none."""
    from harness.policies.entry import REQUIRED

    value = param.default
    if value is REQUIRED:
        return "required"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float) and param.unit == "s":
        return f"{value * 1000:g}ms" if 0 < value < 1 else f"{value:g}s"
    if isinstance(value, int | float):
        return f"{value:g}/s" if param.unit == "per_s" else f"{value:g}"
    return str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _print(found: Iterable[Entry]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column("kind", no_wrap=True)
    table.add_column("what")
    before = ""
    for entry in found:
        if entry.slot != before:
            table.add_row(Text(f"{entry.side} {entry.slot}", style="bold"), "")
            before = entry.slot
        params = ", ".join(f"{param.name} {shown_default(param)}" for param in entry.params)
        facts = f"{params}; source: {entry.source}" if params else f"source: {entry.source}"
        table.add_row(Text(f"  {entry.kind}", style="cyan"), Text.assemble(entry.rule, "\n", (facts, "dim")))
    console = Console(highlight=False)
    console.print(table)
    console.print(Text("none is accepted in every slot; a mapping without `kind` is of the slot's default kind"))
