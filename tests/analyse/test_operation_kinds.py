"""What an operation was, asked for many at once: what its story itself would say, one at a time."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness import seeds
from harness.analyse.operation_kinds import of

NAMES = ("read", "chart", "page", "schedule")
MIX = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=4).filter(lambda shares: sum(shares) > 0.01)
OPS = st.lists(st.integers(0, 2**64 - 1), max_size=50)


def slow(seed: int, story: str, mix: dict[str, float], op: int) -> str:
    """The story's own draw."""
    there = {name: share for name, share in mix.items() if share > 0.0}
    if len(there) == 1:
        return next(iter(there))
    u, total, share = seeds.draw(seed, seeds.stream_id(f"story/{story}"), 1, op), sum(there.values()), 0.0
    for name, part in there.items():
        share += part
        if u < share / total:
            return name
    return list(there)[-1]


@given(st.integers(0, 2**32), MIX, OPS)
def test_a_million_at_once_are_what_each_of_them_is(seed: int, shares: list[float], ops: list[int]) -> None:
    mix = dict(zip(NAMES, shares, strict=False))
    kinds = of({"seed": seed, "apps": {"hospital": {"mix": mix}}}, "hospital")
    found = kinds.numbers(np.array(ops, np.uint64))
    assert [kinds.names[number] for number in found] == [slow(seed, "hospital", mix, op) for op in ops]
