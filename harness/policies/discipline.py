"""Queue disciplines: in which order waiting jobs are served.

First come, first served feels fair and is the worst choice once the line is longer than callers' patience: every job
is served just after its caller gave up, so a server at 120 % load delivers nothing at all. Newest first delivers
nearly its whole capacity under the same load, because the jobs it serves are fresh; the old ones, whose callers are
gone anyway, pay for it. Adaptive LIFO is first come, first served until the line has not been empty for a while, and
newest first from then on, so that a healthy server keeps its order and its short tail.

    fifo            pop the oldest
    lifo            pop the newest
    adaptive_lifo   pop the newest once the line has been non-empty for longer than `interval`, else the oldest

M/M/1 at load 1.2 with a 1 s deadline: goodput over capacity is 0 for fifo and 1.00 for lifo.

Lines are tables (any job may be withdrawn from any place), so these are classes; each operation is O(1). They hold
job numbers only. Not here: fairness between tenants (fair.py), lines by rank (priority.py), giving up on old jobs
(codel.py, deadline_drop.py). Source of adaptive LIFO: Maurer, "Fail at Scale", ACM Queue 13(8), 2015; the 100 ms are
its N.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

from harness.policies.entry import Entry, seconds
from harness.policies.server_steps import Line


class FifoSpec(NamedTuple):
    """Oldest first; nothing to set."""


class LifoSpec(NamedTuple):
    """Newest first; nothing to set."""


class AdaptiveLifoSpec(NamedTuple):
    """Newest first once the line has been non-empty for longer than `interval_s` (seconds)."""

    interval_s: float


class Fifo:
    """Oldest first."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[int, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._jobs)

    def has_room(self, tenant: int) -> bool:
        """Always: a bound is admission's business."""
        return True

    def push(self, job: int, tenant: int, now_s: float) -> None:
        """Join at the end."""
        self._jobs[job] = None

    def pop(self, now_s: float) -> int:
        """The oldest."""
        return self._jobs.popitem(last=False)[0]

    def remove(self, job: int) -> None:
        """Withdraw a waiting job."""
        del self._jobs[job]


class Lifo(Fifo):
    """Newest first."""

    def pop(self, now_s: float) -> int:
        """The newest."""
        return self._jobs.popitem(last=True)[0]


class AdaptiveLifo(Fifo):
    """Oldest first while calm, newest first while congested."""

    def __init__(self, interval_s: float, now_s: float) -> None:
        super().__init__()
        self._interval_s = interval_s
        self._empty_at_s = now_s  # the last moment at which nobody waited

    def push(self, job: int, tenant: int, now_s: float) -> None:
        """Join at the end; joining an empty line sets the moment congestion is measured from."""
        if not self._jobs:
            self._empty_at_s = now_s
        super().push(job, tenant, now_s)

    def pop(self, now_s: float) -> int:
        """The newest if the line has been non-empty for longer than the interval, else the oldest."""
        return self._jobs.popitem(last=now_s - self._empty_at_s > self._interval_s)[0]


LINES: dict[type, Callable[[Any, float], Line]] = {
    FifoSpec: lambda spec, now_s: Fifo(),
    LifoSpec: lambda spec, now_s: Lifo(),
    AdaptiveLifoSpec: lambda spec, now_s: AdaptiveLifo(spec.interval_s, now_s),
}

ENTRIES: tuple[Entry, ...] = (
    Entry(
        kind="fifo",
        side="server",
        slot="discipline",
        rule="serve the oldest waiting job",
        params=(),
        source="the default everywhere",
        build=FifoSpec,
    ),
    Entry(
        kind="lifo",
        side="server",
        slot="discipline",
        rule="serve the newest waiting job",
        params=(),
        source="Google SRE book, chapter 22",
        build=LifoSpec,
    ),
    Entry(
        kind="adaptive_lifo",
        side="server",
        slot="discipline",
        rule="serve the newest once the line has not been empty for `interval`, else the oldest",
        params=(seconds("interval", 0.1, "a line non-empty for longer than this is congestion"),),
        source="Maurer, Fail at Scale, ACM Queue 13(8), 2015",
        build=lambda interval: AdaptiveLifoSpec(interval),
    ),
)
