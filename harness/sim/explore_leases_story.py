"""A schedule of the lease manager as a story for people, and what becomes of it afterwards.

A search ends at the first state out of which there is no way, long before anybody would see it: the collapse is still
to come. So a story has two parts: the events up to that state, neighbours of one kind in one line, and then the
calm continuation, in which nothing goes wrong any more and which leads nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from harness.flows import lease_manager
from harness.flows.lease_manager import Leases
from harness.sim.explore_leases import Bounds, Finding, Invariant, spec_of
from harness.sim.explore_leases_scene import Scene, Step, calm_tick, key_of

BROKEN: dict[Invariant, str] = {
    Invariant.NO_WASTE: "an attempt outlives its timeout",
    Invariant.NEVER_STUCK: "never again will all droplets be leased, whatever the store does",
    Invariant.RECOVERS_IN_TIME: "the way back takes longer than the line",
}
_EVENTS = {
    "gone": "the store goes away",
    "back": "the store is back",
    "restart": "the managers are restarted",
    "tick": "a tick",
}


def told(finding: Finding, bounds: Bounds) -> list[str]:
    """One line for each event or run of like events, with the state it leads to; then how it goes on."""
    lines, number = [], 0
    for what, steps in groupby(_sentences(finding.schedule), key=lambda sentence: sentence[0]):
        run = list(steps)
        begin, number = number + 1, number + len(run)
        places = f"{begin}-{number}" if len(run) > 1 else f"{number}"
        times = f" {len(run)} times" if len(run) > 1 and what != "a tick" else ""
        wasted = sum(step.wasted for _, step in run)
        waste = f"; {wasted} wasted" if wasted else ""
        lines.append(f"{places:>7}  {what + times + waste:<46} {_state(run[-1][1].after.leases)}")
    return [*lines, *_afterwards(finding, bounds)]


def _sentences(schedule: tuple[Step, ...]) -> Iterator[tuple[str, Step]]:
    up = True
    for step in schedule:
        kind = step.name.split()[0]
        how = "answers" if up else "fails"
        yield _EVENTS.get(kind, f"the store {how} {'an' if kind == 'attempt' else 'a'} {kind}"), step
        up = step.after.up


def _state(leases: Leases) -> str:
    parts = [f"{lease_manager.leased(leases)} leased"]
    parts += [f"{len(leases.outside)} outside"] if leases.outside else []
    parts += [f"{len(leases.line)} in line"] if leases.line else []
    parts += [f"{len(leases.busy)} at work"] if leases.busy else []
    return ", ".join(parts)


def _afterwards(finding: Finding, bounds: Bounds) -> list[str]:
    """What the calm continuation comes to."""
    spec = spec_of(finding.fix, bounds)
    scene = finding.schedule[-1].after
    seen: set[object] = set()
    ticks = wasted = wasted_now = 0
    while lease_manager.leased(scene.leases) < spec.droplets:
        here = key_of(spec, Scene(scene.leases, True, 0, 0))
        if here in seen:
            busy = f"; {wasted_now} of {spec.attempts_per_tick} attempts are wasted in every tick"
            return [f"{'then':>7}  nothing goes wrong any more, and for ever: {_state(scene.leases)}{busy}"]
        seen.add(here)
        scene, wasted_now = calm_tick(spec, scene)
        wasted += wasted_now
        ticks += 1
    return [f"{'then':>7}  all are leased after {ticks} more ticks, {wasted} attempts wasted"]
