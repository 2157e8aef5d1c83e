"""The site is built strictly, names every page, and asks nobody else for anything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.docs.blocks import ROOT


def linked(entries: object) -> list[str]:
    """The pages in a nav, however deep."""
    if isinstance(entries, str):
        return [entries]
    if isinstance(entries, dict):
        return [page for value in entries.values() for page in linked(value)]
    assert isinstance(entries, list)
    return [page for value in entries for page in linked(value)]


def test_every_page_has_its_place_in_the_navigation() -> None:
    found = linked(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert set(found) == pages
    assert len(found) == len(set(found))


@pytest.mark.long
def test_the_site_builds_without_a_warning_and_fetches_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    fetched = re.compile(r"<(?:script|img|iframe|link|source)\b[^>]*?(?:src|href)=[\"']?(https?:)?//", re.IGNORECASE)
    wrong = [path.name for path in (tmp_path / "site").rglob("*.html") if fetched.search(path.read_text())]
    assert wrong == []
