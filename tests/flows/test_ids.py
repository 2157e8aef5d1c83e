"""Ids hashed with their neighbours are the ids hashed alone."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from harness import seeds
from harness.flows.ids import attempt_id, call_key, opening

OP = st.one_of(st.integers(1, 1000), st.integers(0, 2**64 - 1))
NEAR = st.sampled_from([0, 0, 0, 1, 2**62])


@settings(deadline=None)
@given(OP, NEAR, st.integers(0, 2), st.integers(0, 3))
def test_a_call_opens_with_its_key_and_the_id_of_its_first_attempt(op: int, parent: int, layer: int, no: int) -> None:
    assert opening(op, parent, layer, no) == (call_key(op, parent, layer, no), attempt_id(op, parent, layer, no, 0))


def test_neighbours_on_both_sides_of_a_block_keep_their_ids() -> None:
    ops = range(seeds.LANES - 2, seeds.LANES + 2)
    assert [opening(op, 0, 0, 0)[1] for op in ops] == [attempt_id(op, 0, 0, 0, 0) for op in ops]
