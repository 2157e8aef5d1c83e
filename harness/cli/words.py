"""Words that load themselves: a typer group which imports a word's module when the word is used, not before.

The listing of `--help` comes from a table of one-line descriptions, so it needs no module at all. Typer's own errors
(an unknown option, a missing argument) become one message with the usage line and exit code 2; the suggestions for a
mistyped word come from the table too.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from harness import __version__
from harness.errors import Exit, SpecError

_ABOUT = "Break a small cloud region the way a real one broke, repair it, and measure the restart."
_CODES = (
    "Exit codes: 0 pass; 1 a criterion failed; 2 the file or the command line is wrong; 3 the run cannot support a "
    "verdict; 4 the machinery failed; 5 a stop condition fired; 130 or 143 interrupted, after undoing every fault."
)


def command_line(words: Mapping[str, str], arguments: list[str]) -> int:
    """Run `arguments` against `words` (name -> one line of help); the exit code. Raises HarnessError."""
    try:
        found = application(words)(args=arguments or ["--help"], prog_name="blackstart", standalone_mode=False)
    except typer.Abort:  # what typer makes of Ctrl-C
        raise KeyboardInterrupt from None
    except Exception as error:
        if not hasattr(error, "format_message"):  # typer's complaints about usage have no common public class
            raise
        context = getattr(error, "ctx", None)
        usage = f"{context.get_usage()}\n" if context is not None else ""
        sys.stderr.write(f"{usage}blackstart: {error.format_message()}\n")
        return int(Exit.USAGE)
    return int(found or 0) if arguments else int(Exit.USAGE)


def application(words: Mapping[str, str]) -> Any:
    """The click command of the whole command line."""
    app = typer.Typer(
        cls=_group(words), add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
    )

    @app.callback(help=_ABOUT, epilog=_CODES)
    def blackstart(
        version: Annotated[
            bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version and exit.")
        ] = False,
    ) -> None: ...

    return typer.main.get_command(app)


def command(word: str) -> Any:
    """The click command of one word: function `word` of module `harness.cli.<word>`."""
    module = import_module(f"harness.cli.{word}")
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(word)(getattr(module, word))
    return typer.main.get_command(app)


def _group(words: Mapping[str, str]) -> type[TyperGroup]:
    class Words(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            return list(words)

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            if cmd_name in words:
                return command(cmd_name)
            near = difflib.get_close_matches(cmd_name, words, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(words)}"
            raise SpecError(f"no word {cmd_name!r}; {hint}")

        def format_commands(self, ctx: Any, formatter: Any) -> None:
            with formatter.section("Words (each has its own --help)"):
                formatter.write_dl(list(words.items()))

    return Words


def _version(value: bool) -> None:
    if value:
        sys.stdout.write(f"blackstart {__version__}\n")
        raise typer.Exit
