"""The lease manager: keeps a lease on every droplet, and makes new ones for those that have lost theirs.

A droplet is a physical server. Instances can be launched on it only while the manager holds a lease on it, which it
extends by a *state check* every so often: a write to the table store. While the store is away checks fail and leases
run out, slowly. When the store is back, every droplet needs a new lease at once, and a line forms. That is when the
obvious design breaks: an attempt that has stood in line for too long is given up by whoever began it, but the worker
learns that only after it has done the work. It puts the droplet back at the end of the line, behind all the others.

    tick      leases run out; droplets due for their check are checked, or asked for; the line is filled from outside;
              C attempts are finished: one that waited T ticks or longer is wasted and goes outside, at the end
    answered  the store has answered a check, an attempt or a probe

With N droplets in line at once: N <= C T wastes nothing; C T < N < 2 C T recovers with waste; with N >= 2 C T the wait
is at least T for ever, the worker is always busy, and nothing beyond the first C T is ever leased. Two rules avoid it.
A line of at most C T (`line_cap`, or an operator's `throttle`; the others wait *outside*, where no time runs) is always
served in time. Dropping expired work before it costs anything (`drop_expired`) gives every turn to somebody fresh.
Either way all are leased after N / C ticks.

While the store is gone (`gone_after` failed calls in a row) it is asked once a tick, and nobody enters the line.
`restart` is the operators' deed: all work is forgotten. Droplets without a lease come back at their next state check.

The whole state is a value: timers drive it live, the heap in the world, and the explorer schedules it in every order.
Leaves out: seconds and the writes themselves (`models/compute_leases.py`), and who runs on a droplet (`compute.py`).
Source: AWS, "Summary of the Amazon DynamoDB Service Disruption in US-EAST-1", October 2025 (the DWFM); the threshold is
arithmetic, and `tests/flows/test_lease_manager.py` holds it against a twin that shares nothing with this file.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

NO_CAP = 0


class LeaseSpec(NamedTuple):
    """The knobs, in ticks and counts. `line_cap` 0 is none."""

    droplets: int
    attempts_per_tick: int  # C
    timeout_ticks: int  # T
    lease_ticks: int
    check_ticks: int  # every droplet is checked once in so many
    line_cap: int = NO_CAP
    drop_expired: bool = False
    gone_after: int = 5


class Work(NamedTuple):
    """A droplet in line, and the tick at which it joined it."""

    droplet: int
    since: int


class Leases(NamedTuple):
    """The whole state. A droplet without a lease is in at most one of outside, line and busy."""

    tick: int  # the tick that is under way
    until: tuple[int, ...]  # by droplet: the tick at which its lease is over, 0 without one
    outside: tuple[int, ...] = ()  # droplets that want a lease and are not let into the line yet, in order
    line: tuple[Work, ...] = ()
    busy: tuple[Work, ...] = ()  # attempts begun, whose write is open
    checking: tuple[int, ...] = ()  # droplets whose check is open
    probing: bool = False
    failures: int = 0  # calls to the store that failed in a row, counted up to `gone_after`
    throttle: int = NO_CAP  # the operators' cap of the line


class Ticked(NamedTuple):
    """What one tick did, and what it asks of the store: checks, attempts and a probe, each to be answered."""

    state: Leases
    checks: tuple[int, ...] = ()
    attempts: tuple[Work, ...] = ()
    probe: bool = False
    lost: tuple[int, ...] = ()  # leases that ran out
    wasted: tuple[Work, ...] = ()  # attempts that outlived their timeout
    dropped: int = 0  # expired work put back before it cost anything


def start(spec: LeaseSpec, tick: int = 0, *, leased: bool = True) -> Leases:
    """Before tick `tick` + 1: every droplet leased, or none. ValueError for knobs that mean nothing."""
    lows = {"droplets": 1, "attempts_per_tick": 1, "timeout_ticks": 1, "lease_ticks": 1, "check_ticks": 1}
    for name, low in {**lows, "line_cap": 0, "gone_after": 1}.items():
        if getattr(spec, name) < low:
            raise ValueError(f"{name} is {getattr(spec, name)}; it must be at least {low}")
    if spec.lease_ticks <= spec.check_ticks:
        raise ValueError(
            f"a lease of {spec.lease_ticks} ticks runs out before the next check ({spec.check_ticks} ticks); "
            "make leases longer or checks more frequent"
        )
    if leased:
        return Leases(tick, (tick + 1 + spec.lease_ticks,) * spec.droplets)
    return Leases(tick, (0,) * spec.droplets, tuple(range(spec.droplets)))


def tick(spec: LeaseSpec, state: Leases) -> Ticked:
    """The next tick."""
    now = state.tick + 1
    until = state.until
    lost: tuple[int, ...] = ()
    if 0 < min((end for end in until if end), default=0) <= now:
        lost = tuple(droplet for droplet, end in enumerate(until) if 0 < end <= now)
        until = tuple(0 if 0 < end <= now else end for end in until)
    state = state._replace(tick=now, until=until)
    due = range(now % spec.check_ticks, spec.droplets, spec.check_ticks)
    state = _ask_for(state, (droplet for droplet in due if not until[droplet]))
    if is_gone(spec, state):
        return Ticked(state._replace(probing=True), probe=not state.probing, lost=lost)
    checks = tuple(droplet for droplet in due if until[droplet] and droplet not in state.checking)
    state = state._replace(checking=state.checking + checks)
    dropped = _expired(spec, state) if spec.drop_expired else ()
    state = _admitted(spec, _put_back(spec, state._replace(line=state.line[len(dropped) :]), dropped))
    slots = max(0, spec.attempts_per_tick - len(state.busy))
    attempts: list[Work] = []
    wasted: list[Work] = []
    while state.line and len(attempts) + len(wasted) < slots:  # one after another: who goes to the end may come again
        work = state.line[0]
        state = state._replace(line=state.line[1:])
        if now - work.since < spec.timeout_ticks:
            attempts.append(work)
        else:
            wasted.append(work)
            state = _put_back(spec, state, (work,))
    state = state._replace(busy=(*state.busy, *attempts))
    return Ticked(state, checks, tuple(attempts), False, lost, tuple(wasted), len(dropped))


def checked(spec: LeaseSpec, state: Leases, droplet: int, ok: bool) -> Leases:
    """The store has answered the check of a droplet: its lease is extended, unless it ran out meanwhile."""
    if droplet not in state.checking:  # forgotten by a restart
        return state
    state = state._replace(checking=tuple(other for other in state.checking if other != droplet))
    if ok and state.until[droplet]:
        state = _held(spec, state, droplet)
    return _heard(spec, state, ok)


def attempted(spec: LeaseSpec, state: Leases, work: Work, ok: bool) -> Leases:
    """The store has answered an attempt: the droplet is leased, or goes back to the end."""
    if work not in state.busy:
        return state
    state = _heard(spec, state._replace(busy=tuple(other for other in state.busy if other != work)), ok)
    if ok:
        return _held(spec, state, work.droplet)
    return _put_back(spec, state, (work,))


def probed(spec: LeaseSpec, state: Leases, ok: bool) -> Leases:
    """The store has answered the probe."""
    return _heard(spec, state._replace(probing=False), ok) if state.probing else state


def restart(state: Leases) -> Leases:
    """The managers are restarted: leases are written down, everything else is forgotten; the throttle stays on."""
    return Leases(state.tick, state.until, throttle=state.throttle)


def throttled(state: Leases, cap: int) -> Leases:
    """Operators let at most `cap` into the line from now on; 0 takes the throttle away. Who is in line stays."""
    return state._replace(throttle=cap)


def is_gone(spec: LeaseSpec, state: Leases) -> bool:
    """True while the manager takes the store to be gone."""
    return state.failures >= spec.gone_after


def leased(state: Leases) -> int:
    """How many droplets have a lease."""
    return len(state.until) - state.until.count(0)


def oldest_wait_ticks(state: Leases) -> int:
    """How long the first in line has waited; 0 with nobody there."""
    return state.tick - state.line[0].since if state.line else 0


def _ask_for(state: Leases, droplets: Iterable[int]) -> Leases:
    """Those of `droplets` that wait nowhere yet now wait outside."""
    wanted = tuple(droplets)
    if not wanted:
        return state
    known = {work.droplet for work in (*state.line, *state.busy)}.union(state.outside)
    return state._replace(outside=state.outside + tuple(droplet for droplet in wanted if droplet not in known))


def _cap(spec: LeaseSpec, state: Leases) -> int | None:
    caps = [cap for cap in (spec.line_cap, state.throttle) if cap != NO_CAP]
    return min(caps) if caps else None


def _admitted(spec: LeaseSpec, state: Leases) -> Leases:
    """With the line filled from outside. Done before a tick takes its C, never after: a line of C T that is filled up
    again behind them would make its last wait T ticks, and a cap of C T would save nobody."""
    if not state.outside:
        return state
    cap = _cap(spec, state)
    room = len(state.outside) if cap is None else max(0, cap - len(state.line))
    entering = tuple(Work(droplet, state.tick) for droplet in state.outside[:room])
    return state._replace(outside=state.outside[room:], line=state.line + entering)


def _put_back(spec: LeaseSpec, state: Leases, works: Iterable[Work]) -> Leases:
    """To the end of the line at once, or of those outside where there is a cap or no store."""
    if _cap(spec, state) is None and not is_gone(spec, state):
        return state._replace(line=state.line + tuple(Work(work.droplet, state.tick) for work in works))
    return state._replace(outside=state.outside + tuple(work.droplet for work in works))


def _expired(spec: LeaseSpec, state: Leases) -> tuple[Work, ...]:
    """The work at the head of the line that has waited too long; who joined later has waited less."""
    count = 0
    while count < len(state.line) and state.tick - state.line[count].since >= spec.timeout_ticks:
        count += 1
    return state.line[:count]


def _held(spec: LeaseSpec, state: Leases, droplet: int) -> Leases:
    end = state.tick + spec.lease_ticks
    return state._replace(until=(*state.until[:droplet], end, *state.until[droplet + 1 :]))


def _heard(spec: LeaseSpec, state: Leases, ok: bool) -> Leases:
    return state._replace(failures=0 if ok else min(state.failures + 1, spec.gone_after))
