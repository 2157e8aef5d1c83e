"""The fenced blocks of the documentation, and how each says that it is tested.

A block is what its language makes it, unless an HTML comment above it says otherwise:

    <!-- test: exit 1 -->                          the last command of a sh block ends with this code
    <!-- test: smaller :40=:4 -->                  run with this instead of that, because the whole takes minutes
    <!-- test: file mine.yaml -->                  the block is saved under this name for the commands after it
    <!-- test: patch experiments/x.yaml -->        a YAML block is laid over this file, not over the flagship
    <!-- test: patch experiments/x.yaml as y.yaml -->   and what comes of it is saved
    <!-- test: workflow -->                        a YAML file for a CI service; its `run:` lines are sh
    <!-- test: excerpt harness/policies/x.py -->   the block stands in this file as it is
    <!-- test: output -->                          a text block: its lines are in what the commands before it printed
    <!-- test: drawing -->                         a text block that is a picture
    <!-- test: unrun because ... -->               not tested, with the reason
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
LANGUAGES = ("sh", "yaml", "python", "json", "toml", "text", "csv")
MARKS = {
    "exit": ("sh",),
    "smaller": ("sh",),
    "file": ("yaml", "python", "json", "toml", "csv", "text"),
    "patch": ("yaml",),
    "workflow": ("yaml",),
    "excerpt": ("python", "yaml"),
    "output": ("text", "json"),
    "drawing": ("text",),
    "unrun": LANGUAGES,
}
REASON_LEAST = 4  # words
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=indent)```[ \t]*$", re.MULTILINE | re.DOTALL
)
_MARK = re.compile(r"<!-- test: (?P<words>[^>]*?) *-->\s*\Z")


class Block(NamedTuple):
    """One block: the page and line it stands at, its language, its mark's words and its text."""

    page: str
    line: int
    language: str
    mark: tuple[str, ...]
    body: str

    @property
    def where(self) -> str:
        """For messages and test ids."""
        return f"{self.page}:{self.line}"

    @property
    def kind(self) -> str:
        """The mark's first word; "" without a mark."""
        return self.mark[0] if self.mark else ""


def pages() -> list[Path]:
    """Every page whose blocks are tested."""
    top = [ROOT / name for name in ("README.md", "CONTRIBUTING.md")]
    return [path for path in top if path.is_file()] + sorted((ROOT / "docs").rglob("*.md"))


def blocks(path: Path) -> list[Block]:
    """The blocks of a page, in order."""
    return read(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())


def read(text: str, page: str) -> list[Block]:
    """The blocks of a text."""
    found = []
    for fence in _FENCE.finditer(text):
        above = _MARK.search(text[: fence.start()])
        mark = tuple(above["words"].split()) if above else ()
        width = len(fence["indent"])
        body = "\n".join(line[width:] if line[:width].isspace() else line for line in fence["body"].splitlines())
        info = fence["info"].split()
        found.append(Block(page, text.count("\n", 0, fence.start()) + 1, info[0] if info else "", mark, body + "\n"))
    return found


def complaint(block: Block) -> str:
    """Why nobody can tell how this block is tested, or "" when it is clear."""
    if not block.language:
        return f"a block without a language; write one of {', '.join(LANGUAGES)} behind its fence"
    if block.language not in LANGUAGES:
        return f"{block.language} cannot be tested; use one of {', '.join(LANGUAGES)}"
    if block.kind and block.kind not in MARKS:
        return f"unknown mark {block.kind!r}; they are {', '.join(MARKS)}"
    if block.kind and block.language not in MARKS[block.kind]:
        return f"{block.kind} is no mark for {block.language}"
    if block.kind == "unrun" and len(block.mark) <= REASON_LEAST:
        return "unrun needs its reason, as in `unrun because it wants a browser on the screen`"
    if block.language in ("text", "csv") and not block.kind:
        return "a block of text needs a mark: output, drawing, file or unrun"
    if "--" in " ".join(block.mark):
        return "a mark holds no two dashes: they would end the comment"
    return ""
