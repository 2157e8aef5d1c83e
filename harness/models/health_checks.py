"""A health checker with limited hands: it checks every target in turn, and each change of mind costs it work.

Health checks look free: a small request, now and then, to each target. But somebody sends them, and what a check finds
must be acted on: routes recomputed, names changed, other checkers told. With few changes that is nothing. With many the
checker falls behind, its checks come late, and a late check counts as failed, for a checker cannot tell its own delay
from the target's. Then healthy targets fail too, and later pass again, and each of these is a change as well:

    a target flaps -> changes of health -> re-evaluations -> late checks -> healthy targets fail -> changes of health

A checker that is busy enough stays busy after the first target has stopped flapping. The rules, in logical time (a
worker freed at t takes the next piece of work *at t*, however late anybody asks):

    every `every_s`, staggered    a check of each target becomes due; while its last one is unfinished it is skipped
    `workers` pairs of hands      take checks (`check_s` each) and re-evaluations (`change_s` each) in order of arrival
    a check begun more than `late_s` after it was due     has failed
    a target whose state in the network is not known      fails; while it is inconsistent, passes and fails in turn
    `unhealthy_after` failures, `healthy_after` passes in a row      make a verdict; the judge (balancer_routing.py)
                                                                     accepts it or not, and accepting it may cost work

Everything here is exact and draws nothing. Leaves out: checks that time out at the target, and checkers in several
zones that disagree. Source: the public summary of the outage of October 2025 (checks of targets whose network state had
not propagated alternated between failing and healthy, which loaded the checking subsystem until checks were delayed and
zones were failed over); the alternation is a stand-in for several checkers of which only some see the target.
"""

from __future__ import annotations

import math
from collections import deque
from enum import IntEnum
from heapq import heappop, heappush
from typing import NamedTuple, Protocol

_GOLDEN = 0.6180339887498949  # offsets of a multiple of it spread evenly, however many targets there are


class Seen(IntEnum):
    """What is known of a target's state in the network."""

    UNKNOWN = 0  # not asked, or no answer: its checks fail
    PARTLY = 1  # not everywhere yet: its checks pass and fail in turn
    FULLY = 2


class Target:
    """One target of a balancer. `number` is its own there; `instance` is the region's, None for built-in targets."""

    __slots__ = ("flaps", "gone", "healthy", "in_line", "instance", "number", "passed", "routed", "seen", "served",
                 "streak", "zone")  # fmt: skip

    def __init__(self, number: int, zone: int, instance: int | None, seen: Seen, *, in_service: bool) -> None:
        self.number = number
        self.zone = zone
        self.instance = instance
        self.seen = seen
        self.healthy = in_service
        self.routed = in_service
        self.served = in_service  # it has been in service once; before that nobody misses it
        self.flaps = False  # by a fault
        self.passed = True  # at its last alternating check
        self.streak = 0  # checks in a row that contradict `healthy`
        self.in_line = False
        self.gone = False

    def passes(self) -> bool:
        """The outcome of a check that comes in time."""
        if self.seen is Seen.UNKNOWN:
            return False
        if self.flaps or self.seen is Seen.PARTLY:
            self.passed = not self.passed
            return self.passed
        return True


class CheckSpec(NamedTuple):
    """See the module; times in seconds."""

    every_s: float = 0.5
    check_s: float = 0.02
    change_s: float = 0.1
    late_s: float = 0.25
    workers: int = 2
    unhealthy_after: int = 1
    healthy_after: int = 1


class Judge(Protocol):
    """Who decides what a check's outcome leads to."""

    acts: bool  # whether changes of health lead to anything, and so cost work

    def accept(self, target: Target, healthy: bool, at_s: float) -> bool:
        """Whether the verdict that the target is (un)healthy is accepted; refused ones come again."""

    def checked(self, target: Target, at_s: float) -> None:
        """A check of the target has ended and its health is up to date."""


class _Work(NamedTuple):
    target: Target | None  # None for a re-evaluation
    due_s: float
    born: int
    in_time: bool = True


class HealthChecks:
    """The checks of one balancer. Times are seconds from the run's zero."""

    def __init__(self, spec: CheckSpec, judge: Judge) -> None:
        self.spec = spec
        self.judge = judge
        self.lateness_s = 0.0  # of the check begun last
        self.checks_total = self.failed_total = self.late_total = self.skipped_total = 0
        self.flaps_total = self.held_total = 0
        self.busy_s_total = 0.0
        self._births = 0
        self._due: list[tuple[float, int, Target]] = []
        self._line: deque[_Work] = deque()
        self._ends: list[tuple[float, int, _Work]] = []  # under way

    def add(self, target: Target, now_s: float) -> None:
        """Check the target from now on, first within one `every_s`."""
        self._births += 1
        first_s = now_s + self.spec.every_s * (target.number * _GOLDEN % 1.0)
        heappush(self._due, (first_s, self._births, target))

    def remove(self, target: Target) -> None:
        """Check it no more; a check under way leads to nothing."""
        target.gone = True

    def next_s(self) -> float:
        """When something ends at the earliest; inf without targets."""
        end_s = self._ends[0][0] if self._ends else math.inf
        return min(end_s, self._due[0][0] + self.spec.check_s) if self._due else end_s

    def advance(self, now_s: float) -> None:
        """Everything that happens up to `now_s`; at one moment ends come before what becomes due."""
        while True:
            end_s = self._ends[0][0] if self._ends else math.inf
            due_s = self._due[0][0] if self._due else math.inf
            if min(end_s, due_s) > now_s:
                return
            if end_s <= due_s:
                self._ended(heappop(self._ends)[2], end_s)
                self._begin(end_s)
            else:
                self._becomes_due(due_s)
                self._begin(due_s)

    def lose(self) -> None:
        """The checker has died with all its work."""
        for work in (*self._line, *(entry[2] for entry in self._ends)):
            if work.target is not None:
                work.target.in_line = False
        self._line.clear()
        self._ends.clear()
        self._due.clear()

    def gauges(self, now_s: float) -> dict[str, float]:
        """Levels and totals; lateness is that of the check that has waited longest, if it is more."""
        oldest = next((now_s - work.due_s for work in self._line if work.target is not None), 0.0)
        return {
            "waiting_checks": float(len(self._line)),
            "check_lateness_s": max(oldest, self.lateness_s),
            "checks_total": float(self.checks_total),
            "failed_checks_total": float(self.failed_total),
            "late_checks_total": float(self.late_total),
            "skipped_checks_total": float(self.skipped_total),
            "flaps_total": float(self.flaps_total),
            "held_total": float(self.held_total),
            "checker_busy_s_total": self.busy_s_total,
        }

    def _becomes_due(self, due_s: float) -> None:
        _, born, target = heappop(self._due)
        if target.gone:
            return
        heappush(self._due, (due_s + self.spec.every_s, born, target))
        if target.in_line:
            self.skipped_total += 1
            return
        target.in_line = True
        self._queue(target, due_s)

    def _queue(self, target: Target | None, due_s: float) -> None:
        self._births += 1
        self._line.append(_Work(target, due_s, self._births))

    def _begin(self, now_s: float) -> None:
        while self._line and len(self._ends) < self.spec.workers:
            work = self._line.popleft()
            took_s = self.spec.change_s
            if work.target is not None:
                took_s = self.spec.check_s
                self.lateness_s = now_s - work.due_s
                work = work._replace(in_time=self.lateness_s <= self.spec.late_s)
            self.busy_s_total += took_s
            heappush(self._ends, (now_s + took_s, work.born, work))

    def _ended(self, work: _Work, at_s: float) -> None:
        target = work.target
        if target is None:
            return
        target.in_line = False
        if target.gone:
            return
        self.checks_total += 1
        ok = target.passes() and work.in_time
        self.late_total += not work.in_time
        self.failed_total += not ok
        if ok == target.healthy:
            target.streak = 0
        else:
            target.streak += 1
            if target.streak >= (self.spec.healthy_after if ok else self.spec.unhealthy_after):
                self._verdict(target, ok, at_s)
        self.judge.checked(target, at_s)

    def _verdict(self, target: Target, healthy: bool, at_s: float) -> None:
        if not self.judge.accept(target, healthy, at_s):
            self.held_total += 1
            return
        target.healthy = healthy
        target.streak = 0
        self.flaps_total += 1
        if self.judge.acts:
            self._queue(None, at_s)
