"""What each operation of a story was (a transfer, a balance): its own draw, for a million of them at once.

The rows do not say: an operation's kind is a hash of the seed and its number, so the plan knows it for ever and no row
has to carry it. Asked one at a time, as a story does, that is a microsecond each, and audit, impact and goodput by
class ask for every operation of the run. So the same hash is done here on arrays; a test compares the two.

    of(plan, "mobile_banking").numbers(ops)      positions in `names`, one for each operation number

Leaves out: stories without a mix in the plan's `apps`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness import seeds
from harness.analyse.load_run import Rows, Run, chunks

_GAMMA, _M1, _M2 = (np.uint64(n) for n in (0x9E37_79B9_7F4A_7C15, 0xBF58_476D_1CE4_E5B9, 0x94D0_49BB_1331_11EB))
_S30, _S27, _S31, _S12 = (np.uint64(n) for n in (30, 27, 31, 12))
_PART = 1 << 15  # operations hashed at a time: what stays in the cache is three times as quick


class Kinds(NamedTuple):
    """The kinds of one story. `edges` are the ends of their shares of (0, 1), in the order of `names`."""

    names: tuple[str, ...]
    edges: tuple[float, ...]
    luck: int  # the part of the hash that is the story's

    def numbers(self, ops: NDArray[np.uint64]) -> NDArray[np.uint8]:
        """For each operation number the position of its kind in `names`."""
        found = np.zeros(ops.size, np.uint8)
        if len(self.names) == 1:
            return found
        edges = np.array(self.edges[:-1])
        for first in range(0, ops.size, _PART):
            part = slice(first, first + _PART)
            found[part] = np.searchsorted(edges, _draws(self.luck, ops[part]), side="right")
        return found


def of(plan: Mapping[str, Any], story: str) -> Kinds:
    """The kinds of a story of the plan's `apps`."""
    mix = {name: share for name, share in plan["apps"][story]["mix"].items() if share > 0.0}
    total, edges, share = sum(mix.values()), [], 0.0
    for part in mix.values():
        share += part
        edges.append(share / total)
    edges[-1] = 1.0
    return Kinds(tuple(mix), tuple(edges), seeds.mix(int(plan["seed"]), seeds.stream_id(f"story/{story}"), 1))


def operations(run: Run, story: str) -> Iterator[Rows]:
    """The operation rows of one story, a block at a time."""
    for file in run.of("operation"):
        stories = file.names.get("story", [])
        if story not in stories:
            continue
        number = stories.index(story)
        for rows in chunks(file):
            mine = rows["story"] == number
            yield rows if mine.all() else rows[mine]


def _draws(luck: int, ops: NDArray[np.uint64]) -> NDArray[np.float64]:
    """`seeds.draw_after(luck, op)` for each; arithmetic on unsigned words wraps, as the hash wants it."""
    z = (np.uint64(luck) ^ ops.astype(np.uint64)) + _GAMMA
    z = (z ^ (z >> _S30)) * _M1
    z = (z ^ (z >> _S27)) * _M2
    found: NDArray[np.float64] = (((z ^ (z >> _S31)) >> _S12).astype(np.float64) + 0.5) * 2.0**-52
    return found
