"""The tree as the house tests see it: every module of ours, parsed, with what it imports."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("harness", "mock_services", "locustfiles")


class Module(NamedTuple):
    """One file of ours. `imports` are (dotted name, line), function-level ones and those for typing included."""

    name: str
    path: Path
    tree: ast.Module
    imports: tuple[tuple[str, int], ...]


def _imports(tree: ast.Module) -> tuple[tuple[str, int], ...]:
    found: list[tuple[str, int]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports in this house are absolute"
            found += [(f"{node.module}.{alias.name}", node.lineno) for alias in node.names]
    return tuple(found)


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def modules() -> list[Module]:
    """Every Python module of the packages that are shipped."""
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            tree = ast.parse(path.read_text(), str(path))
            found.append(Module(name, path, tree, _imports(tree)))
    assert len(found) > 50
    assert {module.name.split(".")[0] for module in found} == set(PACKAGES)
    return found


@pytest.fixture(scope="session")
def standard() -> frozenset[str]:
    """Names of the standard library's modules."""
    return frozenset(sys.stdlib_module_names)


@pytest.fixture(scope="session")
def tracked() -> list[Path]:
    """Every text file that belongs to the repository, by its .gitignore rules of plain folder and suffix names."""
    ignored = {".git", *(line.strip("/") for line in (ROOT / ".gitignore").read_text().split())}
    found = []
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        hidden = any(part in ignored or part.endswith(".egg-info") for part in parts)
        if path.is_file() and not hidden:
            found.append(path)
    assert len(found) > 100
    return found
