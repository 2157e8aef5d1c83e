"""`blackstart check`: plans for people and machines, complaints with exit code 2."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli.check import check
from harness.errors import Exit, SpecError
from harness.plan import Plan


@pytest.fixture
def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "slow.yaml"
    path.write_text(text)
    return path


def test_a_correct_file_prints_its_timetable(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check(file)
    printed = capsys.readouterr().out
    assert "plain  seed 7, plan " in printed
    assert "    7.000  fault   kv.latency (mean 100ms)" in printed
    assert "    9.000  heal    kv.heal (fault latency)  <- fix: measures count from here" in printed
    assert "           client.retry_budget: none -> token_bucket ratio 0.1 burst 100.0" in printed
    assert "(the same timetable)" in printed
    assert printed.endswith(f"{file}: correct; 2 runs, 1.1 min of load and drain\n")


def test_one_variant_and_another_seed_can_be_asked_for(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check(file, variant="budget", seed=11)
    printed = capsys.readouterr().out
    assert "budget  seed 11" in printed
    assert "plain" not in printed


def test_json_holds_the_plans_alone_on_stdout(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check(file, as_json=True)
    facts = json.loads(capsys.readouterr().out)
    assert [found["variant"] for found in facts["variants"]] == ["plain", "budget"]
    assert facts["variants"][0]["utilisation"] == 0.375
    plan = Plan.from_json(facts["variants"][1]["plan"])
    assert plan.schedule().op.size == facts["variants"][1]["operations"]


def test_notes_are_printed_and_change_nothing(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "short.yaml"
    path.write_text(text.replace("drain: 3s", "drain: 500ms"))
    check(path)
    assert "     note  the drain of 500 ms is shorter than mobile_banking's deadline" in capsys.readouterr().out


def test_the_schema_needs_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    check(schema=True)
    assert json.loads(capsys.readouterr().out)["title"] == "Blackstart experiment"


def test_what_is_wrong_exits_2(file: Path) -> None:
    for arguments in (
        {},
        {"file": file.with_name("no.yaml")},
        {"file": file, "variant": "x"},
        {"file": file, "seed": -1},
    ):
        with pytest.raises(SpecError) as caught:
            check(**arguments)  # type: ignore[arg-type]
        assert caught.value.exit_code is Exit.USAGE
