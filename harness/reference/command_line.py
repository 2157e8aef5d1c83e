"""`docs/reference/command_line.md`: every word and option, from the same parser that reads the command line."""

from __future__ import annotations

import enum
import typing
from pathlib import Path
from typing import Any, Final, Literal

from harness.cli import WORDS
from harness.cli.words import application, command
from harness.reference.keys import cell

_INTRO: Final = """# The command line

Made by `make reference` from the parser itself. `blackstart WORD --help` says the same.

Results go to stdout and progress to stderr, so that `--json` can be piped. A message for people begins with
`blackstart:` and has one line.
"""


_KINDS: Final = {Path: "path", int: "whole number", float: "number", str: "text"}


def page() -> str:
    """The page, Markdown."""
    lines = [_INTRO, "## Exit codes", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {code} | {cell(meaning)} |" for code, meaning in exit_codes()]
    lines += ["", "## Words", "", "| word | what it does |", "|---|---|"]
    lines += [f"| [`{word}`](#{word}) | {cell(about)} |" for word, about in WORDS.items()]
    for word in WORDS:
        lines += _word(word)
    return "\n".join(lines) + "\n"


def exit_codes() -> list[tuple[str, str]]:
    """The codes and their meanings, as the help says them."""
    told = str(application(WORDS).epilog)
    pairs = told.removeprefix("Exit codes: ").rstrip(".").split("; ")
    found = []
    for pair in pairs:
        code, _, meaning = pair.partition(" interrupted") if pair.startswith("130") else pair.partition(" ")
        found.append((code, f"interrupted{meaning}" if pair.startswith("130") else meaning))
    return found


def _word(word: str) -> list[str]:
    parser = command(word)
    arguments = [_name(one) if one.required else f"[{_name(one)}]" for one in parser.params if not _is_option(one)]
    lines = ["", f"## `{word}`", "", " ".join((parser.help or "").split()), ""]
    lines += [f"`{' '.join(['blackstart', word, *arguments, '[OPTIONS]'])}`"]
    shown = [parameter for parameter in parser.params if not getattr(parameter, "hidden", False)]
    if shown:
        lines += ["", "| | value | default | meaning |", "|---|---|---|---|", *[_row(one) for one in shown]]
    return lines


def _is_option(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "option")


def _name(parameter: Any) -> str:
    """An argument as the usage line has it; dots when there may be several."""
    name = parameter.metavar or parameter.name.upper()
    return f"{name}..." if parameter.nargs == -1 and not name.endswith("...") else name


def _row(parameter: Any) -> str:
    names = [*parameter.opts, *parameter.secondary_opts] if _is_option(parameter) else [_name(parameter)]
    flag = bool(getattr(parameter, "is_flag", False))
    kind = "" if flag else _kind(parameter)
    if getattr(parameter, "multiple", False):
        kind += ", may be given again"
    default = "required" if parameter.required else "-" if flag else _default(parameter.default)
    shown = ", ".join(f"`{name}`" for name in names)
    return f"| {shown} | {cell(kind)} | {cell(default)} | {cell(parameter.help or '')} |"


def _kind(parameter: Any) -> str:
    """What an option takes, from the annotation typer read."""
    taken = parameter.type_descriptor.annotation
    inner = [one for one in typing.get_args(taken) if one is not type(None)]
    if typing.get_origin(taken) is Literal:
        return ", ".join(f"`{word}`" for word in inner)
    one = inner[0] if inner else taken
    if isinstance(one, type) and issubclass(one, enum.Enum):
        return ", ".join(f"`{choice.value}`" for choice in one)
    low = getattr(parameter, "min", None)
    return _KINDS.get(one, "text") + (f", at least {low:g}" if low is not None else "")


def _default(value: Any) -> str:
    if callable(value) or value is None or value in ((), [], ""):
        return "-"
    return f"`{getattr(value, 'value', value)}`"
