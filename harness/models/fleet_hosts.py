"""The hosts of a fleet, each with its state, and how many are wanted: what autoscaling knows, without the asking.

    usable     booted and reachable: serves now
    unready    launched, but still booting, or nobody can reach it yet
    due        at the end of its life, or unreachable for too long: to be ended, and replaced by what is then missing

Hosts that were there before the run have lives that are under way: the first ends early, the last after a whole life.
Leaves out: sizes and zones of hosts.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from harness import seeds

_LIFE = seeds.stream_id("fleet/life")


class FleetSpec(NamedTuple):
    """Hosts, and durations in seconds. `target` is the busy share of slots aimed at, above 0 to 1."""

    initial: int = 4
    minimum: int = 1
    maximum: int = 20
    slots_per_host: int = 5
    target: float = 0.7
    evaluate_s: float = 1.0
    cooldown_s: float = 5.0
    step: int = 4
    boot_s: float = 1.0
    life_s: float = math.inf  # mean; each host's own lies between half and one and a half of it
    replace_after_s: float = math.inf
    unhealthy_step: int = 2  # most that end in one evaluation because a balancer calls them unhealthy

    def desired(self, demand: float) -> int:
        """How many hosts a demand (slots busy, had there been enough) calls for."""
        wanted = math.ceil(demand / (self.target * self.slots_per_host) - 1e-9)
        return min(self.maximum, max(self.minimum, wanted))


class Host(NamedTuple):
    """One host. `instance` is None, or negative in a fleet whose hosts all have names, for one from before the run."""

    instance: int | None
    asked_s: float
    ready_s: float  # when it has booted
    reachable: bool
    ends_s: float


class Hosts:
    """All hosts, by a number of their own, in the order of their launches. Times are seconds from the run's zero."""

    def __init__(self, spec: FleetSpec, seed: int, now_s: float, *, named: bool = False) -> None:
        self.spec = spec
        self.there: dict[int, Host] = {}
        self.recount_s = -math.inf  # when `usable` is to be counted anew
        self._seed = seed
        self._births = 0
        self._usable = 0
        for nth in range(1, spec.initial + 1):
            instance = -nth if named else None
            self._add(Host(instance, now_s, now_s, True, now_s + self._life_s() * nth / spec.initial))

    def __len__(self) -> int:
        return len(self.there)

    def launched(self, instance: int, reachable: bool, now_s: float) -> None:
        """There is one more, which boots from now on."""
        self._add(Host(instance, now_s, now_s + self.spec.boot_s, reachable, now_s + self._life_s()))

    def reached(self, number: int) -> None:
        """The network can reach it."""
        if number in self.there:
            self.there[number] = self.there[number]._replace(reachable=True)
            self.recount_s = -math.inf

    def end(self, number: int) -> int | None:
        """It serves no longer; the instance to give back, if there is one."""
        self.recount_s = -math.inf
        return self.there.pop(number).instance

    def past_life(self, now_s: float) -> list[int]:
        """Those to recycle."""
        return [number for number, host in self.there.items() if host.ends_s <= now_s]

    def lost(self, now_s: float) -> list[int]:
        """Those that nobody could reach for too long."""
        waits_s = self.spec.replace_after_s
        return [number for number, host in self.there.items() if not host.reachable and host.asked_s + waits_s <= now_s]

    def older_than(self, age_s: float, now_s: float) -> list[int]:
        """Instances that are so old at least."""
        found = (host.instance for host in self.there.values() if host.asked_s + age_s <= now_s)
        return [instance for instance in found if instance is not None]

    def least_useful(self) -> list[int]:
        """All of them, those first that are best given up: who serve nobody yet, then the oldest."""
        return sorted(self.there, key=lambda number: (self.there[number].reachable, number))

    def unreached(self) -> dict[int, int]:
        """Instances that were not reachable when last heard of, with their numbers."""
        found = {host.instance: number for number, host in self.there.items() if not host.reachable}
        return {instance: number for instance, number in found.items() if instance is not None}

    def usable(self, now_s: float) -> int:
        """How many serve now; counted anew only when that can have changed."""
        if now_s >= self.recount_s:
            reachable = [host.ready_s for host in self.there.values() if host.reachable]
            self._usable = sum(ready_s <= now_s for ready_s in reachable)
            self.recount_s = min((ready_s for ready_s in reachable if ready_s > now_s), default=math.inf)
        return self._usable

    def _add(self, host: Host) -> None:
        self.there[self._births] = host
        self._births += 1
        self.recount_s = -math.inf

    def _life_s(self) -> float:
        return self.spec.life_s * (0.5 + seeds.draw(self._seed, _LIFE, self._births))
