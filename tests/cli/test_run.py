"""`run` and `compare` around runs that are functions: what is printed where, and the exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.cli import compare as compare_module
from harness.cli import run as run_module
from harness.cli import run_words
from harness.cli.live_runs import Job, Outcome
from harness.errors import Exit
from harness.live.way_out import DONE, RunState
from harness.record.folder import RunFolder
from harness.spec import ExperimentFile

TEXT = """
title: t
seed: 7
load: {mobile_banking: {arrivals: {rate: 10/s}}}
timeline:
  - {at: outage.start, do: kv.latency, with: {factor: 2, for: 1s}}
  - {at: outage.end, do: dns.restore, fix: true}
variants: {a: {}, b: {}}
"""


def measured(job: Job, **more: Any) -> dict[str, Any]:
    return {
        "experiment": "x", "variant": job.variant, "seed": job.seed,
        "verdict": "recovered", "verdict_reason": "it held",
        "validity": {"valid": True, "reasons": []}, "time_to_recover_s": 2.5, "wasted_work_ratio": 0.25,
        "expect": [], "reasons": {"time_to_detect_s": "no probe failed"}, "time_to_detect_s": None, **more,
    }  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.yaml"
    path.write_text(TEXT)
    return path


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., list[Job]]:
    """Replaces live runs: each job's outcome comes from a function; gives back the list of jobs done."""

    def use(how: Callable[[Job], tuple[RunState, dict[str, Any] | None]]) -> list[Job]:
        done: list[Job] = []

        def do(loaded: ExperimentFile, job: Job, root: Path) -> Outcome:
            done.append(job)
            folder = RunFolder.create(tmp_path, "x", job.variant, job.seed, "now")
            state, measures = how(job)
            if measures is not None:
                folder.write_json(folder.measures, measures)
            return Outcome(job, folder, state, measures)

        live = run_module.How(do, "run")
        monkeypatch.setattr(run_module, "LIVE", live)
        monkeypatch.setattr(compare_module, "LIVE", live)
        return done

    return use


def test_json_of_one_run_is_its_measures_alone(
    file: Path, runs: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    runs(lambda job: (DONE, measured(job)))
    assert run_words(["run", str(file), "--variant", "a", "--json", "--no-report"]) == 0
    assert json.loads(capsys.readouterr().out) == measured(Job("a", 7))


def test_json_of_several_runs_is_a_list_in_the_order_they_were_run(
    file: Path, runs: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    runs(lambda job: (DONE, measured(job)))
    assert run_words(["run", str(file), "--repeat", "2", "--json", "--no-report"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(m["variant"], m["seed"]) for m in found] == [("a", 7), ("b", 7), ("b", 8), ("a", 8)]


def test_people_get_verdict_measures_folder_and_how_to_repeat_it(
    file: Path, runs: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    runs(lambda job: (DONE, measured(job)))
    assert run_words(["run", str(file), "--variant", "a", "--no-report"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("x / a, seed 7: recovered\n  it held\n")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "time to recover 2.5 s" in lines
    assert "wasted service time 25 %" in lines
    assert "time to detect - (no probe failed)" in lines
    assert f"folder {file.parent / 'x' / 'a-s7-now'}" in lines
    assert f"again blackstart run {file} --variant a --seed 7" in lines


def test_a_failed_criterion_exits_1(file: Path, runs: Any, capsys: pytest.CaptureFixture[str]) -> None:
    line = {"measure": "verdict", "wanted": "== recovered", "verdict": "fail", "why": "found metastable"}
    runs(lambda job: (DONE, measured(job, expect=[line])))
    assert run_words(["run", str(file), "--variant", "a", "--no-report"]) == 1
    assert "expect verdict == recovered: fail (found metastable)" in capsys.readouterr().out


def test_a_run_that_failed_ends_the_series_and_keeps_what_was_recorded(
    file: Path, runs: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = RunState("failed", Exit.MACHINERY, "kv (process 1) ended: killed by SIGKILL")
    done = runs(lambda job: (failed, None) if job.variant == "b" else (DONE, measured(job)))
    assert run_words(["run", str(file), "--repeat", "2", "--json", "--no-report"]) == 4
    captured = capsys.readouterr()
    assert done == [("a", 7), ("b", 7)]
    assert [m["variant"] for m in json.loads(captured.out)] == ["a"]
    assert captured.err == (
        "blackstart: kv (process 1) ended: killed by SIGKILL\n"
        f"blackstart: what was recorded is in {file.parent / 'x' / 'b-s7-now'}; "
        f"measure it with `blackstart analyse {file.parent / 'x' / 'b-s7-now'}`\n"
    )


@pytest.mark.parametrize("code", [Exit.INTERRUPTED, Exit.TERMINATED])
def test_an_interrupted_run_has_its_own_exit_code(file: Path, runs: Any, code: Exit) -> None:
    done = runs(lambda job: (RunState("interrupted", code, "interrupted"), None))
    assert run_words(["run", str(file), "--no-report"]) == code
    assert len(done) == 1


def test_compare_runs_the_variants_and_judges_them(
    file: Path, runs: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs(lambda job: (DONE, measured(job)))
    judged: list[str] = []

    def judge(folders: list[RunFolder], labels: Any, sure: Any) -> tuple[dict[str, Any], Path]:
        assert (labels, sure) == ([None], None)
        judged.extend(folder.path.name for folder in folders)
        runs_of_it = [{"variant": "a"}, {"variant": "b"}]
        return {"sentences": ["a and b look alike"], "expect": [{"verdict": "unsure"}], "runs": runs_of_it}, file.parent

    monkeypatch.setattr(compare_module, "judge", judge)
    assert run_words(["compare", str(file), "--no-report"]) == Exit.INVALID
    assert judged == ["a-s7-now", "b-s7-now"]
    out = capsys.readouterr().out
    assert "a and b look alike" in out
    assert "a s7  recovered  2.5 s" in out


def test_one_run_is_nothing_to_compare(file: Path, runs: Any, capsys: pytest.CaptureFixture[str]) -> None:
    done = runs(lambda job: (DONE, measured(job)))
    assert run_words(["compare", str(file), "--variant", "a", "--no-report"]) == Exit.USAGE
    assert "needs at least two runs" in capsys.readouterr().err
    assert done == []  # said before a run takes its own length


def test_run_folders_are_not_run_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_words(["compare", str(tmp_path), "--seed", "3"]) == Exit.USAGE
    assert "run folders are not run again" in capsys.readouterr().err
