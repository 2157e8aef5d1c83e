"""Baselines: a reviewed file that changes by small diffs, and refuses to answer another question."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import run_words
from harness.errors import InvalidRun, SpecError
from harness.gate import drift, judge
from harness.gate.runs import read
from harness.gate.saved import Saved, listing, save
from harness.record.folder import RunFolder
from tests.gate.planted_lines import VERDICT, invalid, recovers, runs, stuck, verdicts

NO_SLOWER = {"variant": "budget", "measure": "time_to_recover", "is": "<= 1.2x saved"}
GOODPUT = {"variant": "budget", "series": "goodput", "is": ">= 0.99x saved", "over": "recovery"}


def saved(root: Path, *folders: RunFolder) -> Path:
    path = root / "baselines" / "planted.json"
    save(path, read(folders))
    return path


def test_the_file_says_what_it_is_of_and_is_the_same_to_the_byte_when_saved_again(tmp_path: Path) -> None:
    folders = runs(tmp_path, [NO_SLOWER, GOODPUT], recovers(seed=2), recovers(seed=10), recovers(seed=1))
    path = saved(tmp_path, *folders)
    first = path.read_bytes()
    held = json.loads(first)
    entry = held["baselines"]["budget/live/0.1.0"]
    assert (held["experiment"], list(entry["runs"])) == ("planted", ["1", "2", "10"])
    assert entry["fingerprint"] == folders[0].read_json(folders[0].plan)["fingerprint"]
    assert entry["runs"]["2"]["time_to_recover_s"] == 2
    assert entry["runs"]["2"]["goodput over recovery"] == pytest.approx(0.9, abs=1e-6)
    assert save(path, read(folders[::-1])) == Saved.read(path)
    assert path.read_bytes() == first


def test_one_variant_more_is_a_diff_of_added_lines_only(tmp_path: Path) -> None:
    path = saved(tmp_path, *runs(tmp_path, [VERDICT], recovers()))
    before = path.read_text().splitlines()
    saved(tmp_path, *runs(tmp_path, [VERDICT], stuck()))
    after = path.read_text().splitlines()
    assert set(before) <= set(after)
    assert [one["variant"] for one in listing([path])] == ["budget", "naive"]


def test_a_multiple_of_what_was_saved_is_judged_seed_by_seed(tmp_path: Path) -> None:
    path = saved(tmp_path, *runs(tmp_path, [NO_SLOWER, GOODPUT], recovers(seed=1), recovers(seed=2)))
    lines = [NO_SLOWER, GOODPUT]
    same = judge(runs(tmp_path / "same", lines, recovers(seed=1), recovers(seed=2)), baseline=path)
    assert (verdicts(same), same["exit_code"]) == (["pass", "pass"], 0)
    slower = judge(runs(tmp_path / "slower", lines, recovers(seed=1), recovers(seed=2, after_s=3.0)), baseline=path)
    assert (verdicts(slower), slower["exit_code"]) == (["fail", "fail"], 1)
    assert "in the saved run, seed 2" in slower["criteria"][0]["why"]
    stuck_now = judge(runs(tmp_path / "stuck", [NO_SLOWER], stuck("budget")), baseline=path)
    assert verdicts(stuck_now) == ["fail"]  # not reached within 20 s is over 1.2 x 2 s


def test_a_seed_that_was_not_saved_is_unsure(tmp_path: Path) -> None:
    path = saved(tmp_path, *runs(tmp_path, [NO_SLOWER], recovers(seed=1)))
    gate = judge(runs(tmp_path / "now", [NO_SLOWER], recovers(seed=3)), baseline=path)
    assert (gate["exit_code"], verdicts(gate)) == (3, ["unsure"])
    assert "no run with seed 3 was saved (there are 1)" in gate["criteria"][0]["why"]


def test_a_changed_experiment_is_refused_and_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path, *runs(tmp_path, [NO_SLOWER], recovers()))
    (now,) = runs(tmp_path / "now", [NO_SLOWER], recovers()._replace(slots=6))
    for words in (["gate", str(now.path), "--baseline", str(path)], ["baseline", "compare", str(path), str(now.path)]):
        assert run_words(words) == 2
        assert "the experiment changed, so the saved values answer another question" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "write one with `blackstart baseline save`"),
        ("{", "not a baseline"),
        ("[]", "a baseline of version None"),
        ('{"schema_version": 0}', "a baseline of version 0; this version of blackstart reads 1"),
        ('{"schema_version": 1}', "not a baseline"),
        ('{"schema_version": 1, "experiment": "planted", "baselines": {"a/b/c": {"fingerprint": "1", "runs": '
         '{"1": {"time_to_recover_s": NaN}}}}}', "NaN is no number"),
        ('{"schema_version": 1, "experiment": "other", "baselines": {}}', "the baseline of other"),
        ('{"schema_version": 1, "experiment": "planted", "baselines": {}}', "it has nothing"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_baseline_of_this_is_refused(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "planted.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SpecError) as refused:
        judge(runs(tmp_path / "now", [NO_SLOWER], recovers()), baseline=path)
    assert said in str(refused.value)


def test_a_line_on_a_baseline_without_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="needs a saved baseline"):
        judge(runs(tmp_path, [NO_SLOWER], recovers()))


def test_run_folders_alone_are_told_that_the_file_comes_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [str(folder.path) for folder in runs(tmp_path, [VERDICT], recovers())]
    assert run_words(["baseline", "save", *folders]) == 2
    assert "is a folder; name the baseline's file first" in capsys.readouterr().err


def test_an_invalid_run_is_no_baseline(tmp_path: Path) -> None:
    with pytest.raises(InvalidRun, match="an invalid run is no baseline"):
        save(tmp_path / "b.json", read(runs(tmp_path, [VERDICT], recovers(seed=1), invalid(seed=2))))


def test_a_file_of_another_experiment_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "planted.json"
    path.write_text('{"schema_version": 1, "experiment": "other", "baselines": {}}')
    with pytest.raises(SpecError, match="choose another file"):
        save(path, read(runs(tmp_path, [VERDICT], recovers())))
    assert "other" in path.read_text()


def test_drift_says_same_worse_and_unsure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seeds = range(1, 9)
    path = saved(tmp_path, *runs(tmp_path, [VERDICT], *(recovers(seed=seed) for seed in seeds)))

    def now(name: str, after_s: float, first: range = seeds) -> tuple[int, str]:
        folders = runs(tmp_path / name, [VERDICT], *(recovers(seed=seed, after_s=after_s) for seed in first))
        return run_words(["baseline", "compare", str(path), *(str(folder.path) for folder in folders)]), (
            capsys.readouterr().out
        )

    code, said = now("same", 2.0, range(1, 3))
    assert (code, "equal in all 2 pairs" in said, said.splitlines()[-1]) == (0, True, "nothing got worse")
    code, said = now("worse", 4.0)
    assert (code, said.splitlines()[-1]) == (1, "got worse")
    code, said = now("few", 4.0, range(1, 3))
    assert (code, "cannot say" in said) == (3, True)
    assert now("others", 2.0, range(20, 22))[0] == 3


def test_drift_in_json_carries_both_medians(tmp_path: Path) -> None:
    path = saved(tmp_path, *runs(tmp_path, [VERDICT], recovers()))
    found = drift.against(read(runs(tmp_path / "now", [VERDICT], recovers(after_s=4.0))), Saved.read(path))
    assert found["variants"][0]["medians"]["time_to_recover_s"] == {"saved": 2.0, "now": 4.0}


def test_the_words_save_and_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder,) = runs(tmp_path, [VERDICT], recovers())
    path = tmp_path / "deep" / "planted.json"
    assert run_words(["baseline", "save", str(path), str(folder.path)]) == 0
    assert "have the change reviewed" in capsys.readouterr().out
    assert run_words(["baseline", "list", str(path)]) == 0
    assert "planted/budget, live, blackstart 0.1.0" in capsys.readouterr().out
    assert run_words(["baseline", "save", str(path)]) == 2
    assert run_words(["baseline", "list", str(tmp_path / "none.json")]) == 2


def test_a_run_is_never_worse_than_itself(tmp_path: Path) -> None:
    lines = [
        {"variant": "budget", "measure": key, "is": f"{sense} 1x saved"}
        for key in ("amplification.overall", "baseline.p99", "wasted_work_ratio", "backlog.peak")
        for sense in ("<=", ">=")
    ]
    folders = runs(tmp_path, lines, recovers()._replace(queueing=True, copies=2))
    assert verdicts(judge(folders, baseline=saved(tmp_path, *folders))) == ["pass"] * 8
