"""The judge against planted truth: runs whose outcome was decided before their rows were written."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from harness.analyse import judge
from harness.analyse.evidence import gather
from tests.analyse.planted import FAULT_S, FIX_S, Truth, inside, plan_of, plant

WINDOW_S = 0.25
RISING = ((0.0, 2.0), (6.0, 2.0), (40.0, 3000.0))
FLAT = ((0.0, 2.0), (6.0, 2.0), (8.0, 50.0), (40.0, 50.0))


def measured(root: Path, truth: Truth) -> dict[str, Any]:
    return judge(plant(root, truth))[0]


RECOVERIES = [
    Truth(rate=rate, process=process, seed=seed, refused=((6.0, end_s),), waiting=FLAT)
    for rate in (50.0, 100.0, 200.0)
    for process in ("even", "poisson")
    for seed, end_s in enumerate((7.0, 8.0, 8.6, 9.37, 11.0, 12.9, 14.13, 16.5, 18.0, 20.01, 21.7, 22.95), 1)
]


@pytest.mark.parametrize("rate", [50.0, 100.0, 200.0])
@pytest.mark.parametrize("process", ["even", "poisson"])
def test_a_planted_recovery_is_found_within_one_window(tmp_path: Path, rate: float, process: str) -> None:
    for truth in RECOVERIES:
        if (truth.rate, truth.process) != (rate, process):
            continue
        measures = measured(tmp_path, truth)
        planted_s = max(0.0, truth.refused[0][1] - FIX_S)
        assert measures["validity"] == {"valid": True, "reasons": [], "notes": []}
        assert measures["verdict"] == "recovered", truth
        assert abs(measures["time_to_recover_s"] - planted_s) <= WINDOW_S, truth
        assert measures["oscillations"] == 0
        assert not measures["censored"]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_planted_oscillations_are_counted_and_do_not_move_the_recovery(tmp_path: Path, count: int) -> None:
    breaks = tuple((at, at + 0.5) for at in (14.0, 19.0, 24.0)[:count])
    for seed, rate in enumerate((100.0, 200.0, 300.0, 100.0, 200.0, 300.0), 1):
        process = "even" if seed < 4 else "poisson"
        measures = measured(
            tmp_path,
            Truth(rate=rate, process=process, slots=10, seed=seed, recovery_s=22.0, refused=((6.0, 10.0), *breaks)),
        )
        assert (measures["verdict"], measures["oscillations"]) == ("recovered", count)
        assert abs(measures["time_to_recover_s"] - 2.0) <= WINDOW_S


def test_a_run_that_never_leaves_the_stuck_state_is_metastable_and_censored(tmp_path: Path) -> None:
    for seed in range(1, 13):
        for times_out in (True, False):
            truth = Truth(rate=50.0 + 10 * seed, seed=seed, refused=((6.0, 99.0),), times_out=times_out, waiting=RISING)
            measures = measured(tmp_path, truth)
            assert measures["verdict"] == "metastable"
            assert (measures["time_to_recover_s"], measures["censored"]) == (None, True)
            assert measures["reasons"]["time_to_recover_s"]


def test_steady_once_but_broken_at_the_end_is_not_recovered(tmp_path: Path) -> None:
    for seed in range(1, 13):
        process = "even" if seed % 2 else "poisson"
        truth = Truth(process=process, seed=seed, refused=((6.0, 10.0), (20.0, 99.0)), waiting=RISING)
        measures = measured(tmp_path, truth)
        assert measures["verdict"] == "metastable"
        assert abs(measures["t_recovered_s"] - 10.0) <= WINDOW_S
        assert (measures["time_to_recover_s"], measures["censored"], measures["oscillations"]) == (None, True, 1)
        assert "not over the last 3 s" in measures["reasons"]["time_to_recover_s"]


def test_a_slow_drain_is_told_from_a_stuck_state_by_its_slope(tmp_path: Path) -> None:
    for seed in range(1, 25):
        share_per_s = 0.012 + 0.0015 * seed  # of the peak
        waiting = ((0.0, 0.0), (6.0, 0.0), (8.0, 1000.0), (28.0, 1000.0 * max(0.0, 1 - 20 * share_per_s)))
        truth = Truth(seed=seed, process="poisson", refused=((6.0, 99.0),), waiting=waiting)
        assert measured(tmp_path, truth)["verdict"] == "draining"
        slower = (*waiting[:3], (28.0, 1000.0 * (1 - 20 * 0.008)))
        assert measured(tmp_path, truth._replace(waiting=slower, variant="slower"))["verdict"] == "metastable"


def test_drain_efficiency_is_right_within_two_percent(tmp_path: Path) -> None:
    for seed in range(1, 25):
        rate, slots = 40.0 + 5 * seed, 10  # capacity 500/s
        fall_per_s = 40.0 + 6 * seed
        backlog = fall_per_s * 15.0
        waiting = ((0.0, 0.0), (6.0, 0.0), (7.0, backlog), (8.0, backlog), (23.0, 0.0), (40.0, 0.0))
        truth = Truth(rate=rate, slots=slots, seed=seed, refused=((6.0, 18.0),), waiting=waiting)
        measures = measured(tmp_path, truth)
        assert measures["verdict"] == "recovered"
        assert measures["backlog"]["drain_efficiency"] == pytest.approx(fall_per_s / (500.0 - rate), rel=0.02)
        assert measures["backlog"]["at_fix"] == pytest.approx(backlog, rel=0.02)


def test_some_goodput_with_flat_waiting_work_is_degraded(tmp_path: Path) -> None:
    for seed in range(1, 13):
        truth = Truth(
            seed=seed, process="poisson", refused=((6.0, 99.0),), refused_share=0.02 * seed + 0.1, waiting=FLAT
        )
        assert measured(tmp_path, truth)["verdict"] == "degraded"


def test_offered_load_over_capacity_is_overloaded_and_not_blamed_on_retries(tmp_path: Path) -> None:
    for seed in range(1, 13):
        truth = Truth(rate=100.0 + seed, slots=2, seed=seed, refused=((6.0, 99.0),), waiting=RISING)
        measures = measured(tmp_path, truth)
        assert measures["verdict"] == "overloaded"
        assert measures["capacity"]["capacity_per_s"] == 100.0


def test_lines_that_hold_throughout_never_failed(tmp_path: Path) -> None:
    for seed in range(1, 13):
        measures = measured(tmp_path, Truth(seed=seed, process="poisson", rate=200.0))
        assert (measures["verdict"], measures["time_to_recover_s"]) == ("never_failed", 0.0)


def test_a_stalled_enactor_that_empties_nothing_has_an_injection_and_no_fault(tmp_path: Path) -> None:
    measures = measured(tmp_path, Truth(fault="dns.stall_enactor"))
    assert (measures["verdict"], measures["t_inject_s"], measures["t_fault_s"]) == ("never_failed", 6.0, None)
    assert "emptied no answer" in measures["reasons"]["t_fault_s"]


def test_goodput_alone_would_pass_a_sick_run_at_four_times_the_attempts(tmp_path: Path) -> None:
    for seed in range(1, 7):
        folder = plant(tmp_path, Truth(seed=seed, process="poisson", rate=200.0, copies=4))
        steady = gather(folder).steady
        goodput = steady.course("goodput")
        assert goodput is not None
        assert goodput.holds.all()  # what a goodput-only rule sees, in every window
        measures, _ = judge(folder)
        assert (measures["verdict"], measures["time_to_recover_s"]) == ("degraded", None)
        assert measures["amplification"]["overall"] == pytest.approx(4.0, abs=0.03)


def test_queue_delay_over_its_limit_denies_recovery_that_the_other_lines_grant(tmp_path: Path) -> None:
    folder = plant(tmp_path, Truth(rate=400.0, slots=20, refused=((6.0, 9.0),), waits=((9.0, 15.0, 0.055),)))
    steady = gather(folder).steady
    late = steady.windows.starts * WINDOW_S >= 9.0
    for course in steady.courses:
        assert course.holds[late].all() == (course.measure != "queue_delay")
    measures, _ = judge(folder)
    # the mean over 1 s falls from 55 to 41 ms, under the limit of 50, once a quarter of it is past the end of the waits
    assert measures["time_to_recover_s"] == 14.25 - FIX_S


def test_dropped_operations_make_a_run_invalid_whatever_else_it_shows(tmp_path: Path) -> None:
    for seed in range(1, 7):
        measures = measured(tmp_path, Truth(seed=seed, refused=((6.0, 12.0),), dropped=1))
        assert (measures["verdict"], measures["recovered"]) == ("invalid", None)
        assert any("dropped 1 operations" in reason for reason in measures["validity"]["reasons"])


def test_a_generator_that_starts_late_makes_a_run_invalid(tmp_path: Path) -> None:
    measures = measured(tmp_path, Truth(lag_s=0.012))
    assert measures["verdict"] == "invalid"
    assert measures["load"]["late_ratio"] == 1.0


def test_a_fault_that_was_never_fixed_is_invalid(tmp_path: Path) -> None:
    measures = measured(tmp_path, Truth(refused=((6.0, 99.0),), fixed=False))
    assert measures["verdict"] == "invalid"
    assert any("never fixed" in reason for reason in measures["validity"]["reasons"])


def test_a_sick_baseline_is_invalid(tmp_path: Path) -> None:
    measures = measured(tmp_path, Truth(refused=((1.0, 6.0),), refused_share=0.03))
    assert measures["verdict"] == "invalid"


def test_waiting_work_that_rises_through_the_baseline_is_invalid(tmp_path: Path) -> None:
    measures = measured(tmp_path, Truth(waiting=((0.0, 0.0), (40.0, 120.0))))
    assert measures["verdict"] == "invalid"
    assert any("rose by 3/s" in reason for reason in measures["validity"]["reasons"])


def test_renaming_variants_changes_no_measure(tmp_path: Path) -> None:
    truth = Truth(process="poisson", seed=5, refused=((6.0, 13.0),), waiting=FLAT)
    found = [
        measured(tmp_path, truth._replace(variant=name)) for name in ("naive", "metastable", "budget", "recovered")
    ]
    for measures in found:
        assert {**measures, "variant": ""} == {**found[0], "variant": ""}


def test_the_due_rate_the_judge_uses_is_that_of_the_plan(tmp_path: Path) -> None:
    truth = Truth(process="poisson", seed=9, rate=150.0)
    windows = gather(plant(tmp_path, truth)).windows
    intended_s = plan_of(truth).schedule().intended_s
    for at in range(windows.n):
        span = ((at * WINDOW_S, (at + 1) * WINDOW_S),)
        assert windows.get("due")[at] == inside(intended_s, span).sum()


def healthy(root: Path, rate: float, seed: int) -> bool:
    slots = {50.0: 2, 200.0: 6, 500.0: 16}[rate]
    truth = Truth(rate=rate, process="poisson", slots=slots, seed=seed, recovery_s=8.0, queueing=True)
    folder = plant(root, truth)
    steady = gather(folder).steady
    for path in (*folder.rows.iterdir(), folder.gauges):
        path.unlink()
    return steady.t_recovered_s == FIX_S


@pytest.mark.parametrize("rate", [50.0, 200.0, 500.0])
def test_healthy_poisson_runs_recover_at_zero(tmp_path: Path, rate: float) -> None:
    assert all(healthy(tmp_path, rate, seed) for seed in range(1, 9))


@pytest.mark.long
def test_of_a_thousand_healthy_poisson_runs_at_least_990_recover_at_zero(tmp_path: Path) -> None:
    found = [healthy(tmp_path, (50.0, 200.0, 500.0)[seed % 3], seed) for seed in range(1, 1001)]
    assert sum(found) >= 990


def test_a_dead_system_with_a_handful_waiting_is_stuck_whatever_the_noise_does(tmp_path: Path) -> None:
    """Nought to two items come and go; in this order their slope is under -1 % of a peak of 2 per second."""
    rng = random.Random(2)
    noise = tuple((number / 4, float(rng.choice((0, 0, 1, 1, 2)))) for number in range(120))
    measures = measured(tmp_path, Truth(refused=((FAULT_S, 30.0),), waiting=noise, seed=2))
    assert measures["backlog"]["peak"] == 2.0
    assert measures["verdict"] == "metastable"
