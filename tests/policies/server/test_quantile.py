"""The P-square estimator against its paper's worked example, exact sorting and known distributions."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.policies import quantile

PAPER = [0.02, 0.15, 0.74, 3.39, 0.83, 22.37, 10.15, 15.43, 38.62, 15.92, 34.60, 10.28, 1.47, 0.40, 0.05, 11.39,
         0.27, 0.42, 0.09, 11.37]  # fmt: skip


def fed(p: float, samples: list[float]) -> quantile.Quantile:
    state = quantile.start()
    for x in samples:
        state = quantile.add(state, p, x)
    return state


def test_the_median_of_the_papers_twenty_numbers() -> None:
    """Table I of Jain and Chlamtac: markers after the last observation, median 4.44."""
    state = fed(0.5, PAPER)
    heights = [round(q, 2) for q in (state.q1, state.q2, state.q3, state.q4, state.q5)]
    assert heights == [0.02, 0.49, 4.44, 17.20, 38.62]
    assert (state.n2, state.n3, state.n4, state.samples) == (6, 10, 16, 20)


@given(p=st.sampled_from([0.1, 0.5, 0.9, 0.99]), samples=st.lists(st.floats(0.0, 100.0), min_size=1, max_size=5))
def test_up_to_five_samples_are_exact(p: float, samples: list[float]) -> None:
    assert quantile.value(fed(p, samples), p) == sorted(samples)[math.ceil(p * len(samples)) - 1]


@given(p=st.sampled_from([0.5, 0.9]), samples=st.lists(st.floats(0.0, 100.0), min_size=6, max_size=200))
def test_markers_stay_in_order_between_the_extremes(p: float, samples: list[float]) -> None:
    s = fed(p, samples)
    assert (s.q1, s.q5) == (min(samples), max(samples))
    assert s.q1 <= s.q2 <= s.q3 <= s.q4 <= s.q5
    assert 1 < s.n2 < s.n3 < s.n4 < s.samples


@pytest.mark.parametrize(("p", "truth"), [(0.5, math.log(2)), (0.9, math.log(10))])
def test_an_exponential_sample_has_its_quantile(p: float, truth: float) -> None:
    """Within four standard errors of a sample quantile: sqrt(p (1 - p) / n) / density."""
    rng = random.Random(5)
    n = 20_000
    estimate = quantile.value(fed(p, [rng.expovariate(1.0) for _ in range(n)]), p)
    assert abs(estimate - truth) < 4 * math.sqrt(p * (1 - p) / n) / (1 - p)


def test_nothing_seen_is_infinite() -> None:
    assert quantile.value(quantile.start(), 0.5) == math.inf
