"""Comparing runs that are there already: what is wrong with one of them is said, and never becomes an answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.cli import run_words
from harness.record.folder import RunFolder
from tests.analyse.planted import Truth, plant

STUCK = Truth(seed=1, variant="slow", refused=((6.0, 99.0),))


def compared(capsys: pytest.CaptureFixture[str], *folders: RunFolder) -> tuple[int, str, str]:
    code = run_words(["compare", *(str(folder.path) for folder in folders), "--no-report"])
    found = capsys.readouterr()
    assert "Traceback" not in found.err
    assert "defect" not in found.err
    return code, found.out, found.err


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda measures: {**measures, "schema_version": 0}, "its measures.json is of version 0, this is 1"),
        (lambda measures: {**measures, "time_to_recover_s": float("nan")}, "holds a number that is none at time_to_"),
        (lambda measures: None, "its measures.json was damaged"),
    ],
)  # fmt: skip
def test_measures_that_cannot_be_trusted_are_taken_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[Any], Any], why: str
) -> None:
    folders = [plant(tmp_path, Truth(seed=1, variant=name, refused=((6.0, 10.0),))) for name in ("one", "two")]
    first = compared(capsys, *folders)
    assert first[2] == ""
    folders[0].measures.write_text(json.dumps(spoil(folders[0].read_json(folders[0].measures))))
    code, out, err = compared(capsys, *folders)
    assert why in err
    assert "measured again from its rows" in err
    assert (code, out.split("\n\n")[0]) == (first[0], first[1].split("\n\n")[0])


def test_a_run_without_an_operation_is_invalid_and_counts_for_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, empty = (plant(tmp_path, Truth(seed=1, variant=name, refused=((6.0, 10.0),))) for name in ("one", "two"))
    for path in empty.rows.iterdir():
        path.unlink()
    code, out, _ = compared(capsys, good, empty)
    assert code == 3
    assert "invalid" in out


def test_runs_that_never_recovered_are_compared_by_what_they_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [plant(tmp_path, STUCK._replace(variant=name)) for name in ("one", "two")]
    _, out, _ = compared(capsys, *folders)
    assert out.count("not reached") == 2


def test_runs_without_a_common_seed_are_shown_and_not_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [
        plant(tmp_path, Truth(seed=seed, variant=name, refused=((6.0, 10.0),)))
        for seed, name in ((1, "one"), (2, "two"))
    ]
    code, out, _ = compared(capsys, *folders)
    assert "better" not in out
    assert code == 0
