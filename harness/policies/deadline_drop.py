"""Deadline-aware drop: at the head of the line, ask whether the job can still do anybody good.

A server that does not know its callers' deadlines spends most of a recovery on callers who have gone. Dropping work
that has *already expired* when its turn comes is the obvious cure and nearly useless under steady overload: the
survivors are those that waited just under their deadline, they start with nothing left, and finish late. Goodput then
is 1/rho of capacity at best (M/M/1, 1 s deadline: 0.84 of capacity at load 1.2, 0.20 at load 5). What helps is to ask
for enough time to finish:

    expired    drop if remaining <= 0
    deadline   drop if remaining < reserve, plus the job's own service time when `known`

`known` is for a server that can tell its own service times (a fixed-cost operation, or this model's draw, which no real
server sees); with times that vary it also picks the short jobs out of an old line, and then delivers *more* jobs a
second than its capacity of average ones. Without it set `reserve` to a mean or a high percentile of the service time.
Both are O(1), learn nothing and need the caller to send its deadline along; jobs without one have infinite time and
are never dropped.

Leaves out: dropping at the door, and clocks that differ between caller and server (send time left, not a wall time).
Source: Google SRE book, chapter 22 (deadline propagation); the figures are computed.
"""

from __future__ import annotations

from typing import NamedTuple

from harness.policies.entry import Entry, flag, seconds
from harness.policies.server_steps import DropSteps


class ExpiredSpec(NamedTuple):
    """Drop what has already expired; nothing to set."""


class DeadlineSpec(NamedTuple):
    """Drop what has less than `reserve_s`, plus its own service time when `known`, to its deadline."""

    reserve_s: float
    known: bool


class Stateless(NamedTuple):
    """The state of a rule that needs none."""


def start(spec: NamedTuple, now_s: float) -> Stateless:
    """Nothing to remember."""
    return Stateless()


def expired_on_dequeue(
    spec: ExpiredSpec,
    state: Stateless,
    now_s: float,
    sojourn_s: float,
    remaining_s: float,
    service_s: float,
    queued: int,
) -> tuple[Stateless, bool]:
    """Whether the deadline has been reached."""
    return state, remaining_s <= 0.0


def deadline_on_dequeue(
    spec: DeadlineSpec,
    state: Stateless,
    now_s: float,
    sojourn_s: float,
    remaining_s: float,
    service_s: float,
    queued: int,
) -> tuple[Stateless, bool]:
    """Whether there is too little time left to finish."""
    needed_s = spec.reserve_s
    if spec.known:
        needed_s += service_s
    return state, remaining_s <= 0.0 or remaining_s < needed_s


DROP = {
    ExpiredSpec: DropSteps(start, None, expired_on_dequeue),
    DeadlineSpec: DropSteps(start, None, deadline_on_dequeue),
}

ENTRIES: tuple[Entry, ...] = (
    Entry(
        kind="expired",
        side="server",
        slot="drop",
        rule="at dequeue, drop jobs whose deadline has passed",
        params=(),
        source="Google SRE book, chapter 22",
        build=ExpiredSpec,
    ),
    Entry(
        kind="deadline",
        side="server",
        slot="drop",
        rule="at dequeue, drop jobs with less time left than reserve plus (if known) their service time",
        params=(
            seconds("reserve", 0.0, "time a job needs beyond what is known", open_=False),
            flag("known", True, "whether the server can tell a job's service time in advance"),
        ),
        source="Google SRE book, chapter 22; computed",
        build=lambda reserve, known: DeadlineSpec(reserve, known),
        check=lambda params: (
            None if params["known"] or params["reserve"] > 0.0 else "known is false and reserve is 0 s, which is the "
            "kind 'expired'; set reserve to a service time or name that kind"
        ),
    ),
)
