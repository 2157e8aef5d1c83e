"""The lease manager with the world around it as one value: what can happen next, and when two scenes are the same.

The manager's own steps are those of `flows/lease_manager.py`; added here are the store, which is there or gone and owes
answers, and the operators. Droplets have numbers, and the tick has a date, which would make every state a new one. So a
scene is known by a key without either: per droplet what is left of its lease, where it waits and how long (up to the
timeout, beyond which it makes no difference), and what is open for it, in any order of droplets.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from harness.flows import lease_manager
from harness.flows.lease_manager import Leases, LeaseSpec, Work

Key = tuple[Any, ...]


class Scene(NamedTuple):
    """The manager and the world around it. `overdue`: open calls (their kind and droplet) from before this tick."""

    leases: Leases
    up: bool
    outages: int  # that may still come
    restarts: int
    overdue: frozenset[tuple[str, int]] = frozenset()


class Step(NamedTuple):
    """One event ("tick", "check 3", "attempt 3", "probe", "gone", "back" or "restart") and what it leads to."""

    name: str
    after: Scene
    wasted: int = 0


def steps(spec: LeaseSpec, scene: Scene, late: int) -> Iterator[Step]:
    """Everything that can happen next; of droplets that are in the same place, one."""
    leases, up = scene.leases, scene.up
    if up and scene.outages:
        yield Step("gone", scene._replace(up=False, outages=scene.outages - 1))
    if not up:
        yield Step("back", scene._replace(up=True))
    if scene.restarts:
        fresh = lease_manager.restart(leases)
        yield Step("restart", scene._replace(leases=fresh, restarts=scene.restarts - 1, overdue=frozenset()))
    open_calls = _open(leases)
    if not (scene.overdue if late else open_calls):
        done = lease_manager.tick(spec, leases)
        yield Step("tick", scene._replace(leases=done.state, overdue=frozenset(open_calls)), len(done.wasted))
    told = set()
    for kind, droplet in open_calls:
        mark = (kind, signature(spec, scene, droplet) if kind != "probe" else ())
        if mark not in told:
            told.add(mark)
            after = _answered(spec, leases, kind, droplet, up)
            name = kind if kind == "probe" else f"{kind} {droplet}"
            yield Step(name, scene._replace(leases=after, overdue=scene.overdue - {(kind, droplet)}))


def signature(spec: LeaseSpec, scene: Scene, droplet: int) -> Key:
    """All there is to know about one droplet, but its name and the date."""
    leases = scene.leases
    return (max(0, leases.until[droplet] - leases.tick), *_whereabouts(spec, scene)[droplet])


def key_of(spec: LeaseSpec, scene: Scene) -> Key:
    """Equal for two scenes that differ in nothing but names of droplets and the date."""
    leases, tick = scene.leases, scene.leases.tick
    ends = (end - tick if end else 0 for end in leases.until)
    droplets = sorted((end, *where) for end, where in zip(ends, _whereabouts(spec, scene), strict=True))
    probe = leases.probing + (("probe", 0) in scene.overdue)
    return (scene.up, scene.outages, scene.restarts, leases.failures, probe, *droplets)


def calm_tick(spec: LeaseSpec, scene: Scene) -> tuple[Scene, int]:
    """What is open is answered well, then comes a tick, and the store answers that at once; attempts wasted."""
    done = lease_manager.tick(spec, all_answered(spec, scene.leases))
    return Scene(all_answered(spec, done.state), True, 0, 0), len(done.wasted)


def _open(leases: Leases) -> list[tuple[str, int]]:
    """Calls the store has not answered."""
    calls = [("attempt", work.droplet) for work in leases.busy] + [("check", droplet) for droplet in leases.checking]
    return [*calls, ("probe", 0)] if leases.probing else calls


def all_answered(spec: LeaseSpec, leases: Leases) -> Leases:
    """With every open call answered well."""
    for kind, droplet in _open(leases):
        leases = _answered(spec, leases, kind, droplet, True)
    return leases


def _answered(spec: LeaseSpec, leases: Leases, kind: str, droplet: int, ok: bool) -> Leases:
    if kind == "check":
        return lease_manager.checked(spec, leases, droplet, ok)
    if kind == "probe":
        return lease_manager.probed(spec, leases, ok)
    work = next(work for work in leases.busy if work.droplet == droplet)
    return lease_manager.attempted(spec, leases, work, ok)


def _whereabouts(spec: LeaseSpec, scene: Scene) -> list[tuple[int, int, int, int]]:
    """By droplet: where it waits (outside, in line or at work), its place there, how long, and its open check."""
    leases, overdue = scene.leases, scene.overdue
    found = [(0, 0, 0)] * len(leases.until)
    for place, droplet in enumerate(leases.outside):
        found[droplet] = (1, place, 0)
    for place, work in enumerate(leases.line):
        found[work.droplet] = (2, place, _age(spec, leases, work))
    for work in leases.busy:
        found[work.droplet] = (3, ("attempt", work.droplet) in overdue, 0)
    checks = [0] * len(found)
    for droplet in leases.checking:
        checks[droplet] = 1 + (("check", droplet) in overdue)
    return [(*where, check) for where, check in zip(found, checks, strict=True)]


def _age(spec: LeaseSpec, leases: Leases, work: Work) -> int:
    return min(leases.tick - work.since, spec.timeout_ticks)
