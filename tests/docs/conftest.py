"""The folder in which a page is played: it looks like a checkout, and what a page makes stays in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import ROOT

LINKED = ("experiments", "examples", "locustfiles", "docs", "benchmarks", "harness", "mock_services", "Makefile")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the project's own folders linked in; a page may save files beside them."""
    for name in LINKED:
        if (ROOT / name).exists():
            (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path
