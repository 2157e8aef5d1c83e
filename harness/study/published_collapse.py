"""R5: a server that slows down with its load, and clients that make it worse.

Service takes 1 s + 10 ms for every request inside, itself included, fixed when service starts; each way over the
network takes exp(0.1 s). A client gives up a try after 3 s, makes at most 3, and forgets replies to earlier ones. Load
is 40/s, 80/s from 20 s to 25 s, observed to 80 s. Alone it holds: 40/s settles at 67 inside and 1.7 s. With all tries
it cannot.

Collapsed: of the operations begun in the last quarter that could have ended, fewer than half succeeded.
Source: mbrooker/simulator_example, simple_collapse_sim; backoff there is full jitter over 20 s, then 40 s.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from statistics import fmean
from typing import Any, Final, NamedTuple

from harness import seeds
from harness.policies import backoff, catalogue
from harness.policies.entry import make
from harness.study.claims import Claim, Effort, Line, share, stated

TIMEOUT_S, TRIES, NET_S, BASE_S, SLOPE_S = 3.0, 3, 0.1, 1.0, 0.01
RATE_PER_S, SPIKE_PER_S, SPIKE_S, END_S = 40.0, 80.0, (20.0, 25.0), 80.0
LAST_S: Final = (60.0, END_S - TRIES * TIMEOUT_S)
SEND, SERVE, REPLY, GIVE_UP, END = range(5)
WAIT: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "at once": ("none", {}),
    "backoff and jitter": ("exponential", {"base": 20.0, "cap": 1000.0, "jitter": "full"}),
}


class Collapse(NamedTuple):
    """The last quarter of one run: the share of operations that succeeded, and tries per operation."""

    success: float
    amplification: float

    @property
    def collapsed(self) -> bool:
        """Fewer than half succeeded."""
        return self.success < 0.5


def collapse(wait: str, seed: int) -> Collapse:
    """One run."""
    kind, params = WAIT[wait]
    spec = make(catalogue.find("client", "backoff", kind), params)
    rng = seeds.rng(seed, "published/collapse")
    due_s = _arrivals(rng)
    sent, succeeded = [0] * len(due_s), [False] * len(due_s)
    tries_late = inside = 0
    events = [(at_s, SEND, operation, 0) for operation, at_s in enumerate(due_s)]
    heapq.heapify(events)
    while events and events[0][0] < END_S:
        now_s, what, operation, attempt = heapq.heappop(events)
        current = attempt == sent[operation] - 1 and not succeeded[operation]
        if what == SEND:
            sent[operation] += 1
            tries_late += LAST_S[0] <= now_s < END_S
            heapq.heappush(events, (now_s + TIMEOUT_S, GIVE_UP, operation, attempt))
            heapq.heappush(events, (now_s + rng.expovariate(1.0 / NET_S), SERVE, operation, attempt))
        elif what == SERVE:
            inside += 1
            heapq.heappush(events, (now_s + BASE_S + SLOPE_S * inside, END, operation, attempt))
        elif what == END:
            inside -= 1
            heapq.heappush(events, (now_s + rng.expovariate(1.0 / NET_S), REPLY, operation, attempt))
        elif what == REPLY:
            succeeded[operation] = succeeded[operation] or current
        elif current and attempt + 1 < TRIES:
            wait_s = backoff.delay_s(spec, attempt + 1, 0.0, rng.random(), False)
            heapq.heappush(events, (now_s + wait_s, SEND, operation, attempt + 1))
    late = [operation for operation, at_s in enumerate(due_s) if LAST_S[0] <= at_s < LAST_S[1]]
    offered = sum(LAST_S[0] <= at_s < END_S for at_s in due_s)
    return Collapse(fmean(succeeded[operation] for operation in late), tries_late / offered)


def _arrivals(rng: Any) -> list[float]:
    due_s, now_s = [], 0.0
    while now_s < END_S:
        due_s.append(now_s)
        now_s += rng.expovariate(SPIKE_PER_S if SPIKE_S[0] <= now_s <= SPIKE_S[1] else RATE_PER_S)
    return due_s


def lines(effort: Effort) -> Iterator[Line]:
    """How many runs collapse without and with backoff."""
    for wait, published in (("at once", 28), ("backoff and jitter", 0)):
        told = [collapse(wait, seed) for seed in range(1, 1 + 2 * effort.seeds)]
        hits = sum(one.collapsed for one in told)
        yield share("R5", f"runs that collapse, retries {wait}", hits, len(told), published, 40)
        if wait == "at once":
            success, ratio = fmean(t.success for t in told), fmean(t.amplification for t in told)
            why = "averages over runs that collapsed and runs that did not"
            yield stated("R5", "success share, tries per operation", f"{success:.2f}, {ratio:.2f}", "0.30, 2.4", why)


CLAIM = Claim("R5", "mbrooker/simulator_example, simple_collapse_sim", lines)
