"""The three "write a ..." pages, followed to the letter in a copy of the tree: their files saved, their changes made,
their experiment run. A page that leaves out a step fails here, as it would fail its reader.

A change is a unified diff without numbers: the lines with a blank before them must stand in the file, in one place.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, Block, blocks

PACKAGES = ("harness", "mock_services", "locustfiles")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the packages, to be written into."""
    for name in PACKAGES:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def follow(page: str, tree: Path, experiment: str) -> None:
    """Do what the page says; its experiment is saved under the name that its commands use."""
    for block in blocks(ROOT / "docs/how_to" / page):
        if block.kind == "file":
            (tree / block.mark[1]).write_text(block.body, encoding="utf-8")
        elif block.language == "text" and block.body.startswith("--- a/"):
            change(block, tree)
        elif block.language == "yaml":
            (tree / experiment).write_text(block.body, encoding="utf-8")


def change(block: Block, tree: Path) -> None:
    """Apply a diff without numbers."""
    for part in re.split(r"^(?=--- a/)", block.body, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        path = tree / lines[1].removeprefix("+++ b/")
        text = path.read_text(encoding="utf-8")
        for hunk in "\n".join(lines[2:]).split("@@\n")[1:]:
            kept = hunk.splitlines()
            old = "\n".join(line[1:] for line in kept if line[0] != "+") + "\n"
            new = "\n".join(line[1:] for line in kept if line[0] != "-") + "\n"
            assert text.count(old) == 1, f"{block.where}: these lines are not once in {path.name}:\n{old}"
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")


def blackstart(tree: Path, *arguments: str) -> str:
    """What the copy's command line prints."""
    done = subprocess.run(
        [sys.executable, "-c", "from harness.cli import main; main()", *arguments],
        cwd=tree, env={**os.environ, "PYTHONPATH": str(tree)}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.long
def test_a_story_written_by_the_page_runs(tree: Path) -> None:
    follow("write_a_story.md", tree, "carts.yaml")
    measures = json.loads(blackstart(tree, "simulate", "carts.yaml", "--no-report", "--json"))
    assert measures["verdict"] == "metastable"


@pytest.mark.long
def test_a_policy_written_by_the_page_decides_in_both_engines(tree: Path) -> None:
    follow("write_a_policy.md", tree, "linear.yaml")
    runs = json.loads(blackstart(tree, "simulate", "linear.yaml", "--no-report", "--json"))
    assert [run["verdict"] for run in runs] == ["metastable", "metastable", "recovered"]
    sweep = ("sweep", "linear.yaml", "--over", "client.backoff.step=50ms,200ms", "--variant", "linear", "--seeds", "2")
    kernel, world = [json.loads(blackstart(tree, *sweep, "--engine", engine, "--out", engine, "--json")) for engine in
            ("kernel", "world")]  # fmt: skip
    assert kernel == world


@pytest.mark.long
def test_a_component_written_by_the_page_runs(tree: Path) -> None:
    follow("write_a_component.md", tree, "cache.yaml")
    runs = json.loads(blackstart(tree, "simulate", "cache.yaml", "--no-report", "--json"))
    assert [run["verdict"] for run in runs] == ["metastable", "metastable", "recovered"]
