"""Compiled draws are the draws of `harness.seeds`, bit for bit; so are arrivals taken a part at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import seeds
from harness.arrivals import arrivals_s
from harness.flows import ids
from harness.models import service_time
from harness.models.station import StationSpec
from harness.policies.client import compose
from harness.sim import kernel_draws, kernel_names, kernel_state, kernels, network
from harness.sim.kernel_station import draw_service_s
from harness.spec.experiment import Arrivals

WORDS = st.integers(0, 2**64 - 1)
SEEDS = st.integers(0, 2**63 - 1)
COMPILES = settings(deadline=None)  # the first call compiles


@COMPILES
@given(WORDS)
def test_the_finaliser_is_the_same_on_64_bit_words(z: int) -> None:
    assert int(kernel_draws.finalise(np.uint64(z))) == seeds.finalise(z)


@COMPILES
@given(SEEDS, WORDS, WORDS)
def test_a_draw_is_the_same(seed: int, stream: int, attempt: int) -> None:
    start = kernel_draws.opening(seed, stream)
    assert kernel_draws.draw_after(start, np.uint64(attempt)) == seeds.draw(seed, stream, attempt)


@COMPILES
@given(SEEDS, WORDS, WORDS, st.integers(0, 100))
def test_a_draw_with_a_longer_key_is_the_same(seed: int, stream: int, attempt: int, ask: int) -> None:
    start = np.uint64(kernel_draws.after(kernel_draws.opening(seed, stream), np.uint64(attempt)))
    assert kernel_draws.draw_after(start, np.uint64(ask)) == seeds.draw(seed, stream, attempt, ask)


@COMPILES
@given(st.integers(1, 2**40), st.integers(0, 39))
def test_an_attempt_has_the_same_id(op: int, n: int) -> None:
    key = np.uint64(kernel_draws.call_key(np.uint64(op)))
    assert int(kernel_draws.attempt_id(key, n)) == ids.attempt_id(op, 0, 0, 0, n)


@pytest.mark.parametrize("distribution", service_time.DISTRIBUTIONS)
def test_a_service_takes_as_long(distribution: str) -> None:
    now, rules = np.zeros(1, kernel_state.NOW), np.zeros(1, kernel_state.RULES)
    now["mean_s"], now["slowdown"] = 0.02, 3.0
    rules["service"] = kernel_draws.opening(11, seeds.stream_id("service"))
    codes = {"exponential": kernel_state.EXPONENTIAL, "fixed": kernel_state.FIXED, "weibull": kernel_state.WEIBULL}
    rules["distribution"] = codes[distribution]
    for attempt in range(1, 500):
        found = draw_service_s(now[0], rules[0], np.uint64(attempt))
        assert found == service_time.service_time_s(distribution, 0.02 * 3.0, 11, attempt)


@pytest.mark.parametrize("process", ["poisson", "even"])
@pytest.mark.parametrize(("rate_per_s", "end_s"), [(0.3, 5.0), (100.0, 12.5), (5_000.0, 20.0)])
def test_arrivals_in_parts_are_those_of_the_plan(process: str, rate_per_s: float, end_s: float) -> None:
    model = kernels.Model(5, compose({}), StationSpec(1, 0.1), rate_per_s, end_s, end_s, process)
    whole = arrivals_s(Arrivals.model_validate({"rate": f"{rate_per_s}/s", "process": process}), 5, "kv_reads", end_s)
    parts = list(kernels.arrivals(model))
    assert np.array_equal(np.concatenate([np.zeros(0), *(due_s for due_s, _ in parts)]), whole)
    assert np.array_equal(np.concatenate([np.zeros(0), *(op for _, op in parts)]), np.arange(1, whole.size + 1))
    assert all(due_s.size <= 1 << 16 for due_s, _ in parts)


def test_constants_of_the_world_are_those_of_the_world() -> None:
    assert kernel_names._AGE_JITTER == network._AGE_JITTER
