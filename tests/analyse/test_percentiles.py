"""Histogram sketches against sorted arrays."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse.percentiles import BUCKETS, Sketch, WindowSketch, bucket_of, value_of

durations = st.floats(1e-6, 9e3)
samples = st.lists(durations, min_size=1, max_size=200)


def nearest_rank(values: list[float], q: float) -> float:
    return sorted(values)[max(1, math.ceil(q * len(values) - 1e-9)) - 1]


@given(samples, st.sampled_from([0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 1.0]))
def test_quantiles_agree_with_the_sorted_values_to_three_digits(values: list[float], q: float) -> None:
    sketch = Sketch()
    sketch.add(np.array(values))
    assert sketch.quantile(q) == pytest.approx(nearest_rank(values, q), rel=6e-4)
    assert min(values) <= sketch.quantile(q) <= max(values)


@given(samples, samples)
def test_merging_is_adding_in_either_order(first: list[float], second: list[float]) -> None:
    both, one, other = Sketch(), Sketch(), Sketch()
    both.add(np.array(first + second))
    one.add(np.array(first))
    other.add(np.array(second))
    one.merge(other)
    swapped = Sketch()
    swapped.merge(other)
    swapped.add(np.array(first))
    for sketch in (one, swapped):
        assert np.array_equal(sketch.counts, both.counts)
        assert (sketch.n, sketch.least_s, sketch.most_s) == (both.n, both.least_s, both.most_s)


def test_a_single_value_comes_back_exactly_because_nothing_is_reported_beyond_the_observed() -> None:
    sketch = Sketch()
    sketch.add(np.array([0.123456]))
    assert [sketch.quantile(q) for q in (0.0, 0.5, 1.0)] == [0.123456] * 3
    assert math.isnan(Sketch().quantile(0.5))


def test_every_bucket_gives_back_its_own_value() -> None:
    buckets = np.arange(BUCKETS - 1)
    assert np.array_equal(bucket_of(value_of(buckets)), buckets)


@given(
    st.lists(st.tuples(st.integers(0, 9), durations), min_size=1, max_size=200), st.integers(1, 4), st.integers(1, 5)
)
def test_windows_are_asked_together_as_if_their_values_had_been_sorted_together(
    rows: list[tuple[int, float]], width: int, least: int
) -> None:
    sketch = WindowSketch()
    for part in (rows[::2], rows[1::2]):
        sketch.add(np.array([w for w, _ in part], dtype=np.int64), np.array([v for _, v in part]))
    starts = np.arange(10 - width + 1)
    found = sketch.quantiles(starts, starts + width, [0.5, 0.99], least)
    for start in starts:
        values = [v for w, v in rows if start <= w < start + width]
        for number, q in enumerate((0.5, 0.99)):
            if len(values) < least or not values:
                assert math.isnan(found[number, start])
            else:
                assert found[number, start] == pytest.approx(nearest_rank(values, q), rel=6e-4)
                assert found[number, start] <= max(values)


def test_a_merged_window_sketch_is_the_sketch_of_all() -> None:
    rng = np.random.default_rng(1)
    window, values = rng.integers(0, 5, 1000), rng.exponential(0.02, 1000)
    whole, left, right = WindowSketch(), WindowSketch(), WindowSketch()
    whole.add(window, values)
    left.add(window[:400], values[:400])
    right.add(window[400:], values[400:])
    left.merge(right)
    starts = np.arange(5)
    assert np.array_equal(left.quantiles(starts, starts + 1, [0.5]), whole.quantiles(starts, starts + 1, [0.5]))
