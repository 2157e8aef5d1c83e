"""The small rules one by one: lines, verdicts, slopes, trends, moments and expect lines."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.analyse import moments
from harness.analyse.capacity import stations
from harness.analyse.dns import story
from harness.analyse.expect import answer, answer_all, look_up
from harness.analyse.lines import level, parse
from harness.analyse.trend import rises, slope_per_s
from harness.analyse.verdict import Facts, Verdict, decide, is_falling
from harness.errors import SpecError
from harness.spec import Expect
from harness.spec.checks import of_expectations

PLAN = {
    "phases": [{"name": "baseline", "start_s": 1, "end_s": 6}, {"name": "recovery", "start_s": 8, "end_s": 28}],
    "load_end_s": 28,
    "end_s": 29,
}
series = st.lists(st.floats(-50, 50).map(lambda x: round(x, 2)), min_size=2, max_size=30)


def test_limits_on_durations_leave_fifty_milliseconds_of_room() -> None:
    lines = parse({}).lines
    assert level("p99", lines["p99"], 0.010) == 0.010 + 0.050
    assert level("p99", lines["p99"], 0.100) == 0.200
    assert level("amplification", lines["amplification"], 1.0) == 1.1
    assert level("goodput", lines["goodput"], 1.0) == 0.95


def test_lines_left_out_are_judged_by_default_and_only_p99_can_be_switched_off() -> None:
    assert list(parse({"goodput": ">= 99% of due", "p99": "none", "for": "10s"}).lines) == [
        "goodput",
        "amplification",
        "queue_delay",
    ]
    assert parse({"for": "10s"}).for_s == 10.0
    assert parse({"queue_delay": "<= 200ms"}).lines["queue_delay"].limit() == 0.2
    with pytest.raises(SpecError, match="is not a steady-state line"):
        parse({"goodput": "lots"})


def test_verdicts_are_taken_in_their_order() -> None:
    order = list(Verdict)
    flags = product(
        (True, False), (True, False), (True, False, None), (True, False), (True, False), (True, False), (True, False)
    )
    for valid, throughout, overloaded, fixed, reached, ends, falling in flags:
        for share in (0.0, 0.49, 0.5, 1.0):
            found, why = decide(Facts(valid, throughout, overloaded, fixed, reached, ends, falling, share))
            fits = {
                Verdict.INVALID: not valid,
                Verdict.NEVER_FAILED: throughout,
                Verdict.OVERLOADED: overloaded is True,
                Verdict.RECOVERED: reached and ends,
                Verdict.DRAINING: falling,
                Verdict.METASTABLE: fixed and overloaded is False and share < 0.5,
                Verdict.DEGRADED: True,
            }
            assert found is next(word for word in order if fits[word])
            assert why


def test_unknown_capacity_is_degraded_with_the_reason() -> None:
    found, why = decide(Facts(True, False, None, True, False, False, False, 0.0))
    assert found is Verdict.DEGRADED
    assert "capacity is unknown" in why


@given(series)
def test_the_slope_is_that_of_theil_and_sen(values: list[float]) -> None:
    t_s = np.arange(len(values)) * 0.25
    assert slope_per_s(t_s, np.array(values)) == pytest.approx(stats.theilslopes(values, t_s).slope, abs=1e-9)


def test_falling_is_more_than_one_percent_of_the_peak_per_second() -> None:
    t_s = np.arange(0, 10, 0.25)
    assert is_falling(t_s, 500.0 - 11.0 * t_s, 1000.0)
    assert not is_falling(t_s, 500.0 - 9.0 * t_s, 1000.0)
    assert not is_falling(t_s, np.zeros(t_s.size), 0.0)


def test_a_middling_backlog_that_wanders_is_not_falling() -> None:
    """Seconds in an order that chance makes often, with a slope of more than 1 % of the peak all the same."""
    t_s = np.arange(0, 6, 0.25)
    wanders = np.repeat([60.0, 40.0, 62.0, 42.0, 50.0, 34.0], 4)
    assert slope_per_s(t_s, wanders) < -0.01 * 100.0
    assert not is_falling(t_s, wanders, 100.0)
    assert is_falling(t_s, np.sort(wanders)[::-1], 100.0)
    assert is_falling(t_s[:16], wanders[8:], 100.0)  # four seconds are too few for the test: the slope alone decides


@pytest.mark.parametrize("n", [4, 5, 6, 7])
def test_the_trend_test_rejects_at_most_one_order_in_a_hundred(n: int) -> None:
    orders = list(permutations(range(n)))
    share = sum(rises(np.array(order, dtype=float)) for order in orders) / len(orders)
    assert share <= 0.01
    assert rises(np.arange(float(n))) == (n >= 5)  # 1 of 4! orders is more than 1 %


def test_the_trend_test_agrees_with_kendalls_tau_for_many_points() -> None:
    rng = np.random.default_rng(2)
    for slope in (0.0, 0.01, 0.02, 0.03, 0.05):
        values = rng.normal(size=60) + slope * np.arange(60)
        exact = stats.kendalltau(np.arange(60), values, alternative="greater", method="asymptotic").pvalue
        if abs(exact - 0.01) > 0.002:
            assert rises(values) == (exact < 0.01)


def journal(*entries: tuple[float, str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"t_s": t_s, "who": "orchestrator", "kind": kind, **rest} for t_s, kind, rest in entries]


def test_a_dns_fault_starts_with_its_first_empty_answer_and_others_at_once() -> None:
    stall = (6.0, "inject", {"what": "dns.stall_enactor"})
    empty = (7.5, "first_empty_answer", {})
    assert moments.find(PLAN, journal(stall, empty)).t_fault_s == 7.5
    assert moments.find(PLAN, journal(stall)).t_fault_s is None
    assert moments.find(PLAN, journal(stall)).judged_from_s == 6.0
    both = journal(stall, (6.5, "inject", {"what": "kv.latency"}), empty)
    assert (moments.find(PLAN, both).t_inject_s, moments.find(PLAN, both).t_fault_s) == (6.0, 6.5)
    assert moments.find(PLAN, []).t_fault_s is None
    assert moments.find(PLAN, []).judged_from_s == 6.0  # the end of the baseline


def test_detection_is_the_first_failed_probe_after_the_fault() -> None:
    found = moments.find(
        PLAN,
        journal(
            (5.0, "probe", {"ok": False}),
            (6.0, "inject", {"what": "kv.latency"}),
            (6.5, "probe", {"ok": True}),
            (7.25, "probe", {"ok": False}),
            (8.0, "fix", {}),
        ),
    )
    assert (found.t_detect_s, found.t_fix_s) == (7.25, 8.0)


def test_a_fault_that_no_probe_told_of_says_whether_any_probe_ran() -> None:
    fault = (6.0, "inject", {"what": "kv.latency"})

    def why(*probes: tuple[float, bool]) -> str:
        entries = journal(*((t_s, "probe", {"ok": ok}) for t_s, ok in probes if t_s < 6.0), fault)
        return moments.find(PLAN, entries).why["t_detect_s"]

    assert why() == "no canary probe came to an end in this run, so nobody looked from outside"
    assert why((1.0, True)) == "canary probes ran, and none failed after the fault"
    assert "failed before the fault already" in why((1.0, True), (5.0, False))
    assert moments.find(PLAN, []).why["t_detect_s"] == "no fault was injected"


def test_a_heal_is_not_a_fix_and_a_stop_ends_the_load() -> None:
    found = moments.find(PLAN, journal((6.0, "inject", {"what": "kv.latency"}), (7.0, "stop", {}), (7.1, "heal", {})))
    assert (found.t_fix_s, found.load_end_s, found.t_stop_s) == (None, 7.0, 7.0)


def test_the_dns_story_says_whether_the_race_was_run() -> None:
    kinds = ("plan", "stale_apply", "active_plan_deleted", "first_empty_answer", "enactor_error", "restored")
    times_s = (10.0, 12.0, 12.4, 12.5, 13.0, 22.0)
    entries = journal(*((t_s, kind, {}) for t_s, kind in zip(times_s, kinds, strict=True)))
    found = story(entries)
    assert found is not None
    assert (found["raced"], found["plans"], found["enactor_errors"], found["t_restored_s"]) == (True, 1, 1, 22.0)
    assert story(entries[:1]) is not None
    assert not story(entries[:1])["raced"]  # type: ignore[index]
    assert story([]) is None


def test_capacity_is_slots_by_mean_service_time_and_unknown_without_them() -> None:
    kv = {"slots": 5, "service": {"mean": "20ms"}}
    assert stations(
        {"spec": {"region": {"preset": "small", "kv": kv, "mobile_banking": {"instances": 1}, "dns": None}}}
    ) == [("kv", 250.0)]
    assert stations({"spec": {"region": "small"}}) == []
    assert stations({}) == []


MEASURES: dict[str, Any] = {
    "validity": {"valid": True, "reasons": []},
    "verdict": "recovered",
    "recovered": True,
    "time_to_recover_s": 4.0,
    "censored": False,
    "horizon_s": 20.0,
    "amplification": {"overall": 1.2, "peak": None},
    "reasons": {"amplification.peak": "nothing was due"},
}


@pytest.mark.parametrize(
    ("measure", "wanted", "verdict"),
    [
        ("time_to_recover", "<= 15s", "pass"),
        ("time_to_recover_s", "<= 3s", "fail"),
        ("verdict", "== recovered", "pass"),
        ("verdict", "!= recovered", "fail"),
        ("recovered", True, "pass"),
        ("amplification.overall", "<= 1.1", "fail"),
        ("amplification.peak", "<= 2", "unsure"),
    ],
)
def test_expect_lines_are_answered_from_the_measures(measure: str, wanted: object, verdict: str) -> None:
    assert answer(MEASURES, {"measure": measure, "is": wanted}).verdict == verdict


def test_a_censored_time_fails_only_a_bound_that_was_watched() -> None:
    censored = MEASURES | {"time_to_recover_s": None, "censored": True}
    assert answer(censored, {"measure": "time_to_recover", "is": "<= 15s"}).verdict == "fail"
    assert answer(censored, {"measure": "time_to_recover", "is": "<= 20s"}).verdict == "fail"
    assert answer(censored, {"measure": "time_to_recover", "is": "<= 25s"}).verdict == "unsure"
    assert answer(censored, {"measure": "time_to_recover", "is": ">= 15s"}).verdict == "pass"


def test_an_invalid_run_answers_no_line_but_that_on_its_verdict() -> None:
    invalid = MEASURES | {"validity": {"valid": False, "reasons": ["x"]}, "verdict": "invalid"}
    assert answer(invalid, {"measure": "time_to_recover", "is": "<= 15s"}).verdict == "unsure"
    assert answer(invalid, {"measure": "verdict", "is": "== recovered"}).verdict == "fail"


def test_an_unknown_measure_is_refused_with_what_there_is() -> None:
    with pytest.raises(SpecError, match=r"no measure 'amplification.worst'; at that place there are overall, peak"):
        look_up(MEASURES, "amplification.worst")
    with pytest.raises(SpecError, match="no measure 'speed'"):
        look_up(MEASURES, "speed")


@pytest.mark.parametrize(
    ("measures", "measure", "key"),
    [
        (MEASURES | {"audit": None}, "audit.lost", "audit.lost"),
        (MEASURES | {"status_page": None}, "status_page.first_post_lag", "status_page.first_post_lag_s"),
        (MEASURES, "amplification.by_layer.load->elsewhere", "amplification.by_layer.load->elsewhere"),
    ],
)
def test_a_measure_of_what_took_no_part_is_unsure_and_no_error(
    measures: dict[str, Any], measure: str, key: str
) -> None:
    """`check` accepts these names, so a run that has been done must not be lost over them."""
    found = answer(measures, {"measure": measure, "is": "<= 1"})
    assert (found.measure, found.found, found.verdict) == (key, None, "unsure")


@pytest.mark.parametrize(
    ("short", "key"),
    [
        ("wasted_work", "wasted_work_ratio"),
        ("attempts_peak", "attempts_peak_per_s"),
        ("load.late", "load.late_ratio"),
        ("baseline.goodput", "baseline.goodput_per_s"),
        ("latency.recovery.p99", "latency.recovery.p99_s"),
    ],
)
def test_a_key_may_lose_the_same_endings_in_the_file_and_in_the_answer(short: str, key: str) -> None:
    line = Expect.model_validate({"variant": "a", "measure": short, "is": "<= 1"})
    assert line.key == key
    assert list(of_expectations([line], ["a"])) == []
    assert look_up(MEASURES, short) == (key, None)


def test_comparative_lines_are_unsure_for_one_run_and_lines_of_others_are_not_asked() -> None:
    lines = [
        {"variant": "a", "measure": "recovered", "is": True},
        {"variant": "b", "measure": "recovered", "is": True},
        {"compare": ["a", "b"], "measure": "recovered", "is": "better"},
    ]
    assert [(found["verdict"], "compare" in found) for found in answer_all(MEASURES, lines, "a")] == [
        ("pass", False),
        ("unsure", True),
    ]
