"""The run folder: made once, found again, and honest about what is missing."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from harness.errors import Exit, RecordError, RunError
from harness.record.folder import RunFolder


def test_a_folder_is_named_by_variant_seed_and_time(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "dns_race", "naive", 7, "20260101T000000")
    assert folder.path == tmp_path / "dns_race" / "naive-s7-20260101T000000"
    assert folder.rows.is_dir()


def test_a_name_already_taken_gets_a_counter(tmp_path: Path) -> None:
    names = [RunFolder.create(tmp_path, "x", "v", 1, "t").path.name for _ in range(3)]
    assert names == ["v-s1-t", "v-s1-t-2", "v-s1-t-3"]


def test_a_folder_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("a file stands in the way")
    with pytest.raises(RunError, match=r"cannot make the run folder: .* choose another with --runs DIR") as caught:
        RunFolder.create(tmp_path, "x", "v", 1, "t")
    assert caught.value.exit_code is Exit.MACHINERY


def test_only_a_folder_with_a_plan_is_a_run_folder(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no such run folder; `blackstart run` prints the folder it wrote"):
        RunFolder.open(tmp_path / "none")
    with pytest.raises(RecordError, match=r"not a run folder \(no plan.json in it\)") as caught:
        RunFolder.open(tmp_path)
    assert caught.value.exit_code is Exit.USAGE
    (tmp_path / "plan.json").write_text("{}")
    assert RunFolder.open(tmp_path).plan == tmp_path / "plan.json"


def test_json_written_is_read_back_and_nothing_else_is_left(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_json(folder.plan, {"a": [1, None, 0.1]})
    folder.write_json(folder.plan, {"a": 2})
    assert folder.read_json(folder.plan) == {"a": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_a_secret_can_be_kept_to_oneself(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_json(folder.token, {"token": "x"}, mode=0o600)
    assert folder.token.stat().st_mode & 0o777 == 0o600


def test_values_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_json(folder.measures, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        folder.write_json(folder.measures, {"a": math.nan})
    assert folder.read_json(folder.measures) == {"a": 1}


@pytest.mark.parametrize(
    ("content", "said"),
    [("{torn", "not valid JSON"), ("", "not valid JSON"), ("[1]", "holds list, not an object"), ("3", "holds int")],
    ids=["torn", "empty", "list", "number"],
)
def test_damaged_json_is_refused_with_its_path(tmp_path: Path, content: str, said: str) -> None:
    folder = RunFolder(tmp_path)
    folder.measures.write_text(content)
    with pytest.raises(RecordError, match=said) as caught:
        folder.read_json(folder.measures)
    assert str(caught.value).startswith(str(folder.measures))


def test_json_that_is_no_text_is_refused(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.measures.write_bytes(b"\xff\xfe")
    with pytest.raises(RecordError, match="not valid JSON"):
        folder.read_json(folder.measures)


def test_a_missing_file_is_refused_and_an_unwritable_one_is_ours(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "gone")
    with pytest.raises(RecordError, match="cannot be read: No such file"):
        folder.read_json(folder.audit)
    with pytest.raises(RunError, match="cannot be written: No such file"):
        folder.write_json(folder.audit, {})
