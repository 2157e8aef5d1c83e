"""Divergence: the items of which two stores hold two newest versions, each counted once.

Two stores that both take writes grow apart, and the tempting number is the count of writes that went to a wrong one.
It grows with the traffic and says nothing: an account that was written fifty times away from home is one account to be
brought together, and a record that both stores hold under one key, because a write was repeated at the second, is no
conflict at all. So here each item is looked at once, in both effect logs, in the order of time:

    at the second   a write to an item of which the copy lacks a write that the first had taken by then     divergent
    at the first    a write to an item that the second has written before, since nobody copies that way     divergent
    equal           the item ends at both as the same record: one write, repeated                           neither
    away            written at the second after all that the first has was copied                           to bring
                                                                                                            home

How far the copy had come at a moment is in the second's export (`copies`: [at_s, up_to_s] for each time it came
further). Without it every write of the first counts as not copied.

The logs are the ground truth; what callers knew (`seen_s`, the gauges) may be less. Leaves out: which of two versions
should win.
"""

from __future__ import annotations

import bisect
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

EXAMPLES = 10
Item = tuple[str, str]  # table, key


class Write(NamedTuple):
    """One write that took effect at one of the stores."""

    t_s: float
    second: bool
    put: Mapping[str, Any] | None


def divergence(first: Iterable[Any], second: Iterable[Any], copies: Sequence[Sequence[float]]) -> dict[str, Any]:
    """What `audit.json` says of two stores, from their effects (objects with t_s, table, key, put)."""
    writes: dict[Item, list[Write]] = defaultdict(list)
    for away, log in ((False, first), (True, second)):
        for effect in log:
            writes[effect.table, effect.key].append(Write(effect.t_s, away, effect.put))
    moments = [float(copy[0]) for copy in copies]
    apart: list[Item] = []
    home: Counter[str] = Counter()
    for item, found in writes.items():
        if not any(write.second for write in found):
            continue
        if _same(found):
            continue
        if _apart(sorted(found, key=lambda write: write.t_s), moments, copies):
            apart.append(item)
        else:
            home[item[0]] += 1
    apart.sort()
    return {
        "items": len(apart),
        "by_table": dict(sorted(Counter(table for table, _ in apart).items())),
        "to_bring_home": sum(home.values()),
        "examples": [list(item) for item in apart[:EXAMPLES]],
    }


def _same(found: Sequence[Write]) -> bool:
    """Whether both stores end with one and the same record."""
    last = {write.second: write.put for write in found}
    return len(last) == 2 and last[True] is not None and last[True] == last[False]


def _apart(found: Iterable[Write], moments: Sequence[float], copies: Sequence[Sequence[float]]) -> bool:
    """Whether one store wrote an item without knowing what the other had written; `found` is in order of time."""
    at_first, away = -math.inf, False  # the newest write of the first so far; whether the second has written
    for write in found:
        if write.second:
            index = bisect.bisect_right(moments, write.t_s) - 1
            copied_s = float(copies[index][1]) if index >= 0 else -math.inf
            if at_first > copied_s:
                return True
            away = True
        else:
            if away:
                return True
            at_first = write.t_s
    return False
