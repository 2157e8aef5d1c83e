"""Exact tests against SciPy, against theory, and against a null that they must not reject too often."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.compare.chance import wilson
from harness.compare.paired import holm, interval, mcnemar, sign_flip, signs

floats = st.floats(-100, 100, allow_nan=False).map(lambda x: round(x, 3))


@given(st.integers(0, 30), st.integers(0, 30))
def test_wilson_agrees_with_scipy(successes: int, failures: int) -> None:
    runs = successes + failures
    if runs == 0:
        assert wilson(0, 0) == (0.0, 1.0)
        return
    expected = stats.binomtest(successes, runs).proportion_ci(method="wilson")
    assert wilson(successes, runs) == pytest.approx((expected.low, expected.high), abs=1e-12)


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_is_the_two_sided_binomial_test_of_a_fair_coin(first: int, second: int) -> None:
    expected = stats.binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar(first, second) == pytest.approx(expected, rel=1e-9)


@given(st.lists(floats, min_size=1, max_size=9))
def test_sign_flip_counts_every_pattern(values: list[float]) -> None:
    differences = np.array(values)
    patterns = [
        sum(s * d for s, d in zip(pattern, values, strict=True)) for pattern in product((1, -1), repeat=len(values))
    ]
    far = [abs(total) >= abs(sum(values)) - 1e-9 for total in patterns]
    assert sign_flip(differences) == pytest.approx(sum(far) / len(far))


def test_six_pairs_all_one_way_reach_one_in_thirty_two_and_five_do_not_reach_five_percent() -> None:
    assert sign_flip(np.ones(6)) == mcnemar(6, 0) == 2 / 64
    assert sign_flip(np.ones(5)) == mcnemar(5, 0) == 2 / 32


def test_beyond_twelve_pairs_patterns_are_drawn_alike_every_time_and_never_give_zero() -> None:
    differences = np.arange(1.0, 21.0)
    assert signs(20).shape == (20_000, 20)
    assert 0 < sign_flip(differences) == sign_flip(differences) < 0.001


@given(st.lists(floats, min_size=6, max_size=8, unique=True))
def test_the_interval_holds_exactly_the_shifts_the_test_does_not_reject(values: list[float]) -> None:
    differences = np.array(values)
    low, high = interval(differences)
    width = max(high - low, 1e-6)
    assert low <= differences.mean() <= high
    for inside in (low + 1e-6 * width, high - 1e-6 * width):
        assert sign_flip(differences - inside) > 0.05
    for outside in (low - 1e-3 * width, high + 1e-3 * width):
        assert sign_flip(differences - outside) <= 0.05


def test_under_six_pairs_the_interval_is_everything() -> None:
    assert interval(np.ones(5)) == (-math.inf, math.inf)


def test_holm_on_a_worked_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_only_raises_and_keeps_the_order(ps: list[float]) -> None:
    adjusted = holm(ps)
    assert all(a >= p for a, p in zip(adjusted, ps, strict=True))
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    assert [adjusted[i] for i in order] == sorted(adjusted)


@pytest.mark.parametrize("n", [6, 8, 10])
def test_alike_variants_are_called_different_in_at_most_six_percent_of_four_thousand(n: int) -> None:
    rng = np.random.default_rng(n)
    skewed = rng.exponential(1.0, (4000, n)) - rng.exponential(1.0, (4000, n))
    patterns = signs(n)
    p = np.mean(np.abs(skewed @ patterns.T) >= np.abs(skewed.sum(axis=1))[:, None] - 1e-12, axis=1)
    assert np.mean(p <= 0.05) <= 0.06
    assert p[0] == pytest.approx(sign_flip(skewed[0]))
