"""The id of an attempt: a hash of where it stands in the tree of calls, the same in every engine.

Ids handed out by a counter depend on the order of events, so two engines (or two runs with one more retry) disagree on
every id after the first difference, and draws keyed by id disagree with them. A hash of the position does not:

    id = mix(parent attempt, or the operation; layer; number of the call within its parent; number of the attempt)

All but the last are the same for every attempt of a call, so a call hashes them once (`call_key`). Operations are
numbered from 1 and begin in order, so the outermost calls of many neighbours are hashed together and remembered.
"""

from __future__ import annotations

from functools import lru_cache

from harness import seeds
from harness.seeds import LANES


def call_key(op: int, parent_id: int, layer: int, call_no: int) -> int:
    """What the ids of one call's attempts have in common; a 64-bit hash."""
    return seeds.mix(parent_id or op, layer, call_no)


def nth_id(key: int, n: int) -> int:
    """The id of attempt `n` of the call with this key: 64 bits, never 0 (0 means "no attempt" in rows)."""
    return seeds.after(key, n) or 1


def attempt_id(op: int, parent_id: int, layer: int, call_no: int, n: int) -> int:
    """A 64-bit id, never 0."""
    return nth_id(call_key(op, parent_id, layer, call_no), n)


def opening(op: int, parent_id: int, layer: int, call_no: int) -> tuple[int, int]:
    """The key of a call and the id of its first attempt; quickest for the first call of an operation."""
    if parent_id or layer or call_no or op >= _NEIGHBOURS_END:
        key = call_key(op, parent_id, layer, call_no)
        return key, nth_id(key, 0)
    return _neighbours(op // LANES)[op % LANES]


_NEIGHBOURS_END = 1 << 63


@lru_cache(maxsize=8)
def _neighbours(block: int) -> tuple[tuple[int, int], ...]:
    """The openings of the first calls (layer 0) of LANES operations."""
    hashed = seeds.after_lanes(0, seeds.lanes_from(block * LANES))  # mix(op) is after(0, op)
    keys = seeds.after_lanes(seeds.after_lanes(hashed, 0), 0)
    firsts = [first or 1 for first in seeds.words(seeds.after_lanes(keys, 0))]
    return tuple(zip(seeds.words(keys), firsts, strict=True))
