"""Every order of events around the lease manager, searched: can it come to a state out of which it never comes?

The minimal model of the event has one schedule: all droplets in line at once, and a store that answers in time. A real
manager meets others: leases that run out one by one, answers that come late, a store that goes away again in the midst
of it, a restart. Here all of them are run, level by level, on the code that runs live (`flows/lease_manager.py`), so
that the first bad state has a shortest schedule, and a level without a new state is a proof up to the bounds.

    tick          the manager's next tick; not before what the store owes it from the tick before has been answered
    answer        the store answers one open call: well when it is there, badly when it is gone
    gone, back    the store goes away, and comes back; so many times at most
    restart       operators restart the managers; so many times at most

The invariants:

    no_waste           no attempt outlives its timeout
    never_stuck        from every state, once the store is there and answers in time, all droplets are leased in the end
    recovers_in_time   and that after at most N / C + T + 1 ticks (who is in line may be wasted, once)

Whether a state is stuck needs no second search: in calm nothing is left to chance, so the calm continuation either
leases everything or comes back to a state it has been in (`Calm`). Droplets are alike: two states that differ by their
names are one. That needs each of them to be checked in every tick, so `check_ticks` is 1 here.

Bounds, limits and verdicts are as for `explore.py`. Leaves out: time between ticks, and leases of several lengths.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from harness.flows import lease_manager
from harness.flows.lease_manager import LeaseSpec
from harness.sim.explore import Limits, Verdict
from harness.sim.explore_leases_scene import Key, Scene, Step, all_answered, calm_tick, key_of, steps

FOREVER = -1


class LeaseFix(StrEnum):
    """What keeps the line from growing beyond what can be served in time."""

    NONE = "none"
    LINE_CAP = "line_cap"
    DROP_EXPIRED = "drop_expired"


class Invariant(StrEnum):
    """What must hold in every schedule."""

    NO_WASTE = "no_waste"
    NEVER_STUCK = "never_stuck"
    RECOVERS_IN_TIME = "recovers_in_time"


class Bounds(NamedTuple):
    """How large a manager is searched, and how much may go wrong. `late` 1 lets answers come one tick late."""

    droplets: int = 24
    attempts_per_tick: int = 4
    timeout_ticks: int = 3
    lease_ticks: int = 2
    outages: int = 1
    restarts: int = 0
    late: int = 0


class Finding(NamedTuple):
    """The verdict on one fix and invariant; `schedule` and `steps` (its length) only of a refuted one."""

    fix: LeaseFix
    invariant: Invariant
    verdict: Verdict
    steps: int | None
    depth: int
    states: int
    droplets: int
    bound: str = ""
    schedule: tuple[Step, ...] = ()


def check_bounds(bounds: Bounds) -> None:
    """Raise ValueError, saying what is allowed, for a bound that no search can have."""
    lows, highs = Bounds(1, 1, 1, 2, 0, 0, 0), Bounds(200, 50, 50, 8, 3, 3, 1)
    for name, value, low, high in zip(Bounds._fields, bounds, lows, highs, strict=True):
        if not low <= value <= high:
            raise ValueError(f"{name.replace('_', '-')}: {value} is not from {low} to {high}")


def spec_of(fix: LeaseFix, bounds: Bounds) -> LeaseSpec:
    """The knobs of the manager that is searched."""
    cap = bounds.attempts_per_tick * bounds.timeout_ticks if fix is LeaseFix.LINE_CAP else lease_manager.NO_CAP
    return LeaseSpec(
        bounds.droplets, bounds.attempts_per_tick, bounds.timeout_ticks, bounds.lease_ticks, check_ticks=1,
        line_cap=cap, drop_expired=fix is LeaseFix.DROP_EXPIRED, gone_after=2,
    )  # fmt: skip


def explore(fix: LeaseFix, bounds: Bounds, limits: Limits | None = None) -> tuple[Finding, ...]:
    """Settle every invariant for one fix, in the order of `Invariant`. ValueError for bounds that mean nothing."""
    check_bounds(bounds)
    settled = {finding.invariant: finding for finding in _search(fix, bounds, limits or Limits())}
    return tuple(settled[invariant] for invariant in Invariant)


class Calm:
    """From a state on, the store is there and answers everything before the next tick: how many ticks until all are
    leased? FOREVER when the same state comes again. Remembered for every state that is passed."""

    def __init__(self, spec: LeaseSpec) -> None:
        self._spec = spec
        self._ticks: dict[Key, int] = {}

    def ticks(self, scene: Scene) -> int:
        """Ticks until all droplets are leased."""
        scene = Scene(all_answered(self._spec, scene.leases), True, 0, 0)
        passed: list[Key] = []
        here = key_of(self._spec, scene)
        while here not in self._ticks:
            if lease_manager.leased(scene.leases) == self._spec.droplets:
                self._ticks[here] = 0
                break
            self._ticks[here] = FOREVER  # should it come again before this is known better
            passed.append(here)
            scene, _ = calm_tick(self._spec, scene)
            here = key_of(self._spec, scene)
        count = self._ticks[here]
        for before in reversed(passed):
            count = FOREVER if count == FOREVER else count + 1
            self._ticks[before] = count
        return count


def _search(fix: LeaseFix, bounds: Bounds, limits: Limits) -> Iterator[Finding]:
    """Level by level, until every invariant is refuted or no new state is left. Yields each finding once."""
    spec, unsettled, bound = spec_of(fix, bounds), list(Invariant), ""
    calm, in_time = Calm(spec), -(-bounds.droplets // bounds.attempts_per_tick) + bounds.timeout_ticks + 1
    first = Scene(lease_manager.start(spec), True, bounds.outages, bounds.restarts)
    level = {key_of(spec, first): first}
    ways: dict[Key, tuple[Key, str] | None] = dict.fromkeys(level)  # how each state was first reached
    depth = 0
    while level and unsettled and not bound:
        reached: dict[Key, Scene] = {}
        bad: dict[Invariant, tuple[Key, str]] = {}
        for here, scene in level.items():
            for step in steps(spec, scene, bounds.late):
                if step.wasted:
                    bad.setdefault(Invariant.NO_WASTE, (here, step.name))
                there = key_of(spec, step.after)
                if there in ways:
                    continue
                ways[there] = (here, step.name)
                reached[there] = step.after
                ticks = calm.ticks(step.after)
                if ticks == FOREVER:
                    bad.setdefault(Invariant.NEVER_STUCK, (here, step.name))
                if ticks == FOREVER or ticks > in_time:
                    bad.setdefault(Invariant.RECOVERS_IN_TIME, (here, step.name))
            if len(ways) > limits.states:
                bound = f"more than {limits.states} states"
            elif limits.spent_s() > limits.seconds:
                bound = f"more than {limits.seconds:g} s"
            if bound:
                break
        depth += 1
        for invariant in [invariant for invariant in unsettled if invariant in bad]:
            unsettled.remove(invariant)
            schedule = _walked(spec, bounds, first, ways, bad[invariant])
            found = (depth, depth, len(ways), bounds.droplets)
            yield Finding(fix, invariant, Verdict.REFUTED, *found, schedule=schedule)
        level = reached
    depth = max(0, depth - (not level))
    for invariant in unsettled:
        verdict = Verdict.UNSETTLED if bound else Verdict.PROVED
        yield Finding(fix, invariant, verdict, None, depth, len(ways), bounds.droplets, bound)


def _walked(
    spec: LeaseSpec, bounds: Bounds, first: Scene, ways: dict[Key, tuple[Key, str] | None], last: tuple[Key, str]
) -> tuple[Step, ...]:
    """The schedule to the end of a last step, walked anew from the start; names of droplets are those of the walk."""
    keys = [last[0]]
    while (way := ways[keys[-1]]) is not None:
        keys.append(way[0])
    wanted = [*reversed(keys[:-1]), None]
    scene, found = first, []
    for key in wanted:
        options = steps(spec, scene, bounds.late)
        if key is None:
            step = next(option for option in options if option.name.split()[0] == last[1].split()[0])
        else:
            step = next(option for option in options if key_of(spec, option.after) == key)
        found.append(step)
        scene = step.after
    return tuple(found)
