"""Every interleaving of the DNS automation, searched: does a race fix hold, or is there a schedule that breaks it?

A test of a race runs one order of steps, usually a harmless one. Here every order is run. From the steady state, level
by level: all states that one step of one actor leads to, then two steps, and so on, each state once. The first level
that breaks an invariant therefore gives a *shortest* failing schedule; a level without a new state means that there is
nothing more to find, and the invariant is proved up to the bounds.

The invariants (what the event broke):

    active_plan_exists     no step deletes a plan that a record points at
    never_empty            every record resolves to at least one address, always
    never_backwards        no record moves to an older generation
    can_make_progress      from every state, what is under way can end in such a way that a plan newer than all so far
                           goes live at every endpoint, without an operator (`explore_progress.py`)

Bounds: one planner, and up to so many enactors, endpoints and generations. Schedules of one endpoint are searched
first, because a failure there is a failure with more endpoints and is shorter to tell; what one endpoint leaves
standing is searched with all of them. `keep_generations` 0 is the harshest clean-up: everything older goes.

A verdict is `proved` (every reachable state was looked at), `refuted` (with the schedule, replayed on the real value
before it is told) or `unsettled` (a limit was met, and which). Limits: states held in memory (about 60 bytes each with
all that is needed to find the way back; 16 million stay near 1 GB), and seconds by the clock that the caller lends.
Same arguments, same answers, as long as no limit of time is met.

Leaves out: time (any pause may last any while), crashes of actors (a crash is a pause without end, save that leases are
not inherited), and an enactor kept from the lock (a pause too). Sources: Holzmann, "The Spin Model Checker", 2003; the
public TLA+ and Promela models of the event, which search a model beside the code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.flows import dns_plans
from harness.flows.dns_control import ControlSpec
from harness.flows.dns_plans import RaceFix
from harness.sim.explore_codes import Codes
from harness.sim.explore_progress import Progress
from harness.sim.explore_tables import States, TooMany, distinct
from harness.sim.explore_trace import Schedule, trace

ENDPOINT_NAMES = ("public", "fips", "ipv6", "account")
CHUNK = 1 << 17  # states taken a step at a time: bounds what is held besides the states themselves


class Invariant(StrEnum):
    """What must hold in every schedule."""

    ACTIVE_PLAN_EXISTS = "active_plan_exists"
    NEVER_EMPTY = "never_empty"
    NEVER_BACKWARDS = "never_backwards"
    CAN_MAKE_PROGRESS = "can_make_progress"


class Verdict(StrEnum):
    """What a search found out about an invariant."""

    PROVED = "proved"
    REFUTED = "refuted"
    UNSETTLED = "unsettled"


class Bounds(NamedTuple):
    """How large an automation is searched. `addresses` is how many stand behind each endpoint."""

    enactors: int = 3
    endpoints: int = 3
    generations: int = 6
    keep_generations: int = 0
    addresses: int = 2


class Limits(NamedTuple):
    """When a search gives up: at so many states of one fix, or when `spent_s()` passes `seconds`."""

    states: int = 16_000_000
    seconds: float = float("inf")
    spent_s: Callable[[], float] = lambda: 0.0


class Finding(NamedTuple):
    """The verdict on one fix and invariant.

    `steps` is the length of the shortest failing schedule, None unless refuted. `depth` is how many steps deep the
    search went for this verdict, `states` how many different states it had seen by then, `endpoints` the number of
    endpoints it went with. `bound` names the limit that left it unsettled.
    """

    fix: RaceFix
    invariant: Invariant
    verdict: Verdict
    steps: int | None
    depth: int
    states: int
    endpoints: int
    bound: str = ""
    schedule: Schedule | None = None


def explore(fix: RaceFix, bounds: Bounds, limits: Limits | None = None) -> tuple[Finding, ...]:
    """Settle every invariant for one fix, in the order of `Invariant`. ValueError for bounds that mean nothing."""
    check_bounds(bounds)
    settled: dict[Invariant, Finding] = {}
    for endpoints in sorted({1, bounds.endpoints}):
        if open_ones := [invariant for invariant in Invariant if invariant not in settled]:
            last = endpoints == bounds.endpoints
            for finding in _search(fix, bounds._replace(endpoints=endpoints), limits or Limits(), open_ones):
                if last or finding.verdict is Verdict.REFUTED:
                    settled[finding.invariant] = finding
    return tuple(settled[invariant] for invariant in Invariant)


def check_bounds(bounds: Bounds) -> None:
    """Raise ValueError, saying what is allowed, for a bound that no search can have."""
    lows = Bounds(1, 1, 1, 0, 1)
    highs = Bounds(7, 8, 60, 60, 8)
    for name, value, low, high in zip(Bounds._fields, bounds, lows, highs, strict=True):
        if not low <= value <= high:
            raise ValueError(f"{name.replace('_', '-')}: {value} is not from {low} to {high}")


def addresses_of(bounds: Bounds) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The endpoints of a search, with their addresses: ((endpoint, (address, ...)), ...)."""
    names = [*ENDPOINT_NAMES, *(f"endpoint{n}" for n in range(len(ENDPOINT_NAMES) + 1, bounds.endpoints + 1))]
    targets = tuple(f"192.0.2.{n}" for n in range(1, bounds.addresses + 1))
    return tuple((name, targets) for name in names[: bounds.endpoints])


def control_of(fix: RaceFix, bounds: Bounds) -> ControlSpec:
    """The knobs of the automation that is searched; the times in it are never read."""
    return ControlSpec(enactors=bounds.enactors, keep_generations=bounds.keep_generations, race_fix=fix)


class _Stores:
    """What the invariants say of each store, by number, asked of `dns_plans` once each."""

    def __init__(self, codes: Codes) -> None:
        self._codes = codes
        self._facts = np.zeros((0, 2), dtype=np.bool_)

    def facts(self) -> NDArray[np.bool_]:
        """One row a store: [active plans exist, no record is empty]."""
        new = self._codes.stores.values[len(self._facts) :]
        if new:
            found = [(dns_plans.active_plans_exist(store), dns_plans.never_empty(store)) for store in new]
            self._facts = np.concatenate([self._facts, np.array(found, dtype=np.bool_)])
        return self._facts


class Seen:
    """The states met so far, as a few sorted runs of growing size, so that adding is cheap and asking is a search."""

    def __init__(self, first: States) -> None:
        self._runs = [first]
        self.count = first.size

    def add_new(self, states: States) -> States:
        """Those of `states` (ascending, different) that were not met before; now they are."""
        for run in self._runs:
            place = np.searchsorted(run, states)
            place[place == run.size] = 0
            states = states[run[place] != states]
        if states.size:
            self._runs.append(states)
            self.count += states.size
        while len(self._runs) > 1 and 2 * self._runs[-1].size >= self._runs[-2].size:
            last = self._runs.pop()
            self._runs[-1] = np.sort(np.concatenate([self._runs[-1], last]))
        return states


def _search(fix: RaceFix, bounds: Bounds, limits: Limits, invariants: Iterable[Invariant]) -> Iterator[Finding]:
    """Level by level, until every invariant is refuted or no new state is left. Yields each finding once."""
    unsettled = list(invariants)
    depth, count, bound = 0, 0, ""
    try:
        codes = Codes(control_of(fix, bounds), addresses_of(bounds))
        stores, progress = _Stores(codes), Progress(codes, bounds.generations + 1)
        levels = [codes.first]
        seen = Seen(codes.first)
        while unsettled and levels[-1].size:
            count = seen.count
            reached, bad_step = _level(codes, levels[-1], bounds.generations, limits)
            new = seen.add_new(reached)
            depth = len(levels)
            levels.append(new)
            bad: dict[Invariant, tuple[int, bool]] = {}
            if bad_step is not None:
                bad[Invariant.NEVER_BACKWARDS] = (bad_step, True)
            broken = ~stores.facts()[codes.store_numbers(new)]
            for column, invariant in enumerate((Invariant.ACTIVE_PLAN_EXISTS, Invariant.NEVER_EMPTY)):
                if invariant in unsettled and broken[:, column].any():
                    bad[invariant] = (int(new[broken[:, column]][0]), False)
            if Invariant.CAN_MAKE_PROGRESS in unsettled:
                stuck = progress.first_stuck(new)
                if stuck is not None:
                    bad[Invariant.CAN_MAKE_PROGRESS] = (stuck, False)
            for invariant in [invariant for invariant in unsettled if invariant in bad]:
                target, by_step = bad[invariant]
                schedule = trace(codes, levels, target, bounds.generations, backwards=by_step)
                unsettled.remove(invariant)
                yield Finding(
                    fix, invariant, Verdict.REFUTED, depth, depth, seen.count, bounds.endpoints, "", schedule
                )
            count = seen.count
            _check_states(count, limits)
        depth = max(0, depth - 1)  # the last level was empty
    except TooMany as full:
        bound = str(full)
    for invariant in unsettled:
        verdict = Verdict.UNSETTLED if bound else Verdict.PROVED
        yield Finding(fix, invariant, verdict, None, depth, count, bounds.endpoints, bound)


def _check_states(count: int, limits: Limits) -> None:
    if count > limits.states:
        raise TooMany(f"more than {limits.states} states")


def _level(codes: Codes, states: States, generations: int, limits: Limits) -> tuple[States, int | None]:
    """All states one step on (ascending, different), and the least of those that a step backwards leads to."""
    found, least = [], None
    for begin in range(0, states.size, CHUNK):
        if limits.spent_s() > limits.seconds:
            raise TooMany(f"more than {limits.seconds:g} s")
        for step in codes.steps(states[begin : begin + CHUNK], generations):
            found.append(distinct(step.after))
            if step.backwards.any():
                here = int(step.after[step.backwards].min())
                least = here if least is None else min(least, here)
    return distinct(np.concatenate(found)), least
