"""Which targets a balancer sends requests to: health, zones, the velocity limit, and failing open.

A balancer that takes failing targets out does good as long as the checks are right and the failures few. When the
checks are wrong it removes good capacity, and with whole zones taken out of the name at once it removes it faster than
anybody can look. Three rules stand against that, and one more rule says what comes first:

    failing open      while less than `fail_open` of all targets are healthy, the checks are not believed: everything
                      is routed, zones included (0 never does)
    zones             a zone of whose targets less than `zone_threshold` are healthy is taken out whole, healthy targets
                      too; it comes back at or above that share
    last zone         a name with no zone left answers with all of them, for it has to answer something: zones are then
                      not looked at, and every healthy target is routed until a zone is worth naming again
    velocity limit    in no stretch of `velocity_period_s` is more than the share `velocity` of the targets taken out,
                      zones counted with all that were routed there; what would go over it is held back, stays routed
                      and healthy, and is judged anew at its next check (None: no limit)
    failover off      operators say that checks lead to nothing: all is routed, and checks go on for information

Nothing jumps when a rule ends: what is to be taken out then is taken out at its own next check. Targets that have never
been in service count nowhere: nobody misses them. Routing to a target is not the same as having it: `serving` counts
those routed that requests can reach. Deregistration is a wish, not a removal, and is not limited.

Leaves out: clients that keep an old answer of the name.

Sources: failing open, its two thresholds, and the answer with all zones when none is healthy are NLB's target-group
health settings (zones fail over in DNS, whose health checks fail open too); the velocity limit was announced after the
outage of October 2025; switching automatic failover off is what ended its errors.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from harness.models.health_checks import Seen, Target


class RoutingSpec(NamedTuple):
    """See the module; shares are 0 to 1."""

    zones: int = 3
    zone_threshold: float = 0.5
    fail_open: float = 0.1
    velocity: float | None = None
    velocity_period_s: float = 5.0
    name_in_full: bool = True  # a name with no zone left answers with all of them; False leaves no capacity


class Routing:
    """The targets of one balancer and which of them are routed. Times are seconds from the run's zero."""

    def __init__(self, spec: RoutingSpec, note: Callable[..., None]) -> None:
        self.spec = spec
        self.acts = True  # False once failover is off
        self.open = False
        self.zone_in = [True] * spec.zones
        self.in_full = False  # no zone is left, and the name answers with all of them
        self.zone_removals_total = 0
        self.removed_total = 0
        self._note = note
        self._zones: list[list[Target]] = [[] for _ in range(spec.zones)]
        self._removed: deque[tuple[float, int]] = deque()  # (when, how many targets), within the period
        self._removed_lately = 0

    @property
    def targets(self) -> list[Target]:
        """All targets, zone by zone, in the order in which they came."""
        return [target for zone in self._zones for target in zone]

    @property
    def serving(self) -> int:
        """Targets that are routed and that requests can reach."""
        return sum(target.routed and target.seen is Seen.FULLY for zone in self._zones for target in zone)

    def smallest_zone(self) -> int:
        """The zone with the fewest targets, the first of several."""
        return min(range(len(self._zones)), key=lambda zone: len(self._zones[zone]))

    def add(self, target: Target) -> None:
        """A new target; while nothing is believed it is routed at once."""
        self._zones[target.zone].append(target)
        if self.open or not self.acts:
            target.routed = True

    def remove(self, target: Target) -> None:
        """It is deregistered."""
        self._zones[target.zone].remove(target)
        target.routed = False

    # What checks lead to (health_checks.Judge)

    def accept(self, target: Target, healthy: bool, at_s: float) -> bool:
        """Good news always; bad news unless it would remove more than the velocity limit grants."""
        if healthy or self.open or not self.acts or not target.routed:
            return True
        if not self._take(1, at_s):
            return False
        target.routed = False
        return True

    def checked(self, target: Target, at_s: float) -> None:
        """Bring zones and target in line with health as it is now."""
        target.served = target.served or target.healthy
        share = healthy_share(target for zone in self._zones for target in zone)
        if self.open != (share < self.spec.fail_open):
            self.open = not self.open
            if self.acts:
                self._note("failed_open" if self.open else "fail_open_over", healthy_share=round(share, 3))
        if self.open or not self.acts:
            self._route_all()
            return
        self._judge_zone(target.zone, at_s)
        if (self.zone_in[target.zone] or self.in_full) and target.healthy:
            target.routed = True
        elif target.routed and self._take(1, at_s):  # left over from a time when all was routed
            target.routed = False

    def failover_off(self) -> None:
        """Believe no check from now on; everything is routed."""
        self.acts = False
        self._route_all()

    def failover_on(self) -> None:
        """Believe them again, each from its next one."""
        self.acts = True

    def _judge_zone(self, zone: int, at_s: float) -> None:
        targets = self._zones[zone]
        share = healthy_share(targets)
        if self.zone_in[zone] and share < self.spec.zone_threshold:
            routed = [target for target in targets if target.routed]
            if self._take(len(routed), at_s):
                self.zone_in[zone] = False
                self.zone_removals_total += 1
                for target in routed:
                    target.routed = False
                self._note("zone_removed", zone=zone, healthy_share=round(share, 3), targets=len(routed))
                self._answer()
        elif not self.zone_in[zone] and share >= self.spec.zone_threshold:
            self.zone_in[zone] = True
            for target in targets:
                target.routed = target.healthy
            self._note("zone_restored", zone=zone, healthy_share=round(share, 3))
            self._answer()

    def _answer(self) -> None:
        """What the name answers when a zone has come or gone: those that are in, or for want of any, all."""
        before, self.in_full = self.in_full, self.spec.name_in_full and not any(self.zone_in)
        if self.in_full and not before:
            for target in self.targets:
                target.routed = target.healthy

    def _route_all(self) -> None:
        self.zone_in = [True] * self.spec.zones
        self.in_full = False
        for zone in self._zones:
            for target in zone:
                target.routed = True

    def _take(self, n: int, at_s: float) -> bool:
        """Whether `n` targets may be taken out now; they then count against the limit for one period."""
        if self.spec.velocity is not None:
            while self._removed and self._removed[0][0] <= at_s - self.spec.velocity_period_s:
                self._removed_lately -= self._removed.popleft()[1]
            size = sum(target.served for zone in self._zones for target in zone)
            if self._removed_lately + n > self.spec.velocity * size + 1e-9:
                return False
            self._removed.append((at_s, n))
            self._removed_lately += n
        self.removed_total += n
        return True


def healthy_share(targets: Iterable[Target]) -> float:
    """Of the targets that have been in service, the share that is healthy; 1 when there is none."""
    known = [target.healthy for target in targets if target.served]
    return sum(known) / len(known) if known else 1.0
