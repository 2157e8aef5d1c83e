"""Which page is made by what; `python -m harness.reference` and the test that they are current both read this."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from harness.analyse.tables import documentation
from harness.cli.policies import chosen
from harness.cli.policies import page as policies_page
from harness.reference import apps, command_line, components, file_format, measures

ROOT: Final = Path(__file__).parents[2]
COMMAND: Final = "make reference"


def _policies() -> str:
    return policies_page(chosen(None, None))


def _run_folder() -> str:
    """The page's own text, up to its first table of columns, and the tables anew."""
    tables = documentation().rstrip()
    page = (ROOT / "docs/run_folder.md").read_text(encoding="utf-8")
    return page.partition(tables.splitlines()[0])[0] + tables + "\n"


PAGES: Final[dict[str, Callable[[], str]]] = {
    "docs/reference/file_format.md": file_format.page,
    "docs/reference/components.md": components.page,
    "docs/reference/apps.md": apps.page,
    "docs/reference/measures.md": measures.page,
    "docs/reference/command_line.md": command_line.page,
    "docs/policies.md": _policies,
    "docs/run_folder.md": _run_folder,
}
