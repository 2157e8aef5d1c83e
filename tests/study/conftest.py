"""What the tests of this area share: a small experiment on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.study.subject import Subject, read_subject
from tests.study.hands import SMALL


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The file of a small experiment."""
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


@pytest.fixture
def subject(small: Path) -> Subject:
    """Its first variant."""
    return read_subject(small)
