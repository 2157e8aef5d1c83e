"""What is called different is different: the rate of false findings, the power promised, and looking often."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.compare.enough import least_pairs, mcnemar_power, pairs_for_means, pairs_for_recovery
from harness.compare.judgement import judge
from harness.compare.looks import looks, settle, unsure
from harness.compare.paired import mcnemar
from harness.compare.sides import Side
from harness.compare.survival import log_rank, survival
from harness.record.folder import RunFolder

NOWHERE = RunFolder(Path("nowhere"))
HORIZON_S = 20.0


def side(variant: str, seed: int, recovered: bool, time_s: float, attempts: float) -> Side:
    measures: dict[str, Any] = {
        "validity": {"valid": True, "reasons": []},
        "recovered": recovered,
        "censored": not recovered,
        "horizon_s": HORIZON_S,
        "time_to_recover_s": time_s if recovered else None,
        "amplification": {"overall": attempts},
    }
    return Side(f"{variant} s{seed}", NOWHERE, variant, seed, {"experiment": "planted"}, measures)


def runs_of(rng: np.random.Generator, variant: str, pairs: int, luck: Any, chance: float, slow: float) -> list[Side]:
    """Bimodal runs: recovery hangs on the seed's luck and the variant's own; times are long-tailed."""
    recovers = 0.5 * luck + 0.5 * rng.random(pairs) < chance
    times_s = np.minimum(HORIZON_S, slow * rng.lognormal(1.0, 0.6, pairs))
    attempts = 1.5 + 0.3 * luck + rng.normal(0.0, 0.1, pairs)
    return [
        side(variant, n + 1, bool(recovers[n]), float(times_s[n]), float(attempts[n])) for n in range(pairs)
    ]  # fmt: skip


def two(rng: np.random.Generator, pairs: int, chance: float = 0.5, slow: float = 1.0) -> list[Side]:
    luck = rng.random(pairs)
    return runs_of(rng, "a", pairs, luck, 0.5, 1.0) + runs_of(rng, "b", pairs, luck, chance, slow)


def words(sides: list[Side], alpha: float = 0.05) -> list[str]:
    return [one.verdict for one in judge(sides, [("a", "b")], alpha=alpha)[0].judged]


@pytest.mark.long
@pytest.mark.parametrize("pairs", [6, 9, 12])
def test_of_four_thousand_comparisons_of_like_variants_at_most_six_percent_find_a_difference(pairs: int) -> None:
    rng = np.random.default_rng(pairs)
    trials = 1334
    found = sum(bool({"better", "worse"} & set(words(two(rng, pairs)))) for _ in range(trials))
    assert found <= 0.06 * trials


@pytest.mark.long
def test_looking_often_finds_no_more_that_is_not_there() -> None:
    """The same null comparisons, judged at each look and stopped when sure: false findings stay under 5 %."""
    rng = np.random.default_rng(3)
    measure = ["time_to_recover_s"]
    plan = looks(12, 0.05, 1)
    false, naive, trials = 0, 0, 600
    for _ in range(trials):
        sides = two(rng, 12)
        at = [[one for one in sides if one.seed <= look.pairs] for look in plan]
        pairs: list[Any] = []
        for look, mine in zip(plan, at, strict=True):
            pairs = settle(pairs, judge(mine, [("a", "b")], measure, look.level))
            if not unsure(pairs):
                break
        false += pairs[0].judged[0].verdict in ("better", "worse")
        naive += any(judge(mine, [("a", "b")], measure)[0].judged[0].verdict in ("better", "worse") for mine in at)
    assert false <= 0.05 * trials
    assert naive > false


@pytest.mark.long
def test_a_real_difference_is_found_as_often_as_was_computed() -> None:
    """Time to recover differs by 0.95 of the scatter of its differences: the pairs computed give four in five."""
    rng = np.random.default_rng(5)
    scatter = rng.normal(0.95, 1.0, 100_000)
    pairs = pairs_for_means(scatter / scatter.std(), margin=0.0)
    assert pairs is not None
    found = 0
    for _ in range(400):
        moved = rng.normal(0.95, 1.0, pairs)
        sides = [side("a", n, True, 10.0 + moved[n], 1.0) for n in range(pairs)]
        sides += [side("b", n, True, 10.0, 1.0) for n in range(pairs)]
        found += judge(sides, [("a", "b")], ["time_to_recover_s"])[0].judged[0].verdict == "worse"
    assert stats.binomtest(found, 400, 0.8).pvalue > 0.001, found


def test_the_power_of_a_split_is_what_counting_all_outcomes_gives() -> None:
    pairs, split, first = 8, 0.6, 0.9
    total = 0.0
    for only_a in range(pairs + 1):
        for only_b in range(pairs + 1 - only_a):
            rest = pairs - only_a - only_b
            weight = math.factorial(pairs) / (math.factorial(only_a) * math.factorial(only_b) * math.factorial(rest))
            chance = (split * first) ** only_a * (split * (1 - first)) ** only_b * (1 - split) ** rest
            total += weight * chance * (mcnemar(only_a, only_b) <= 0.05)
    assert mcnemar_power(pairs, split, first) == pytest.approx(total, rel=1e-12)


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 12))
def test_pairs_needed_for_recovery_are_enough_for_the_power_promised(only_a: int, only_b: int, alike: int) -> None:
    pairs = only_a + only_b + alike
    needed = pairs_for_recovery(only_a, only_b, pairs, same_pairs=20)
    if needed is None or not only_a + only_b:
        assert needed in (None, 20)
        return
    split, first = (only_a + only_b) / pairs, only_a / (only_a + only_b)
    assert mcnemar_power(needed, split, first) >= 0.8


def test_differences_without_scatter_need_the_least_pairs_the_test_can_do_with() -> None:
    assert least_pairs(0.05) == 6
    assert least_pairs(0.05 / 3) == 7
    assert pairs_for_means(np.full(3, 2.0), margin=0.1, answers=3) == 7
    assert pairs_for_means(np.zeros(3), margin=0.1) == 6
    assert pairs_for_means(np.array([1.0]), margin=0.1) is None
    assert pairs_for_means(np.array([5.0, -5.0, 0.01]), margin=0.0) is None, "over a thousand is no plan"


@given(st.integers(6, 200), st.floats(0.001, 0.4), st.integers(1, 90))
def test_the_looks_share_the_level_and_the_first_can_settle_something(most: int, alpha: float, answers: int) -> None:
    try:
        plan = looks(most, alpha, answers)
    except ValueError:
        assert answers * 2.0 / 2.0**most > alpha
        return
    assert sum(look.level for look in plan) == pytest.approx(alpha)
    assert [look.pairs for look in plan] == sorted({look.pairs for look in plan})
    assert plan[-1].pairs == most
    assert answers * 2.0 / 2.0 ** plan[0].pairs <= plan[0].level * (1 + 1e-9)


def test_what_a_look_has_settled_stays_settled() -> None:
    rng = np.random.default_rng(1)
    clear = [side("a", n, True, 1.0, 1.0) for n in range(9)] + [side("b", n, True, 9.0, 1.0) for n in range(9)]
    first = judge(clear, [("a", "b")], alpha=0.05)
    assert {one.measure: one.verdict for one in first[0].judged}["time_to_recover_s"] == "better"
    later = settle(first, judge(two(rng, 12), [("a", "b")], alpha=0.001))
    kept = {one.measure: one for one in later[0].judged}["time_to_recover_s"]
    assert (kept.verdict, kept.pairs) == ("better", 12)
    assert "settled then" in kept.why


def test_survival_is_freireich_s_remission_of_1963() -> None:
    """6-MP against placebo, weeks in remission: the table every textbook prints; log-rank chi-square 16.8."""
    treated = [(6, 1), (6, 1), (6, 1), (6, 0), (7, 1), (9, 0), (10, 1), (10, 0), (11, 0), (13, 1), (16, 1), (17, 0),
               (19, 0), (20, 0), (22, 1), (23, 1), (25, 0), (32, 0), (32, 0), (34, 0), (35, 0)]  # fmt: skip
    placebo = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]

    def run(variant: str, seed: int, weeks: float, ended: bool) -> Side:
        found = side(variant, seed, ended, float(weeks), 1.0)
        return found._replace(measures=found.measures | {"horizon_s": float(weeks)})

    sides = [run("a", n, weeks, bool(ended)) for n, (weeks, ended) in enumerate(treated)]
    sides += [run("b", n, weeks, True) for n, weeks in enumerate(placebo)]
    curve, other = survival(sides, "a"), survival(sides, "b")
    assert curve is not None
    assert other is not None
    at = dict(zip(curve.times_s, curve.unrecovered, strict=True))
    expected = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}
    assert {week: round(at[week], 3) for week in expected} == expected
    assert (curve.median_s, other.median_s) == (23.0, 8.0)
    assert len(curve.censored_s) == 12
    p = log_rank(sides, "a", "b")
    assert p is not None
    assert stats.chi2.isf(p, 1) == pytest.approx(16.8, abs=0.05)


def test_a_variant_that_never_recovers_has_a_flat_curve_and_no_median() -> None:
    sides = [side("a", n, False, 0.0, 1.0) for n in range(5)]
    curve = survival(sides, "a")
    assert curve is not None
    assert set(curve.unrecovered) == {1.0}
    assert (curve.median_s, curve.censored_s) == (None, (HORIZON_S,) * 5)
    assert survival(sides, "b") is None
    assert log_rank(sides, "a", "a") is None


def test_the_effect_is_the_share_of_pairs_won_less_the_share_lost() -> None:
    sides = [side("a", n, True, 1.0 + n, 1.0) for n in range(8)] + [side("b", n, True, 4.5, 1.0) for n in range(8)]
    judged = {one.measure: one for one in judge(sides, [("a", "b")])[0].judged}
    assert judged["time_to_recover_s"].effect == (4 - 4) / 8
    assert judged["recovered"].effect == 0.0
