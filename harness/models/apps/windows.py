"""Hard windows: work that is worth nothing after a moment, however well it is done then.

A deadline of a request says when its caller stops waiting. A window is of the world: check-in closes, the gate closes,
the dose was due at eight. Counting failed requests misses both ways: a failure with an hour to go costs nothing, and a
success a minute late is a missed flight. So the window is kept apart from the request:

    closes_s(group, now_s)    the group's first closing that is at least `lead_s` away: nobody comes later than that
    expect(op, group, now_s)  somebody came; the first attempt of an operation counts
    done(op, at_s)            it was done at `at_s`, perhaps by hand, perhaps later than now
    missed                    windows that closed on somebody not done, or done too late

Groups close one after the other, each every `every_s`. Who asked and never got in is not known here and not counted.
"""

from __future__ import annotations

import heapq
import math
from typing import NamedTuple


class WindowSpec(NamedTuple):
    """`groups` of users, each with a closing every `every_s`; the last come `lead_s` before."""

    groups: int
    every_s: float
    lead_s: float


class Windows:
    """Who is expected by when. Times are seconds from the run's zero and must not go back."""

    def __init__(self, spec: WindowSpec) -> None:
        self.spec = spec
        self.missed = 0
        self.met = 0
        self._closes_s: dict[int, float] = {}  # of those not done
        self._due: list[tuple[float, int]] = []
        self._seen: set[int] = set()

    @property
    def open(self) -> int:
        """How many are expected and not done."""
        return len(self._closes_s)

    def closes_s(self, group: int, now_s: float) -> float:
        """When the window of somebody of `group` closes who comes at `now_s`."""
        first_s = self.spec.every_s * (group % self.spec.groups) / self.spec.groups
        rounds = math.ceil((now_s + self.spec.lead_s - first_s) / self.spec.every_s)
        return first_s + self.spec.every_s * max(rounds, 0)

    def expect(self, op: int, group: int, now_s: float) -> None:
        """Somebody of `group` came for `op`; later attempts change nothing."""
        if op in self._seen:
            return
        self._seen.add(op)
        self._closes_s[op] = self.closes_s(group, now_s)
        heapq.heappush(self._due, (self._closes_s[op], op))

    def done(self, op: int, at_s: float) -> None:
        """`op` is done at `at_s`; after its window it is missed all the same."""
        closes_s = self._closes_s.pop(op, None)
        if closes_s is None:
            return
        if at_s > closes_s:
            self.missed += 1
        else:
            self.met += 1

    def until(self, now_s: float) -> None:
        """Let the windows close that are over by `now_s`."""
        while self._due and self._due[0][0] < now_s:
            _, op = heapq.heappop(self._due)
            if self._closes_s.pop(op, None) is not None:
                self.missed += 1
