"""Runs that cannot be judged: each gets its sentence and its exit code, and never a pass."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import run_words
from harness.record.folder import RunFolder
from tests.analyse.planted import Truth, plant
from tests.gate.planted_lines import IN_TIME, VERDICT, recovers, runs, stuck

RATIO = {"variant": "budget", "measure": "goodput_deficit.recovery_ops", "is": "<= 0.5x variant naive"}


def edited(folder: RunFolder, **changes: object) -> RunFolder:
    folder.write_json(folder.plan, {**folder.read_json(folder.plan), **changes})
    return folder


def gated(capsys: pytest.CaptureFixture[str], *folders: RunFolder | Path | str) -> tuple[int, str]:
    words = [str(folder.path) if isinstance(folder, RunFolder) else str(folder) for folder in folders]
    code = run_words(["gate", *words])
    found = capsys.readouterr()
    assert "Traceback" not in found.err
    assert "defect" not in found.err
    return code, found.out + found.err


def test_runs_of_different_experiments_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = runs(tmp_path, [VERDICT], recovers(seed=1), recovers(seed=2))
    code, said = gated(capsys, one, edited(other, experiment="another"))
    assert (code, "the experiment differs" in said) == (2, True)


def test_runs_of_different_engines_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = runs(tmp_path, [VERDICT], recovers(seed=1), recovers(seed=2))
    code, said = gated(capsys, one, edited(other, engine="world"))
    assert (code, "the engine differs" in said) == (2, True)


def test_runs_watched_for_different_times_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = runs(tmp_path, [VERDICT], recovers(seed=1), recovers(seed=2)._replace(recovery_s=10.0))
    code, said = gated(capsys, one, other)
    assert (code, "the time watched after the outage differs: 20 s in" in said) == (2, True)


def test_one_name_for_two_experiments_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = runs(tmp_path, [VERDICT], recovers(seed=1), recovers(seed=2))
    code, said = gated(capsys, one, edited(other, fingerprint="0123456789abcdef"))
    assert (code, "two experiments under the name budget" in said) == (2, True)


def test_runs_that_were_asked_different_things_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = (*runs(tmp_path, [VERDICT], recovers(seed=1)), *runs(tmp_path, [IN_TIME], recovers(seed=2)))
    code, said = gated(capsys, one, other)
    assert (code, "say which count with --criteria FILE" in said) == (2, True)


def test_no_common_seed_is_unsure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = gated(capsys, *runs(tmp_path, [RATIO], recovers(seed=1), stuck(seed=2)))
    assert (code, "budget has seed 1 and naive has 2: no seed in common" in said) == (3, True)


def test_one_run_only_is_unsure_about_what_needs_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compare = {"compare": ["budget", "naive"], "measure": "recovered", "is": "better"}
    code, said = gated(capsys, *runs(tmp_path, [RATIO, compare], recovers()))
    assert code == 3
    assert "there is no valid run of naive" in said
    assert "not both variants are among the runs" in said


def test_a_variant_without_a_run_is_unsure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = gated(capsys, *runs(tmp_path, [VERDICT, {**VERDICT, "variant": "naive"}], recovers()))
    assert (code, "no run of naive is among these" in said) == (3, True)


def test_zero_operations_are_unsure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder,) = runs(tmp_path, [VERDICT, {"variant": "budget", "series": "p99", "is": "<= 1s", "over": "baseline"}],
                     recovers())  # fmt: skip
    for path in folder.rows.glob("*.rows"):
        path.unlink()
    code, said = gated(capsys, folder)
    assert (code, "the load generator recorded nothing" in said) == (3, True)


def test_times_that_were_never_reached_fail_what_was_watched_and_leave_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def wanted(text: str) -> tuple[int, str]:
        line = {"variant": "naive", "measure": "time_to_recover", "is": text}
        return gated(capsys, *runs(tmp_path, [line], stuck(seed=1), stuck(seed=2)))

    assert wanted("<= 15s")[0] == 1
    code, said = wanted("<= 60s")
    assert (code, "not within 20 s" in said) == (3, True)


def test_truncated_rows_are_seen_though_the_measures_are_older(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder,) = runs(tmp_path, [VERDICT], recovers())
    assert gated(capsys, folder)[0] == 0
    path = folder.rows / "load-0-operation.rows"
    path.write_bytes(path.read_bytes()[:-5000])
    code, said = gated(capsys, folder)
    assert code == 3
    assert "its rows are not those that were measured; measured again from its rows" in said
    assert "no closing count" in said


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda measures: {**measures, "schema_version": 0}, "its measures.json is of version 0, this is 1"),
        (lambda measures: {**measures, "time_to_recover_s": float("nan")},
         "its measures.json holds a number that is none at time_to_recover_s"),
        (lambda measures: {key: value for key, value in measures.items() if key != "validity"},
         "its measures.json lacks keys"),
        (lambda measures: None, "its measures.json was damaged"),
    ],
)  # fmt: skip
def test_measures_that_cannot_be_trusted_are_taken_again_from_the_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: object, why: str
) -> None:
    (folder,) = runs(tmp_path, [VERDICT, IN_TIME], recovers())
    assert gated(capsys, folder)[0] == 0
    assert callable(spoil)
    folder.measures.write_text(json.dumps(spoil(json.loads(folder.measures.read_text()))))
    code, said = gated(capsys, folder)
    assert (code, f"{why}; measured again from its rows" in said) == (0, True)


def test_no_criteria_let_nothing_through(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = gated(capsys, *runs(tmp_path, [], recovers()))
    assert (code, "a gate without criteria lets everything through" in said) == (2, True)


def test_a_line_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = gated(capsys, *runs(tmp_path, [{"variant": "budget", "measure": "goodput", "is": "fast"}], recovers()))
    assert (code, "expect goodput" in said) == (2, True)


def test_what_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gated(capsys, tmp_path)[0] == 2
    assert gated(capsys, tmp_path / "nowhere")[0] == 2
    folder = plant(tmp_path, Truth(variant="budget"))
    folder.plan.write_text("{")
    assert gated(capsys, folder)[0] == 2


def test_options_for_running_are_refused_with_run_folders(tmp_path: Path) -> None:
    (folder,) = runs(tmp_path, [VERDICT], recovers())
    assert run_words(["gate", str(folder.path), "--repeat", "3"]) == 2
