"""Lines on series: over a stretch, in every window, for a time on end; and what is undefined turns no answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.analyse import analyse
from harness.analyse.evidence import gather
from harness.analyse.expect import answer
from harness.analyse.held import Look
from harness.record.folder import RunFolder
from tests.analyse.planted import Truth, plant

# Refused from the fault (6 s) to 2 s after the fix (8 s): 1000/s, so that every rolling window is one second.
RECOVERS = Truth(rate=300, slots=20, refused=((6.0, 10.0),))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return plant(tmp_path_factory.mktemp("held"), RECOVERS)


@pytest.fixture(scope="module")
def judged(run: RunFolder) -> Any:
    measures, look = analyse(run), Look(lambda: gather(run))

    def judge(is_: str, series: str = "goodput", **where: str) -> Any:
        return answer(measures, {"variant": "one", "series": series, "is": is_, **where}, look)

    return judge


def test_over_a_phase_one_value_is_made_of_all_its_operations(judged: Any) -> None:
    assert judged(">= 100% of due", over="baseline").verdict == "pass"
    found = judged(">= 95% of due", over="recovery")  # 2 s of 20 s were refused
    assert (found.verdict, found.found) == ("fail", pytest.approx(0.9, abs=1e-9))
    assert judged(">= 90% of due", over="recovery").verdict == "pass"
    assert judged("<= 0% of due", over="outage").verdict == "pass"


def test_over_a_length_counts_from_the_fix_or_from_where_the_line_says(judged: Any) -> None:
    assert judged(">= 95%", over="2s").found == 0.0
    assert judged(">= 95%", over="2s", **{"from": "recovery.start + 2s"}).found == 1.0
    assert judged(">= 95%", over="4s", **{"from": "fault"}).found == 0.0


def test_for_a_phase_every_window_counts_and_the_first_broken_one_is_told(judged: Any) -> None:
    assert judged(">= 99%", **{"for": "baseline"}).verdict == "pass"
    found = judged(">= 99%", **{"for": "recovery"})
    assert found.verdict == "fail"
    assert "first at 8 s" in found.why
    assert found.found == 0.0


def test_for_a_time_within_a_time_is_a_time_to_recover_by_one_line(judged: Any) -> None:
    held = judged(">= 99%", **{"for": "3s", "within": "2s"})
    assert (held.verdict, held.found) == ("pass", 2.0)
    assert judged(">= 99%", **{"for": "3s", "within": "1.75s"}).verdict == "fail"
    assert judged(">= 99%", **{"for": "3s"}).found == 2.0


def test_a_load_that_ended_too_early_to_refute_leaves_it_unsure(judged: Any) -> None:
    never = judged("<= 0%", **{"for": "3s", "within": "18s"})  # 18 + 3 s after the fix is past the load's end
    assert never.verdict == "unsure"
    assert "watched for 20 s" in never.why
    assert judged("<= 0%", **{"for": "3s", "within": "17s"}).verdict == "fail"
    assert judged(">= 99%", over="21s").verdict == "unsure"
    assert judged(">= 99%", **{"for": "21s"}).verdict == "unsure"


def test_a_multiple_is_of_the_same_series_in_the_baseline_phase(judged: Any) -> None:
    assert judged("<= 1x baseline", "amplification", over="recovery").verdict == "pass"
    assert judged("<= 0.99x baseline", "amplification", over="recovery").verdict == "fail"
    assert judged(">= 0.8x baseline", "goodput_per_s", **{"for": "3s", "within": "2s"}).verdict == "pass"
    assert "the limit is" in judged("<= 2x baseline", "p99", **{"for": "3s"}).why


def test_a_multiple_of_a_few_milliseconds_is_never_tighter_than_fifty_more(judged: Any) -> None:
    assert judged("<= 1x baseline", "queue_delay", **{"for": "baseline"}).verdict == "pass"
    assert judged("<= 0.1x baseline", "p99", over="baseline").verdict == "pass"


def test_a_series_without_values_is_unsure_and_never_a_pass_or_a_fail(judged: Any) -> None:
    for sense in ("<=", ">="):
        found = judged(f"{sense} 300ms", "p99", over="outage")
        assert (found.verdict, found.found) == ("unsure", None)
        assert judged(f"{sense} 300ms", "p99", **{"for": "outage"}).verdict == "unsure"


def test_parts_are_picked_by_name_and_unknown_ones_are_told(judged: Any) -> None:
    assert judged("<= 10ms", "queue_delay", of="kv", over="baseline").verdict == "pass"
    assert judged("<= 100", "waiting", over="recovery").verdict == "pass"
    found = judged("<= 10ms", "queue_delay", of="dns", over="baseline")
    assert found.verdict == "unsure"
    assert "there is that of 'kv'" in found.why


def test_a_run_nobody_fixed_has_no_time_after_the_fix(tmp_path: Path) -> None:
    run = plant(tmp_path, Truth(fixed=False))
    line = {"variant": "one", "series": "goodput", "is": ">= 95%", "over": "3s"}
    measures = {**analyse(run), "validity": {"valid": True, "reasons": []}}
    assert answer(measures, line, Look(lambda: gather(run))).verdict == "unsure"


def test_an_invalid_run_answers_no_line_on_a_series(run: RunFolder) -> None:
    measures = {**analyse(run), "validity": {"valid": False, "reasons": ["late"]}}
    line = {"variant": "one", "series": "goodput", "is": ">= 0%", "over": "baseline"}
    assert answer(measures, line, Look(lambda: gather(run))).verdict == "unsure"


def test_run_and_simulate_answer_series_with_the_same_judge(tmp_path: Path) -> None:
    folder = plant(tmp_path, RECOVERS)
    plan = folder.read_json(folder.plan)
    plan["spec"]["expect"] = [{"variant": "one", "series": "goodput", "is": ">= 99%", "for": "3s", "within": "2s"}]
    folder.write_json(folder.plan, plan)
    found = analyse(folder)["expect"]
    assert [(one["measure"], one["verdict"]) for one in found] == [
        ("goodput for 3s, beginning within 2s of the fix", "pass")
    ]
