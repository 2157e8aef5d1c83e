"""The id of an attempt: a hash of where it stands in the tree of calls, the same in every engine.

Ids handed out by a counter depend on the order of events, so two engines (or two runs with one more retry) disagree on
every id after the first difference, and draws keyed by id disagree with them. A hash of the position does not:

    id = mix(parent attempt, or the operation; layer; number of the call within its parent; number of the attempt)
"""

from __future__ import annotations

from harness import seeds


def attempt_id(op: int, parent_id: int, layer: int, call_no: int, n: int) -> int:
    """A 64-bit id, never 0 (0 means "no attempt" in rows)."""
    return seeds.mix(parent_id or op, layer, call_no, n) or 1
