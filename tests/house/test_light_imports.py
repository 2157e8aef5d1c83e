"""Importing a name loads what stands behind that name and nothing else, measured in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "trio", "httpx", "aiohttp", "aiodns", "numpy", "scipy", "numba", "locust", "gevent", "pydantic", "yaml", "typer",
    "rich", "altair", "jinja2", "psutil", "dns", "pandas", "flask",
}  # fmt: skip


def loaded_by(code: str, root: Path) -> set[str]:
    """Top-level packages a fresh interpreter has loaded after `code`."""
    script = f"{code}\nimport sys\nprint('loaded', *{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=root, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()[1:])


def modules_under(root: Path, package: str) -> list[str]:
    found = sorted((root / package.replace(".", "/")).rglob("*.py"))
    assert len(found) >= 3, package
    return [".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__") for path in found]


def test_importing_the_package_loads_nothing_heavy(root: Path) -> None:
    loaded = loaded_by("import harness, harness.errors, harness.units, harness.seeds", root)
    assert "harness" in loaded
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("package", ["harness.policies", "harness.flows", "harness.models"])
def test_what_every_engine_shares_needs_no_engine(package: str, root: Path) -> None:
    names = modules_under(root, package)
    assert loaded_by(f"import {', '.join(names)}", root) & HEAVY == set()


def test_the_spec_loads_no_engine(root: Path) -> None:
    loaded = loaded_by("import harness.spec", root)
    assert {"pydantic", "yaml"} <= loaded
    assert loaded & (HEAVY - {"pydantic", "yaml"}) == set()


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["check", "--help"], ["policies", "--help"]], ids=" ".join
)
def test_help_imports_no_engine(words: list[str], root: Path) -> None:
    code = f"from harness.cli import run_words\nassert run_words({words!r}) == 0"
    loaded = loaded_by(code, root)
    assert "typer" in loaded
    assert loaded & (HEAVY - {"typer", "rich", "pydantic"}) == set()  # typer itself looks for pydantic


def test_the_services_know_neither_trio_nor_locust(root: Path) -> None:
    names = [name for name in modules_under(root, "mock_services") if not name.endswith("__main__")]
    assert loaded_by(f"import {', '.join(names)}", root) & {"trio", "httpx", "locust", "gevent"} == set()


def test_the_orchestrator_knows_neither_aiohttp_nor_locust(root: Path) -> None:
    names = modules_under(root, "harness.live")
    assert loaded_by(f"import {', '.join(names)}", root) & {"aiohttp", "locust", "gevent"} == set()
