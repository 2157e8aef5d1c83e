"""What an app does instead, when what it depends on is away: building blocks, each of which can be switched off.

An app without a fallback turns its dependency's outage into its own, minute for minute. A fallback that is not thought
through does worse: a cache that never says how old it is, a queue that replays what nobody wants any more, a default
that opens every door. So each block here answers one question and says what it costs:

    Kept            serve stale: what was known, for at most `stale_s` longer than it is fresh
    Replica         local read-only cache: everything once read or written, for ever, never written to the store
    ManualChannel   people do it: at most `rate_per_s`, a line of at most `room`, then the customer is sent away
    Verdict         fail open or closed: what to say when the one who decides does not answer
    omit            graceful omission: an answer without the part that could not be had
    LastPlan        static stability: go on with the last allocation, whatever the control plane says or does not say

An outbox (with expiry, or with the newest of one key only) is a model with a schedule of its own:
`harness.models.outbox`. Times are seconds from the run's zero; nothing here reads a clock or draws.
Sources: AWS, "Static stability using Availability Zones"; RFC 5861 (stale-if-error); `incident.md` section 5.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from harness.policies import pacing

K = TypeVar("K", bound=Hashable)


class Known(NamedTuple):
    """What a cache has: the value, how old it is, and whether it counts as fresh."""

    value: Any
    age_s: float
    fresh: bool


class Kept(Generic[K]):
    """Values kept for `fresh_s`, and served for `stale_s` more to those who could get nothing better.

    `stale_s` 0 switches the fallback off: then a value that is not fresh is not there.
    """

    def __init__(self, fresh_s: float, stale_s: float) -> None:
        if not (fresh_s >= 0.0 and stale_s >= 0.0):
            raise ValueError(f"fresh for {fresh_s:g} s and stale for {stale_s:g} s; both must be at least 0 s")
        self.fresh_s = fresh_s
        self.stale_s = stale_s
        self.stale_served_total = 0
        self._at: dict[K, tuple[Any, float]] = {}
        self._lost = False

    def put(self, key: K, value: Any, now_s: float) -> None:
        """Remember `value` as of now; not while the cache is lost."""
        if not self._lost:
            self._at[key] = (value, now_s)

    def fresh(self, key: K, now_s: float) -> Known | None:
        """The value if nobody needs to be asked; None when somebody must be."""
        found = self._at.get(key)
        if found is None or now_s - found[1] >= self.fresh_s:
            return None
        return Known(found[0], now_s - found[1], True)

    def stale(self, key: K, now_s: float) -> Known | None:
        """The value for want of a better one, counted; None when it is too old or was never known."""
        found = self._at.get(key)
        if found is None or now_s - found[1] >= self.fresh_s + self.stale_s:
            return None
        age_s = now_s - found[1]
        fresh = age_s < self.fresh_s
        self.stale_served_total += not fresh
        return Known(found[0], age_s, fresh)

    def clear(self) -> None:
        """It was in memory, and the process died."""
        self._at.clear()

    def lose(self) -> None:
        """It was elsewhere, and that is gone: nothing is known, and nothing is kept until `regain`."""
        self._at.clear()
        self._lost = True

    def regain(self) -> None:
        """It is there again, and cold."""
        self._lost = False


class Replica(Kept[K]):
    """A copy at hand of everything read or written, however old: for what must be readable (a patient's record)."""

    def __init__(self) -> None:
        super().__init__(0.0, math.inf)


class ManualChannel:
    """People at a counter, with paper: a fixed rate however many come, and a line that ends at the door.

    `rate_per_s` None switches it off. `take` says when the work will be done by hand, or None: sent away.
    """

    def __init__(self, rate_per_s: float | None, room: int, now_s: float) -> None:
        if rate_per_s is not None and not rate_per_s > 0.0:
            raise ValueError(f"the manual channel does {rate_per_s:g}/s; it must be above 0/s, or none")
        self.done_total = 0
        self.turned_away_total = 0
        self._pace = None if rate_per_s is None else pacing.PaceSpec(1.0 / rate_per_s, 1)
        self._room = room
        self._state = pacing.Pace(now_s)

    def waiting(self, now_s: float) -> int:
        """How many stand in the line."""
        if self._pace is None:
            return 0
        return math.ceil(max(0.0, self._state.tat_s - now_s) / self._pace.interval_s)

    def take(self, now_s: float) -> float | None:
        """Join the line: the moment at which it will be done; None when it is full or there is none."""
        if self._pace is None or self.waiting(now_s) >= self._room:
            self.turned_away_total += 1
            return None
        begins_s = max(now_s, self._state.tat_s)
        self._state = pacing.Pace(begins_s + self._pace.interval_s)
        self.done_total += 1
        return self._state.tat_s


class Verdict(NamedTuple):
    """What a check says when the one who decides cannot be asked: `open` lets everybody, `closed` lets nobody."""

    opens: bool
    guessed: bool  # nobody was asked

    @classmethod
    def of(cls, mode: str, answer: bool | None) -> Verdict:
        """`answer` is what the decider said, None when it said nothing. Raises ValueError for an unknown mode."""
        if mode not in ("open", "closed"):
            raise ValueError(f"fail {mode!r}; it is open or closed")
        return cls(mode == "open", True) if answer is None else cls(answer, False)


def omit(parts: Mapping[str, Any], optional: Iterable[str]) -> tuple[dict[str, Any], tuple[str, ...]] | None:
    """An answer without the `optional` parts that are None, and which these are; None when another one is missing."""
    missing = tuple(name for name, value in parts.items() if value is None)
    if set(missing) - set(optional):
        return None
    return {name: value for name, value in parts.items() if value is not None}, missing


class LastPlan(Generic[K]):
    """The last allocation that was told; `told` None keeps it. With `holds` False, silence loses it instead."""

    def __init__(self, holds: bool) -> None:
        self.holds = holds
        self.kept_total = 0
        self._plan: tuple[K, ...] = ()

    def hear(self, told: Iterable[K] | None) -> tuple[K, ...]:
        """The allocation to use now, after the control plane said `told`, or nothing."""
        if told is not None:
            self._plan = tuple(told)
        elif self.holds:
            self.kept_total += 1
        else:
            self._plan = ()
        return self._plan
