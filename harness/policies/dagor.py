"""DAGOR: turn away the same users everywhere, by two-level priority, as long as jobs wait too long.

An operation that calls a service k times survives random shedding with probability a^k: shed half of the requests
and of the operations with four calls 6 % are left, while the server is still full. DAGOR sheds by a level that a
request *carries*: its business priority first, then a hash of its user. Every server cuts at its own level but in the
same order, so whoever is let in once is let in again, and about a share a of operations survives whole.

    level   = criticality x 128 + hash(user, epoch) mod 128;   0 is the most important;   in while level <= cursor
    overload = mean wait of the jobs started in the window > target
    at the end of a window (1 s or 2000 requests):
        overloaded: cursor down until the histogram below it holds (1 - decrease) x (admitted in the window)
        otherwise:  cursor up until it holds  admitted + increase x (offered in the window)
        no job started while others wait: the cursor stays; a server that stands still says nothing about its load

It is slow from a standing start: a fivefold overload takes ln 5 / -ln 0.95 = 31 windows to shed, and what was let in
meanwhile waits. Behind a fast one, use a short window and a deadline drop.

Waiting time, not response time, is the signal: a slow dependency must not make a server shed its own callers.

The histogram over 512 levels is a table, so this is a class; its two decisions, `target_of` and `move`, are pure. The
epoch changes the hash every hour so that no user is always first to go. Leaves out: sending the cursor back with each
reply so that callers shed early, which saves the refused round trips.
Source: Zhou et al., "Overload control for scaling WeChat microservices", SoCC 2018 (20 ms, 1 s or 2000 requests,
alpha 5 %, beta 1 %, 128 user levels).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness.policies.entry import Entry, count, seconds, share
from harness.policies.priority import CLASSES, rank_alike
from harness.policies.server_steps import PrioritySteps
from harness.seeds import finalise

USER_LEVELS = 128
LEVELS = CLASSES * USER_LEVELS
_EPOCH_S = 3600.0


class DagorSpec(NamedTuple):
    """Times in seconds, `requests` per window at most, the rest shares."""

    target_s: float
    window_s: float
    requests: int
    decrease: float
    increase: float


def level_of(criticality: int, user: int, epoch: int) -> int:
    """The compound level of a request, 0 the most important."""
    business = min(max(criticality, 0), CLASSES - 1)
    return business * USER_LEVELS + finalise((user * 0x9E37_79B9 + epoch) & 0xFFFF_FFFF_FFFF_FFFF) % USER_LEVELS


def target_of(spec: DagorSpec, offered: int, admitted: int, overloaded: bool) -> float:
    """How many requests of the window just ended should have been let in."""
    if overloaded:
        return (1.0 - spec.decrease) * admitted
    return admitted + spec.increase * offered


def move(histogram: Sequence[int], cursor: int, admitted: int, target: float) -> int:
    """The cursor at which the histogram of offered levels holds the target; one level at least when it must fall."""
    held = admitted
    if target < held:
        while cursor > 0 and held > target:
            held -= histogram[cursor]
            cursor -= 1
        return cursor
    last = len(histogram) - 1
    while cursor < last and held < target:
        cursor += 1
        held += histogram[cursor]
    return cursor


class Dagor:
    """The cursor and the window being watched."""

    def __init__(self, spec: DagorSpec, now_s: float) -> None:
        self._spec = spec
        self.cursor = LEVELS - 1
        self._open(now_s)

    def _open(self, now_s: float) -> None:
        self._ends_s = now_s + self._spec.window_s
        self._histogram = [0] * LEVELS
        self._offered = self._admitted = self._started = 0
        self._delay_s = 0.0

    def admit(self, now_s: float, criticality: int, tenant: int, queued: int = 0) -> bool:
        """Whether the request's level is within the cursor; closes the window when it is over."""
        if now_s >= self._ends_s or self._offered >= self._spec.requests:
            if self._started or not queued:
                overloaded = self._delay_s > self._spec.target_s * self._started
                target = target_of(self._spec, self._offered, self._admitted, overloaded)
                self.cursor = move(self._histogram, self.cursor, self._admitted, target)
            self._open(now_s)
        level = level_of(criticality, tenant, int(now_s // _EPOCH_S))
        self._histogram[level] += 1
        self._offered += 1
        self._admitted += level <= self.cursor
        return level <= self.cursor

    def on_start(self, delay_s: float) -> None:
        """A job started after waiting `delay_s`."""
        self._started += 1
        self._delay_s += delay_s


def admit(
    spec: DagorSpec,
    state: Dagor,
    now_s: float,
    criticality: int,
    tenant: int,
    first_try: bool,
    in_service: int,
    queued: int,
) -> tuple[Dagor, bool]:
    """The gate as a priority step; the table changes in place."""
    return state, state.admit(now_s, criticality, tenant, queued)


def on_start(spec: DagorSpec, state: Dagor, now_s: float, delay_s: float) -> Dagor:
    """Count a wait."""
    state.on_start(delay_s)
    return state


def build(target: float, window: float, requests: float, decrease: float, increase: float) -> DagorSpec:
    """From the parameters of the catalogue."""
    return DagorSpec(target, window, int(requests), decrease, increase)


PRIORITY = {DagorSpec: PrioritySteps(1, rank_alike, Dagor, admit, on_start)}

ENTRIES: tuple[Entry, ...] = (
    Entry(
        kind="dagor",
        side="server",
        slot="priority",
        rule="in while level (criticality, then user hash) <= cursor, which follows the mean wait",
        params=(
            seconds("target", 0.02, "mean wait above which the server is overloaded"),
            seconds("window", 1.0, "longest time between moves of the cursor"),
            count("requests", 2000, "most requests between moves of the cursor"),
            share("decrease", 0.05, "cut of what was admitted, when overloaded", open_=True),
            share("increase", 0.01, "of what was offered, added otherwise", open_=True),
        ),
        source="Zhou et al., SoCC 2018",
        build=build,
    ),
)
