"""The shapes a server policy may take: which functions a slot asks for, and with what.

A server is admission + discipline + drop + priority. Each slot is asked at one moment of a job's life, and the answer
must not depend on who asks: the live station, the simulated one or a compiled kernel. So a policy is a `NamedTuple`
spec, a state that is a value, and pure functions of (spec, state, now_s, facts). This file names those functions;
every policy module registers its own under its spec's type, in a table called `ADMISSION`, `DROP` or `PRIORITY`.

    moment              slot        asked
    a job is offered    priority    admit(spec, state, now_s, criticality, tenant, first_try, in_service, queued)
                        admission   admit(spec, state, now_s, in_service, queued, oldest_wait_s, u)
    it joins the line   drop        on_enqueue(spec, state, now_s, queued)          queued: waiting before it
                        priority    rank(spec, criticality, first_try)              0 is served first
    it leaves the line  discipline  pop(now_s), a class: lines are tables
                        drop        on_dequeue(spec, state, now_s, sojourn_s, remaining_s, service_s, queued)
    it starts           priority    on_start(spec, state, now_s, delay_s)
    it is over          admission   on_done(spec, state, now_s, delay_s, service_s, inside, dropped)

`in_service` and `queued` count jobs before the one asked about (`on_dequeue`: the jobs still waiting behind it).
`oldest_wait_s` is how long the oldest waiting job has waited, 0.0 with an empty line. `inside` is how many jobs were
inside, itself included, when the job was accepted. `dropped` says the job did no good: dropped at dequeue, given up
by its caller, or finished after its deadline. `u` is a draw in (0, 1) that belongs to the attempt.

A scalar step calls nothing of ours, so that numba can compile each one alone; the one exception is `add` and `value` of
quantile.py, which a compiler must compile first. `SERVER_MODULES` names the files.

Left out on purpose: policies that need to see the payload, or another server's state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

SERVER_MODULES: Final = (
    "admission", "aimd", "vegas", "gradient2", "envoy_gradient", "seda", "breakwater", "backlog_rate", "ramp",
    "discipline", "fair", "deadline_drop", "codel", "folly_codel", "facebook_codel", "priority", "dagor",
)  # fmt: skip

QUEUE_FULL = "queue_full"  # refused because too much is inside already
THROTTLED = "throttled"  # refused because of a rate or a rank, however empty the server is


class AdmissionSteps(NamedTuple):
    """What an admission rule is made of; `on_done` is None for rules that learn nothing from results."""

    start: Callable[[Any, float], Any]
    admit: Callable[..., tuple[Any, bool]]
    on_done: Callable[..., Any] | None
    refusal: str
    draws: bool  # whether `admit` uses `u`, so that nobody hashes for nothing


class DropSteps(NamedTuple):
    """What a drop rule is made of; `on_enqueue` is None for rules that look at the job leaving only."""

    start: Callable[[Any, float], Any]
    on_enqueue: Callable[..., Any] | None
    on_dequeue: Callable[..., tuple[Any, bool]]


class PrioritySteps(NamedTuple):
    """What a priority is made of: an order of service, a gate at the door, or both."""

    ranks: int  # how many lines there are; 1 when the rule only guards the door
    rank: Callable[[Any, int, bool], int]
    start: Callable[[Any, float], Any] | None
    admit: Callable[..., tuple[Any, bool]] | None
    on_start: Callable[..., Any] | None


class Line(Protocol):
    """A waiting line of job numbers; every operation is O(1) or O(log n)."""

    def __len__(self) -> int: ...

    def has_room(self, tenant: int) -> bool:
        """Whether one more job of `tenant` may join; asked before anything else is decided."""

    def push(self, job: int, tenant: int, now_s: float) -> None:
        """Add a job that is not in the line."""

    def pop(self, now_s: float) -> int:
        """Take out the job to serve next; the line must not be empty."""

    def remove(self, job: int) -> None:
        """Take out a job that is in the line, wherever it stands."""
