"""The id of an attempt: a hash of where it stands in the tree of calls, the same in every engine.

Ids handed out by a counter depend on the order of events, so two engines (or two runs with one more retry) disagree on
every id after the first difference, and draws keyed by id disagree with them. A hash of the position does not:

    id = mix(parent attempt, or the operation; layer; number of the call within its parent; number of the attempt)

All but the last are the same for every attempt of a call, so a call hashes them once (`call_key`).
"""

from __future__ import annotations

from harness import seeds


def call_key(op: int, parent_id: int, layer: int, call_no: int) -> int:
    """What the ids of one call's attempts have in common; a 64-bit hash."""
    return seeds.mix(parent_id or op, layer, call_no)


def nth_id(key: int, n: int) -> int:
    """The id of attempt `n` of the call with this key: 64 bits, never 0 (0 means "no attempt" in rows)."""
    return seeds.after(key, n) or 1


def attempt_id(op: int, parent_id: int, layer: int, call_no: int, n: int) -> int:
    """A 64-bit id, never 0."""
    return nth_id(call_key(op, parent_id, layer, call_no), n)
