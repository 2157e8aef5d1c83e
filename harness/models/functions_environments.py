"""Where functions run: execution environments on a fleet of hosts, warm or cold, and who may have one.

A function service has no line in front of its synchronous calls: either there is an environment now or the call is
refused. So concurrency is not only a number of slots; what makes recovery slow is how quickly unused ones may be taken:

    warm    an environment that has run lately (within `keep_warm`) runs again at once; the latest used goes first, so
            that the rest can go cold
    cold    a new one starts, if hosts have room and the *ramp* lets it: at most `burst` at once and then so many a
            second. It costs a cold start. After an idle spell or a loss of hosts even plenty of room is taken slowly

and whose work goes first. Work that waits in queues can always be run later; a synchronous caller is gone. Draining a
backlog with all environments refuses every synchronous call for as long as it takes. `share` bounds the environments
that background work (asynchronous events and pollers) may hold together: 1 is no preference, 0 pauses it.

Fewer hosts: idle environments beyond the limit are gone at once, busy ones when they are given back. Leaves out: one
pool per function (all functions share), and time-outs of functions. Source: the Lambda developer guide (scaling rate,
reserved concurrency); AWS, 19 and 20 October 2025: asynchronous work was throttled to favour synchronous calls.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final, NamedTuple

from harness.policies import pacing
from harness.policies.pacing import PaceSpec

SYNC: Final = "sync"
ASYNC: Final = "async"
POLLER: Final = "poller"
KINDS: Final = (SYNC, ASYNC, POLLER)

# Why an environment is refused; "" for granted.
GRANTED: Final = ""
CONCURRENCY: Final = "concurrency"  # all environments the hosts have room for are busy
RAMP: Final = "ramp"  # there is room, but no new environment may start yet
SHARE: Final = "share"  # background work has its share
REFUSALS: Final = (CONCURRENCY, RAMP, SHARE)


class EnvironmentsSpec(NamedTuple):
    """Durations in seconds. `ramp` None lets new environments start at once."""

    keep_warm_s: float = math.inf
    ramp: PaceSpec | None = None
    prewarmed: int = 0


class Environments:
    """The environments of all hosts together. Times are seconds from the run's zero."""

    def __init__(self, spec: EnvironmentsSpec, limit: int, now_s: float) -> None:
        self.spec = spec
        self.limit = limit
        self.share = 1.0  # of the limit, for background work
        self.running = dict.fromkeys(KINDS, 0)
        self.cold_total = 0
        self.refused_total = {kind: dict.fromkeys(REFUSALS, 0) for kind in KINDS}
        self._idle: deque[float] = deque([now_s] * min(spec.prewarmed, limit))  # since when, the latest used last
        self._pace = None if spec.ramp is None else pacing.start(spec.ramp, now_s)
        self._now_s = now_s

    @property
    def busy(self) -> int:
        """Environments in use."""
        return sum(self.running.values())

    def warm(self, now_s: float) -> int:
        """Idle environments that could run at once."""
        self._cool(now_s)
        return len(self._idle)

    def take(self, kind: str, now_s: float) -> tuple[str, bool]:
        """Ask for an environment: (GRANTED or why not, whether it starts cold). Each grant is given back once."""
        self._cool(now_s)
        refusal = self._refusal(kind, now_s)
        if refusal:
            self.refused_total[kind][refusal] += 1
            return refusal, False
        cold = not self._idle
        if not cold:
            self._idle.pop()
        self.cold_total += cold
        self.running[kind] += 1
        return GRANTED, cold

    def give_back(self, kind: str, now_s: float) -> None:
        """The execution is over; the environment stays warm if its host is still there."""
        self._now_s = max(self._now_s, now_s)
        self.running[kind] -= 1
        if self.busy + len(self._idle) < self.limit:
            self._idle.append(self._now_s)

    def set_limit(self, limit: int) -> None:
        """How many environments the hosts have room for from now on."""
        self.limit = limit
        while self._idle and self.busy + len(self._idle) > limit:
            self._idle.popleft()

    def lose_all(self) -> None:
        """The hosts' processes died: nothing runs, nothing is warm."""
        self.running = dict.fromkeys(KINDS, 0)
        self._idle.clear()

    def _refusal(self, kind: str, now_s: float) -> str:
        if self.busy >= self.limit:
            return CONCURRENCY
        if kind != SYNC and self.busy - self.running[SYNC] >= math.floor(self.share * self.limit + 1e-9):
            return SHARE
        if not self._idle and self._pace is not None and self.spec.ramp is not None:
            self._pace, granted = pacing.take(self.spec.ramp, self._pace, now_s)
            if not granted:
                return RAMP
        return GRANTED

    def _cool(self, now_s: float) -> None:
        self._now_s = max(self._now_s, now_s)
        while self._idle and self._idle[0] + self.spec.keep_warm_s <= self._now_s:
            self._idle.popleft()
