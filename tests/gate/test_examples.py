"""The ready CI files: their commands exist, and their experiment passes, and fails without its retry budget."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from harness.cli import run_words
from harness.cli.words import command
from harness.spec import Expect, load_experiment

EXAMPLES = Path(__file__).parents[2] / "examples" / "ci"
EXPERIMENT = EXAMPLES / "dns_outage.yaml"


def gate_commands(path: Path) -> list[list[str]]:
    """The words after `blackstart gate` of every command in a workflow file."""
    found: list[str] = []

    def walk(value: object) -> None:
        if isinstance(value, str) and "blackstart gate" in value:
            found.append(value.replace("\\\n", " "))
        for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(part)

    walk(yaml.safe_load(path.read_text()))
    return [shlex.split(re.split(r"blackstart gate", text)[1].strip().splitlines()[0]) for text in found]


@pytest.mark.parametrize("name", ["github.yml", "gitlab.yml"])
def test_the_workflow_files_use_options_and_files_that_exist(name: str) -> None:
    (words,) = gate_commands(EXAMPLES / name)
    options = {option for parameter in command("gate").params for option in parameter.opts}
    assert {word.split("=")[0] for word in words if word.startswith("--")} <= options
    assert (EXAMPLES.parents[1] / words[0]) == EXPERIMENT
    assert EXPERIMENT.is_file()


def test_the_gitlab_job_hands_over_the_files_it_writes() -> None:
    job = yaml.safe_load((EXAMPLES / "gitlab.yml").read_text())["recovery"]
    (words,) = gate_commands(EXAMPLES / "gitlab.yml")
    named = dict(pairwise(words))
    assert job["artifacts"]["reports"] == {"junit": named["--junit"], "metrics": named["--gitlab"]}
    assert job["artifacts"]["when"] == "always"


def test_the_example_experiment_checks_clean() -> None:
    file = load_experiment(EXPERIMENT)
    assert len(file.expect) == 4
    assert file.variant("base").load_end_s < 60


@pytest.mark.long
def test_the_example_passes_and_fails_once_the_retry_budget_is_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def gated(file: Path) -> tuple[int, str]:
        code = run_words(["gate", str(file), "--engine", "simulate", "--runs", str(tmp_path / "runs")])
        return code, capsys.readouterr().out

    code, said = gated(EXPERIMENT)
    assert (code, said.splitlines()[-1]) == (0, "PASS: 4 criteria over 3 runs held")
    text = EXPERIMENT.read_text()
    without = re.sub(r"^  retry_budget: .*\n", "", text, flags=re.MULTILINE)
    assert without != text
    spoilt = tmp_path / EXPERIMENT.name
    spoilt.write_text(without)
    code, said = gated(spoilt)
    assert (code, said.splitlines()[-1]) == (1, "FAIL: 4 of 4 criteria over 3 runs failed")


def test_every_line_and_option_the_page_about_ci_shows_is_taken() -> None:
    page = (EXAMPLES.parents[1] / "docs" / "ci.md").read_text()
    lines = [
        yaml.safe_load(line.strip()[2:]) for line in re.findall(r"^ *- \{(?:variant|compare): .*$", page, re.MULTILINE)
    ]
    assert len(lines) == 15
    assert [Expect.model_validate(line).label for line in lines[:4]] == [
        line.label for line in load_experiment(EXPERIMENT).expect
    ]
    for line in lines:
        Expect.model_validate(line)
    options = {option for parameter in command("gate").params for option in parameter.opts}
    assert set(re.findall(r"^\| `(--[a-z-]+)", page, re.MULTILINE)) <= options
