"""Draws: pure, keyed, uniform, and the same as the published generator."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness import seeds

WORD = st.integers(min_value=0, max_value=2**64 - 1)


def test_the_finaliser_is_splitmix64s() -> None:
    """The reference generator from state 1234567: five published outputs."""
    state, outputs = 1234567, []
    for _ in range(5):
        state = (state + 0x9E3779B97F4A7C15) & seeds.MASK
        outputs.append(seeds.finalise(state))
    assert outputs == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


@settings(deadline=None)
@given(WORD)
def test_a_unit_draw_is_never_zero_and_never_one(bits: int) -> None:
    assert 0.0 < seeds.unit(bits) < 1.0


def test_the_ends_of_the_unit_interval_are_never_reached() -> None:
    assert seeds.unit(0) == 2.0**-53
    assert seeds.unit(seeds.MASK) == 1.0 - 2.0**-53
    assert math.isfinite(seeds.exponential(seeds.unit(0), 1.0))
    assert seeds.exponential(seeds.unit(seeds.MASK), 1.0) > 0.0


@settings(deadline=None)
@given(WORD, st.lists(WORD, max_size=4))
def test_a_mix_is_64_bits_and_depends_on_its_keys_only(seed: int, keys: list[int]) -> None:
    assert 0 <= seeds.mix(seed, *keys) <= seeds.MASK
    assert seeds.mix(seed, *keys) == seeds.mix(seed, *keys)
    assert seeds.mix(seed, *keys, 0) != seeds.mix(seed, *keys)


@settings(deadline=None)
@given(WORD, WORD, WORD)
def test_a_beginning_that_was_kept_gives_the_same_draw(seed: int, stream: int, key: int) -> None:
    state = seeds.mix(seed, stream)
    assert seeds.after(state, key) == seeds.mix(seed, stream, key)
    assert seeds.draw_after(state, key) == seeds.draw(seed, stream, key)


@settings(deadline=None)
@given(WORD, WORD, WORD)
def test_the_order_of_keys_matters(seed: int, a: int, b: int) -> None:
    assert (seeds.mix(seed, a, b) == seeds.mix(seed, b, a)) == (a == b)


def test_keys_are_taken_as_64_bits() -> None:
    assert seeds.mix(7, -1) == seeds.mix(7, seeds.MASK)


def test_stream_ids_are_the_same_in_every_process() -> None:
    code = "from harness import seeds; print(seeds.stream_id('arrivals/x'), seeds.draw(7, seeds.stream_id('a'), 3))"
    runs = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": hashseed}
        ).stdout
        for hashseed in ("1", "2")
    }
    assert len(runs) == 1
    assert runs.pop().split()[0] == str(seeds.stream_id("arrivals/x"))


def test_draws_over_consecutive_keys_are_uniform_and_streams_unrelated() -> None:
    """Kolmogorov-Smirnov over 20,000 draws at fixed seeds; correlation between two streams within four sigma of 0."""
    a, b = (np.array([seeds.draw(7, seeds.stream_id(name), key) for key in range(20_000)]) for name in ("a", "b"))
    assert stats.kstest(a, "uniform").pvalue > 0.001
    assert stats.kstest(b, "uniform").pvalue > 0.001
    assert abs(np.corrcoef(a, b)[0, 1]) < 4 / math.sqrt(20_000)
    assert abs(np.corrcoef(a[:-1], a[1:])[0, 1]) < 4 / math.sqrt(20_000)


def test_an_exponential_is_the_inverse_of_its_law() -> None:
    assert seeds.exponential(0.5, 2.0) == -2.0 * math.log(0.5)
    draws = [seeds.exponential(seeds.draw(7, 1, key), 3.0) for key in range(20_000)]
    assert stats.kstest(draws, "expon", args=(0, 3.0)).pvalue > 0.001


def test_named_generators_do_not_disturb_each_other() -> None:
    first = seeds.rng(7, "a")
    alone = [first.random() for _ in range(5)]
    again, other = seeds.rng(7, "a"), seeds.rng(7, "b")
    mixed = [(again.random(), other.random())[0] for _ in range(5)]
    assert alone == mixed
    assert seeds.rng(8, "a").random() != alone[0]


@settings(deadline=None)
@given(st.lists(WORD, min_size=seeds.LANES, max_size=seeds.LANES), WORD)
def test_hashes_side_by_side_are_those_one_by_one(states: list[int], first: int) -> None:
    first = min(first, seeds.MASK - seeds.LANES)
    lanes = int.from_bytes(b"".join(state.to_bytes(16, "little") for state in states), "little")
    assert seeds.words(lanes) == tuple(states)
    keys = range(first, first + seeds.LANES)
    assert seeds.words(seeds.lanes_from(first)) == tuple(keys)
    hashed = seeds.after_lanes(lanes, seeds.lanes_from(first))
    assert seeds.words(hashed) == tuple(map(seeds.after, states, keys))
