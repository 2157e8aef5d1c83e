"""The gate: a criterion holds when it holds in every run, and what cannot be said is neither a pass nor a fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import run_words
from harness.gate import judge
from tests.gate.planted_lines import IN_TIME, VERDICT, invalid, recovers, runs, stuck, verdicts

RATIO = {"variant": "budget", "measure": "goodput_deficit.recovery_ops", "is": "<= 0.5x variant naive"}


def test_all_criteria_held_is_exit_0(tmp_path: Path) -> None:
    gate = judge(runs(tmp_path, [VERDICT, IN_TIME], recovers(seed=1), recovers(seed=2)))
    assert (gate["exit_code"], gate["verdict"], gate["counts"]) == (0, "pass", {"pass": 2, "fail": 0, "unsure": 0})
    assert gate["sentence"] == "PASS: 2 criteria over 2 runs held"


def test_one_run_of_three_that_fails_fails_the_criterion_and_says_which(tmp_path: Path) -> None:
    gate = judge(runs(tmp_path, [IN_TIME], recovers(seed=1), recovers(seed=2, after_s=6.0), recovers(seed=3)))
    assert (gate["exit_code"], verdicts(gate)) == (1, ["fail"])
    assert gate["criteria"][0]["why"] == "found 6.0 (seed 2; 1 of 3 runs)"
    assert [run["verdict"] for run in gate["criteria"][0]["runs"]] == ["pass", "fail", "pass"]


@pytest.mark.parametrize("wanted", ["== recovered", "!= recovered", "== metastable", "== invalid"])
def test_an_invalid_run_is_never_a_pass_and_never_a_fail(tmp_path: Path, wanted: str) -> None:
    gate = judge(runs(tmp_path, [{**VERDICT, "is": wanted}], invalid()))
    assert (gate["exit_code"], verdicts(gate)) == (3, ["unsure"])
    assert "neither a pass nor a fail: " in gate["criteria"][0]["why"]


def test_an_invalid_run_among_good_ones_leaves_the_criterion_unsure(tmp_path: Path) -> None:
    assert judge(runs(tmp_path, [IN_TIME], recovers(seed=1), invalid(seed=2)))["exit_code"] == 3


def test_a_failure_in_a_valid_run_stands_whatever_else_is_unsure(tmp_path: Path) -> None:
    assert judge(runs(tmp_path, [IN_TIME], recovers(seed=1, after_s=6.0), invalid(seed=2)))["exit_code"] == 1


def test_a_multiple_of_another_variant_is_taken_run_by_run(tmp_path: Path) -> None:
    both = [recovers(seed=1), recovers(seed=2), stuck(seed=1), stuck(seed=2)]
    assert verdicts(judge(runs(tmp_path / "a", [RATIO], *both))) == ["pass"]
    found = judge(runs(tmp_path / "b", [{**RATIO, "is": "<= 0.01x variant naive"}], *both))
    assert (verdicts(found), found["exit_code"]) == (["fail"], 1)
    assert "in naive, seed 1" in found["criteria"][0]["why"]


def test_a_ratio_of_times_of_which_one_was_never_reached_is_settled_only_where_it_can_be(tmp_path: Path) -> None:
    def ratio(text: str, variant: str = "budget") -> str:
        line = {"variant": variant, "measure": "time_to_recover", "is": text}
        return verdicts(judge(runs(tmp_path / f"{variant}{text[:2]}{len(text)}", [line], recovers(), stuck())))[0]

    assert ratio("<= 0.5x variant naive") == "pass"  # 2 s against over 20 s
    assert ratio("<= 0.05x variant naive") == "unsure"  # 2 s against over 1 s
    assert ratio("<= 2x variant budget", "naive") == "fail"  # over 20 s against 4 s
    assert ratio("<= 20.5x variant budget", "naive") == "unsure"
    assert ratio(">= 1x variant budget", "naive") == "pass"


def test_a_series_over_a_phase_can_be_a_multiple_of_another_variants(tmp_path: Path) -> None:
    line = {"variant": "naive", "series": "goodput", "is": "<= 0.5x variant budget", "over": "recovery"}
    assert verdicts(judge(runs(tmp_path, [line], recovers(), stuck()))) == ["pass"]


def test_comparing_lines_need_pairs_and_are_unsure_without(tmp_path: Path) -> None:
    line = {"compare": ["budget", "naive"], "measure": "recovered", "is": "better"}
    few = judge(runs(tmp_path / "few", [line], recovers(), stuck()))
    assert (verdicts(few), few["exit_code"]) == (["unsure"], 3)
    many = [truth for seed in range(1, 8) for truth in (recovers(seed=seed), stuck(seed=seed))]
    assert verdicts(judge(runs(tmp_path / "many", [line], *many))) == ["pass"]


def test_the_words_print_the_verdict_and_exit_with_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = runs(tmp_path, [VERDICT, IN_TIME], recovers(after_s=6.0))
    names = [str(folder.path) for folder in folders]
    assert run_words(["gate", *names]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "fail    budget: time_to_recover_s <= 5s"
    assert out[-1] == "FAIL: 1 of 2 criteria over 1 run failed"
    assert run_words(["gate", *names, "--exit-zero", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["exit_code"] == 1


def test_criteria_of_another_file_and_only_one_variant_can_be_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = runs(tmp_path / "runs", [{**VERDICT, "variant": "naive"}, VERDICT], recovers(), stuck())
    names = [str(folder.path) for folder in folders]
    assert run_words(["gate", *names]) == 1
    assert run_words(["gate", *names, "--variant", "budget"]) == 0
    file = tmp_path / "planted.yaml"
    file.write_text(
        "title: t\nload: {kv_reads: {arrivals: {rate: 10/s}}}\nvariants: {budget: {}, naive: {}}\n"
        "timeline: [{at: outage.start, do: kv.latency, with: {factor: 2, for: 1s}},"
        " {at: outage.end, do: dns.restore, fix: true}]\n"
        "expect: [{variant: naive, measure: verdict, is: '== metastable'}]\n"
    )
    capsys.readouterr()
    assert run_words(["gate", *names, "--criteria", str(file)]) == 0
    assert capsys.readouterr().out.endswith("PASS: 1 criterion over 2 runs held\n")


def test_an_experiment_file_is_run_and_judged_in_one_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "spell.yaml"
    file.write_text(
        "title: t\nregion: {kv: {instances: 1, slots: 4, service: {mean: 25ms, distribution: fixed}},"
        " mobile_banking: null}\nclient: {deadline: 800ms, timeout: 200ms, attempts: 4}\n"
        "load: {kv_reads: {arrivals: {rate: 50/s, process: even}}}\n"
        "phases: {warm_up: 1s, baseline: 6s, outage: 400ms, recovery: 8s, drain: 1s}\n"
        "timeline: [{at: outage.start, do: kv.latency, with: {mean: 100ms}},"
        " {at: outage.end, do: kv.heal, with: {fault: latency}, fix: true}]\n"
        "expect: [{variant: base, series: goodput, is: '>= 99%', for: 3s, within: 1s}]\n"
    )
    assert run_words(["gate", str(file), "--engine", "simulate", "--runs", str(tmp_path / "runs")]) == 0
    assert "PASS: 1 criterion over 1 run held" in capsys.readouterr().out
