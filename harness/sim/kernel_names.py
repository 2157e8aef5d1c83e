"""Names and connections in the kernel: `models/dns_cache.py` for one name, and the way out of `sim/network.py`.

Each caller knows one name. What the name server would say is known beforehand (the automation does not see the
callers, so `kernel_names_plan` plays it once), and a change of it is an edge of the timeline. What a cache makes of an
answer was asked of the resolver policy before the run, once per kind of answer: how long it is kept, and whether an
answer without addresses counts as a failed refresh that leaves older addresses standing.

    resolve      from the cache, else by a query, which those who come meanwhile wait for too
    asked        the query is at the name server, and later its answer is back
    connect      open a connection
    keep         a reply has come: the connection is idle again, unless it is too old
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from harness.flows.wants import Cause
from harness.policies.resolver import FOUND
from harness.sim.kernel_draws import draw_after
from harness.sim.kernel_jit import jit
from harness.sim.kernel_lists import set_out
from harness.sim.kernel_memory import nth
from harness.sim.kernel_state import KNOWN, KNOWN_EMPTY, UNKNOWN

_AGE_JITTER = 0.1  # as in network.py; a test compares them
_FOUND, _DNS_EMPTY = int(FOUND), int(Cause.DNS_EMPTY)


@jit
def resolve(k: Any, c: Any, i: int) -> None:
    """Look the name up."""
    w, link, x = k.w, c.link, nth(k.xs, i)
    if link.known != UNKNOWN and w.now_s < max(link.until_s, link.stale_until_s):
        x.told = 1 if link.known == KNOWN else 0
        set_out(k, i, 0.0)
        if w.found_last >= 0:
            nth(k.xs, w.found_last).road_after = i
        else:
            w.found_first = i
        w.found_last = i
        return
    x.road_after = -1
    if link.asking_last >= 0:
        nth(k.xs, link.asking_last).road_after = i
    else:
        link.asking_first = i
    link.asking_last = i
    link.asking_n += 1
    if link.asking == 0:
        link.asking = 1
        w.births += 1
        link.asked_s, link.asked_birth = w.now_s + k.r.query_s / 2, w.births


@jit
def at_the_name_server(k: Any, c: Any) -> None:
    """The query is there, and answered with the record as it is now."""
    w, link = k.w, c.link
    link.asking = 2
    link.said = link.record_kind
    if link.said != _FOUND:
        link.first_empty_s = min(link.first_empty_s, w.now_s)
    w.births += 1
    link.asked_s, link.asked_birth = w.now_s + k.r.query_s / 2, w.births


@jit
def learn(k: Any, c: Any) -> bool:
    """The answer is back: keep it as the resolver does; whether there are addresses to use."""
    w, link = k.w, c.link
    if link.said == _FOUND:
        if link.keep_found_s > 0.0:
            link.known, link.until_s, link.stale_until_s = KNOWN, w.now_s + link.keep_found_s, -math.inf
        else:
            link.known = UNKNOWN
        return True
    if link.empty_is_failure == 1 and link.known == KNOWN:
        last_s = link.until_s + link.stale_s_max
        if w.now_s < last_s:
            link.stale_until_s = min(w.now_s + link.recheck_s, last_s)
            return True
    if link.keep_empty_s > 0.0:
        link.known, link.until_s, link.stale_until_s = KNOWN_EMPTY, w.now_s + link.keep_empty_s, -math.inf
    elif link.empty_cause == _DNS_EMPTY:  # the server has spoken: what was known is no longer true
        link.known = UNKNOWN
    return False


@jit
def connect(k: Any, i: int) -> None:
    """A connection is being opened."""
    w = k.w
    set_out(k, i, k.r.connect_s)
    if w.connect_last >= 0:
        nth(k.xs, w.connect_last).road_after = i
    else:
        w.connect_first = i
    w.connect_last = i


@jit
def keep(k: Any, c: Any, i: int) -> None:
    """After a reply the connection is idle again, unless it is too old."""
    w, link, x = k.w, c.link, nth(k.xs, i)
    limit_s = link.max_age_s
    if limit_s < math.inf:
        u = draw_after(k.r.age, np.uint64(round(x.born_s * 1e9)))
        limit_s = limit_s * (1.0 + _AGE_JITTER * (2.0 * u - 1.0))
    if w.now_s - x.born_s < limit_s:
        nth(c.idle, link.idle).born_s = x.born_s
        link.idle += 1
