"""Priority: who is served first, and who is turned away first, when there is not enough for everyone.

Under overload some work will not be done; without priorities chance decides which. Two ways to decide instead:

    criticality   four lines served in strict order: 0 CRITICAL_PLUS, 1 CRITICAL, 2 SHEDDABLE_PLUS, 3 SHEDDABLE
    first_tries   two lines: first tries before retries
    partitioned   one line, and a door per criticality: a job enters while fewer jobs are inside than its share of
                  `limit`; with shares that fall, the top class may use everything and the others only what is left

Strict order starves: under lasting overload the lowest line is never served, and its jobs must be dropped by
something else (a deadline drop, or a bound). Partitions starve less but keep room empty for the top class. First tries
before retries turns a retry storm into harm to retries only, since a first try never waits for one.

Criticality must be propagated: a sub-request has the criticality of the request it serves, or shedding at the back is
blind. Criticalities outside 0..3 count as the nearest. Pure arithmetic; the lines themselves belong to discipline.py.
Leaves out: pre-emption, and classes learned from behaviour (dagor.py).
Sources: Google SRE book, chapter 21 (the four classes); Netflix, "Prioritized load shedding" (partitions:
user-initiated work may use 100 % of the limit, prefetching the rest).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from harness.policies.entry import REQUIRED, Entry, count, share
from harness.policies.server_steps import PrioritySteps

CLASSES = 4


class CriticalitySpec(NamedTuple):
    """Strict order by criticality; nothing to set."""


class FirstTriesSpec(NamedTuple):
    """First tries before retries; nothing to set."""


class PartitionedSpec(NamedTuple):
    """Jobs inside allowed per criticality: each share of `limit`, rounded down."""

    limit: int
    share_0: float
    share_1: float
    share_2: float
    share_3: float


class Stateless(NamedTuple):
    """The state of a rule that needs none."""


def start(spec: NamedTuple, now_s: float) -> Stateless:
    """Nothing to remember."""
    return Stateless()


def rank_by_criticality(spec: CriticalitySpec, criticality: int, first_try: bool) -> int:
    """The class itself, forced into 0..3."""
    return min(max(criticality, 0), CLASSES - 1)


def rank_by_try(spec: FirstTriesSpec, criticality: int, first_try: bool) -> int:
    """0 for a first try, 1 for a retry."""
    return 0 if first_try else 1


def rank_alike(spec: NamedTuple, criticality: int, first_try: bool) -> int:
    """Everybody in one line."""
    return 0


def partitioned_admit(
    spec: PartitionedSpec,
    state: Stateless,
    now_s: float,
    criticality: int,
    tenant: int,
    first_try: bool,
    in_service: int,
    queued: int,
) -> tuple[Stateless, bool]:
    """Whether fewer jobs are inside than this criticality may use."""
    if criticality <= 0:
        part = spec.share_0
    elif criticality == 1:
        part = spec.share_1
    elif criticality == 2:
        part = spec.share_2
    else:
        part = spec.share_3
    return state, in_service + queued < int(spec.limit * part)


def build_partitioned(
    limit: float, critical_plus: float, critical: float, sheddable_plus: float, sheddable: float
) -> PartitionedSpec:
    """From the parameters of the catalogue."""
    return PartitionedSpec(int(limit), critical_plus, critical, sheddable_plus, sheddable)


def check_partitioned(params: Mapping[str, Any]) -> str | None:
    """A more critical class may never have less room than a less critical one."""
    names = ("critical_plus", "critical", "sheddable_plus", "sheddable")
    for above, below in pairwise(names):
        if params[above] < params[below]:
            return (
                f"{above} {params[above]:g} is below {below} {params[below]:g}, so more critical work would be turned "
                "away first; let the shares fall from critical_plus to sheddable"
            )
    if int(params["limit"] * params["critical_plus"]) == 0:
        return f"limit x critical_plus is {params['limit'] * params['critical_plus']:g}, so no job could ever enter"
    return None


PRIORITY = {
    CriticalitySpec: PrioritySteps(CLASSES, rank_by_criticality, None, None, None),
    FirstTriesSpec: PrioritySteps(2, rank_by_try, None, None, None),
    PartitionedSpec: PrioritySteps(1, rank_alike, start, partitioned_admit, None),
}

ENTRIES: tuple[Entry, ...] = (
    Entry(
        kind="criticality",
        side="server",
        slot="priority",
        rule="strict order by criticality, 0 first",
        params=(),
        source="Google SRE book, chapter 21",
        build=CriticalitySpec,
    ),
    Entry(
        kind="first_tries",
        side="server",
        slot="priority",
        rule="first tries are served before retries",
        params=(),
        source="computed",
        build=FirstTriesSpec,
    ),
    Entry(
        kind="partitioned",
        side="server",
        slot="priority",
        rule="a job enters while fewer are inside than its criticality's share of limit",
        params=(
            count("limit", REQUIRED, "jobs inside, served and waiting together"),
            share("critical_plus", 1.0, "share of the limit for criticality 0", open_=True),
            share("critical", 1.0, "for criticality 1"),
            share("sheddable_plus", 0.7, "for criticality 2"),
            share("sheddable", 0.4, "for criticality 3"),
        ),
        source="Netflix concurrency-limits (partitions) and blog; the lower shares are ours",
        build=build_partitioned,
        check=check_partitioned,
    ),
)
