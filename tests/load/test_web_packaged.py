"""What is installed from a wheel: Python finds modules, and nothing finds a script that was left out of it."""

from __future__ import annotations

from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

from harness.load.web.routes import STATIC

ROOT = Path(__file__).parents[2]


def in_the_wheel() -> set[str]:
    return {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}


def test_the_parts_of_the_page_are_in_the_wheel() -> None:
    packed = in_the_wheel()
    parts = {path.relative_to(ROOT).as_posix() for path in STATIC.iterdir() if path.is_file()}
    assert {"page.html.j2", "recovery.js", "recovery.css", "tab.js"} <= {Path(part).name for part in parts}
    assert parts <= packed


def test_every_file_of_the_packages_is_in_the_wheel() -> None:
    packages = ("harness", "mock_services", "locustfiles")
    ours = {
        path.relative_to(ROOT).as_posix()
        for package in packages
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }
    assert ours <= in_the_wheel()
