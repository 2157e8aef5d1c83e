"""What lies in the repository: experiments that are correct, commands that exist, text that belongs to no machine."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.cli import WORDS
from harness.spec import load_experiment
from harness.spec.notes import station
from harness.spec.vocabulary import COMPONENTS, STORIES

ROOT = Path(__file__).parents[2]
EXPERIMENTS = sorted((ROOT / "experiments").rglob("*.yaml"))
FORBIDDEN = {
    r"(?<![\w.-])/(?:work|root|home|Users|tmp|farm)/[\w.-]+": "a path of one machine",
    r"https?://(?:pypi\.org|files\.pythonhosted\.org|[\w.-]*(?:artifactory|nexus|jfrog|devpi)[\w.-]*)": "a registry",
    r"--(?:extra-)?index[-]url|--trusted-host|--find-links\s*=?\s*\S*://": "a registry option",
    r"^(?:<{7}|={7}|>{7})(?: |$)": "a merge conflict",
    r"[ \t]+$": "trailing white space",
}


def test_the_experiments_of_the_first_outage_are_there() -> None:
    assert {"dns_race", "resolvers", "slow_dependency"} <= {path.stem for path in EXPERIMENTS}


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_experiment_checks_clean(path: Path) -> None:
    file = load_experiment(path)
    assert file.variants
    assert file.expect, "an experiment asks a question: write what is expected"


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_experiment_leaves_its_store_room_to_recover(path: Path) -> None:
    file = load_experiment(path)
    for variant in file.variants:
        store = station(file.variant(variant))
        assert store is None or store.utilisation < 0.75


def test_the_vocabulary_names_the_stories_and_components_that_exist() -> None:
    stories = {path.stem for path in (ROOT / "harness/flows/stories").glob("*.py")} - {"__init__", "base"}
    assert stories == set(STORIES)
    for story in stories:
        tree = ast.parse((ROOT / f"harness/flows/stories/{story}.py").read_text())
        call = next(
            node.value
            for node in tree.body
            if isinstance(node, ast.AnnAssign | ast.Assign) and "STORY" in ast.unparse(node).split("=")[0]
        )
        name, app, operations = (ast.literal_eval(argument) for argument in call.args)  # type: ignore[union-attr]
        known = STORIES[story]
        assert (name, app, set(operations)) == (story, known.target, set(known.operations))
        assert (ROOT / f"locustfiles/{story}.py").is_file()
    faces = {path.stem for folder in ("mock_services", "mock_services/apps") for path in (ROOT / folder).glob("*.py")}
    assert set(COMPONENTS) <= faces


def test_every_command_the_readme_shows_exists() -> None:
    readme = (ROOT / "README.md").read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    code = "\n".join(re.findall(r"^```.*?^```|`[^`\n]+`", readme, re.MULTILINE | re.DOTALL))
    made = set(re.findall(r"\bmake ([a-z-]+)", code))
    words = set(re.findall(r"\bblackstart ([a-z]+)", code))
    assert made, "the README shows no make target"
    assert words, "the README shows no word of the command line"
    assert made - targets == set()
    assert words - set(WORDS) == set()
    for path in re.findall(r"\b(?:experiments|locustfiles|benchmarks|docs)/[\w./-]+\.\w+", readme):
        assert (ROOT / path).is_file(), path


@pytest.mark.parametrize("word", WORDS)
def test_every_word_has_its_module_with_its_function(word: str) -> None:
    path = ROOT / f"harness/cli/{word}.py"
    tree = ast.parse(path.read_text())
    assert word in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_make_lists_its_targets() -> None:
    done = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("setup", "demo", "test", "test-long", "lint", "bench", "clean"):
        assert re.search(rf"^  make {target}\s+\S", done.stdout, re.MULTILINE), target


def test_no_text_names_a_machine_or_a_registry(tracked: list[Path]) -> None:
    wrong = []
    this = Path(__file__)
    for path in tracked:
        if path == this or path.suffix in (".png", ".svg", ".rows") or path.name == "LICENSE":
            continue
        text = path.read_text()
        for pattern, what in FORBIDDEN.items():
            for found in re.finditer(pattern, text, re.MULTILINE):
                line = text.count("\n", 0, found.start()) + 1
                wrong.append(f"{path.relative_to(ROOT)}:{line}: {what}: {found[0].strip()[:80]!r}")
    assert not wrong, "\n".join(wrong)


def test_every_text_ends_in_one_line_break(tracked: list[Path]) -> None:
    texts = [path for path in tracked if path.suffix in (".py", ".yaml", ".md", ".toml")]
    assert len(texts) > 80
    wrong = [path for path in texts if path.stat().st_size and not re.search(r"[^\n]\n\Z", path.read_text())]
    assert wrong == []


def test_every_module_opens_with_a_docstring(modules: list[Any]) -> None:
    assert [module.name for module in modules if not ast.get_docstring(module.tree)] == []


def test_every_module_of_ours_uses_postponed_annotations(modules: list[Any]) -> None:
    wrong = [
        module.name
        for module in modules
        if "__future__.annotations" not in {name for name, _ in module.imports}
        and any(
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) for node in ast.walk(module.tree)
        )
    ]
    assert wrong == []
