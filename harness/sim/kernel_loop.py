"""The kernel's event loop: what is due first, done; until the end of the drain.

Nine things may be due: an edge of the timeline, an operation, the server's wake-up, a timeout, something at the end of
its road, a connection, a name found in the cache, a name asked for, and the head of the heap of waits. Each is a
single entry or the head of a list (`kernel_lists`), so finding the earliest is a few comparisons whatever is in flight.
Equal times go by birth, edges first, which is the order of the world's heap.

The loop allocates nothing. When a table is full, or the operations it was given have all begun, it stops between two
events and says so; whoever called it helps and calls again (`kernels.py`). So a long run needs no more memory than a
short one. A run without rows counts per window instead (`WINDOW`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from harness.flows.wants import Cause, Result
from harness.record.layouts import Outcome
from harness.sim.kernel_client import (
    begin,
    close_attempt,
    keep_connection,
    late_between,
    leave,
    replied,
    write_attempt,
    write_operation,
)
from harness.sim.kernel_jit import jit, jit_cached
from harness.sim.kernel_lists import before, connect, pop_timed, release, travel
from harness.sim.kernel_state import BETWEEN, HEAPED, SENDING
from harness.sim.kernel_station import arrive, hand_out, hang_up, hang_up_kept, perform, write_served

_OK, _TIMEOUT, _UNSENT = int(Result.OK), int(Result.TIMEOUT), int(Result.UNSENT)
_UNFINISHED = int(Result.UNFINISHED)
_NO_CAUSE, _TIMED_OUT, _CONNECT = int(Cause.NONE), int(Cause.TIMEOUT), int(Cause.CONNECT)
_LEFT_OPEN = int(Outcome.UNFINISHED)
OVER, MORE_DUE, MORE_ROOM = range(3)
NOTHING, EDGE_DUE, OPERATION, WAKE, TIMER, ROAD, CONNECTED, FOUND_NAME, ASKED, TIMED_DUE = range(10)


@jit
def room(w: Any, r: Any, xs: Any, ts: Any, timed: Any, ends: Any, rows: Any) -> Any:
    """Whether the tables have room for all that one event can add."""
    if w.free_exchange < 0 or w.free_talk < 0 or w.timed + 2 > timed.size or w.ends + w.waiting + 2 > ends.size:
        return False
    if r.keep_rows == 0:
        return True
    return (
        w.operations + 2 <= rows[0].size
        and w.attempts + 3 <= rows[1].size
        and w.served + w.in_exchanges + 2 <= rows[2].size
    )


@jit
def close_windows(w: Any, r: Any, windows: Any) -> None:
    """Note the levels at the end of every window that has passed."""
    while w.window < windows.size and w.now_s >= w.window_end_s:
        window = windows[w.window]
        window.queue, window.orbit, window.open = w.waiting, w.between, w.in_talks
        w.window += 1
        w.window_end_s = (w.window + 1) * r.window_s


@jit
def soonest(w: Any, xs: Any, timed: Any, edges: Any) -> tuple[float, int]:
    """When the next event is, and which of the nine it is."""
    at_s, birth, what = math.inf, 0, NOTHING
    if w.edge < edges.size:
        at_s, birth, what = edges[w.edge].at_s, -1, EDGE_DUE
    if before(w.due_s, w.due_birth, at_s, birth):
        at_s, birth, what = w.due_s, w.due_birth, OPERATION
    if before(w.wake_s, w.wake_birth, at_s, birth):
        at_s, birth, what = w.wake_s, w.wake_birth, WAKE
    if w.timer_first >= 0:
        x = xs[w.timer_first]
        if before(x.timer_s, x.timer_birth, at_s, birth):
            at_s, birth, what = x.timer_s, x.timer_birth, TIMER
    if w.road_first >= 0:
        x = xs[w.road_first]
        if before(x.road_s, x.road_birth, at_s, birth):
            at_s, birth, what = x.road_s, x.road_birth, ROAD
    if w.connect_first >= 0:
        x = xs[w.connect_first]
        if before(x.road_s, x.road_birth, at_s, birth):
            at_s, birth, what = x.road_s, x.road_birth, CONNECTED
    if w.found_first >= 0:
        x = xs[w.found_first]
        if before(x.road_s, x.road_birth, at_s, birth):
            at_s, birth, what = x.road_s, x.road_birth, FOUND_NAME
    if w.asking > 0 and before(w.asked_s, w.asked_birth, at_s, birth):
        at_s, birth, what = w.asked_s, w.asked_birth, ASKED
    if w.timed > 0 and before(timed[0].at_s, timed[0].birth, at_s, birth):
        at_s, birth, what = timed[0].at_s, timed[0].birth, TIMED_DUE
    return at_s, what


@jit_cached
def play(
    now: Any, rules: Any, edges: Any, due: Any, client: Any, calls: Any, server: Any, state: Any, tables: Any,
    rows: Any, windows: Any,
) -> Any:  # fmt: skip
    """Go on with a run until it is OVER, or wants MORE_DUE operations or MORE_ROOM in its tables.

    Gives back which, and the policies' states, with which to call again. `due` are the next moments at which operations
    are due, ascending and before the end of the load; `now.due` counts those begun.
    """
    w, r = now[0], rules[0]
    xs, ts, timed, ends, idle = tables
    if w.due_birth == 0:
        w.births += 1
        w.due_birth = w.births
        w.due_s = due[0] if due.size > 0 else math.inf
    while True:
        at_s, what = soonest(w, xs, timed, edges)
        if not at_s <= r.end_s:
            w.now_s = r.end_s
            break
        if not room(w, r, xs, ts, timed, ends, rows):
            return MORE_ROOM, calls, state
        w.now_s = at_s
        w.events += 1
        if at_s >= w.window_end_s:
            close_windows(w, r, windows)

        called = -1  # the call whose attempt has ended
        result, status = 0, 0
        gone = -1  # the exchange whose caller has gone
        loose = -1  # the exchange that may have come to its end
        leaving = -1  # the call whose wait is over
        if what == ROAD:
            i = w.road_first
            x = xs[i]
            w.road_first = x.road_after
            if w.road_first < 0:
                w.road_last = -1
            if x.arrived == 0:
                state = arrive(w, r, xs, ends, i, rows[2], windows, server, state)
            else:
                x.path = 0
                loose = i
                if x.gone == 0:
                    x.answered = 1
                    keep_connection(w, r, x, idle)
                    result, status = x.result, x.status
                    if x.over == 0:
                        close_attempt(w, r, xs, i, rows, result, status, x.cause)
                        called = x.talk
                    elif result == _OK and ts[x.talk].state == BETWEEN:  # late, between two attempts
                        calls = late_between(w, r, ts, x.talk, rows[0], windows, client, calls)
                    elif result == _OK:  # late, in place of the attempt that is open
                        called = x.talk
                        other = ts[called].exchange
                        close_attempt(w, r, xs, other, rows, _TIMEOUT, 0, _NO_CAUSE)
                        state = hang_up(w, r, xs, ends, other, rows[2], windows, server, state)
        elif what == WAKE:
            w.wake_s = math.inf
            state = hand_out(w, r, xs, ends, rows[2], windows, server, state)
        elif what in (TIMER, TIMED_DUE):
            i = w.timer_first
            if what == TIMED_DUE:
                ref, birth = timed[0].ref, timed[0].birth
                pop_timed(timed, w.timed)
                w.timed -= 1
                i = -1
                if ref >= 0:
                    if ts[ref].state == BETWEEN and ts[ref].ticket == birth:
                        leaving = ref
                elif xs[-1 - ref].timer == HEAPED and xs[-1 - ref].timer_birth == birth:
                    i = -1 - ref
            if i >= 0:
                x = xs[i]
                sent = not math.isnan(x.born_s)
                result = _TIMEOUT if sent else _UNSENT
                close_attempt(w, r, xs, i, rows, result, 0, _TIMED_OUT if sent else _CONNECT)
                called, loose = x.talk, i
                if r.late == 0 or not sent:
                    gone = i
        elif what == OPERATION:
            w.op += np.uint64(1)
            calls = begin(w, r, xs, ts, timed, idle, rows[0], windows, w.op, client, calls)
            w.due += 1
            if w.due == due.size:
                w.due_birth = 0
                return MORE_DUE, calls, state
            w.births += 1
            w.due_s, w.due_birth = due[w.due], w.births
        elif what == CONNECTED:
            i = w.connect_first
            x = xs[i]
            w.connect_first = x.road_after
            if w.connect_first < 0:
                w.connect_last = -1
            if x.over == 1:
                x.path = 0
                release(w, xs, i)
            else:
                x.born_s = at_s
                travel(w, r, xs, i)
        elif what == FOUND_NAME:
            i = w.found_first
            w.found_first = xs[i].road_after
            if w.found_first < 0:
                w.found_last = -1
            resolved(w, r, xs, i)
        elif what == ASKED and w.asking == 1:  # the query is at the name server
            w.asking = 2
            w.births += 1
            w.asked_s, w.asked_birth = at_s + r.query_s / 2, w.births
        elif what == ASKED:  # and its answer is back
            w.dns_until_s = at_s + r.dns_keep_s if r.dns_keep_s > 0.0 else -math.inf
            i = w.asking_first
            w.asking, w.asking_first, w.asking_last = 0, -1, -1
            while i >= 0:
                following = xs[i].road_after
                resolved(w, r, xs, i)
                i = following
        else:
            state = perform(w, r, xs, ends, edges[w.edge], rows[2], windows, server, state)
            w.edge += 1

        if leaving >= 0:
            calls = leave(w, r, xs, ts, timed, idle, rows[0], windows, leaving, client, calls)
        if called >= 0:
            calls = replied(w, r, xs, ts, timed, idle, rows[0], windows, called, result, status, client, calls)
        if w.left_first >= 0:
            state = hang_up_kept(w, r, xs, ends, rows[2], windows, server, state)
        if gone >= 0:
            state = hang_up(w, r, xs, ends, gone, rows[2], windows, server, state)
        if loose >= 0:
            release(w, xs, loose)
    close_windows(w, r, windows)
    return OVER, calls, state


@jit
def resolved(w: Any, r: Any, xs: Any, i: int) -> None:
    """The address is known: open a connection, if the caller still waits."""
    if xs[i].over == 1:
        xs[i].path = 0
        release(w, xs, i)
    else:
        connect(w, r, xs, i)


@jit_cached
def close(now: Any, rules: Any, xs: Any, ts: Any, talks: Any, jobs: Any, rows: Any, windows: Any) -> None:
    """Write down what is still open: `talks` and `jobs` are slots, in the order in which these began."""
    w, r = now[0], rules[0]
    for m in range(talks.size):
        t = ts[talks[m]]
        if t.state == SENDING:
            write_attempt(w, r, xs[t.exchange], rows[1], _UNFINISHED, 0, _NO_CAUSE, -1)
        write_operation(w, r, t, rows[0], windows, _LEFT_OPEN, math.nan)
    for m in range(jobs.size):
        x = xs[jobs[m]]
        x.began_s, x.service_s, x.gone = math.nan, 0.0, 1  # what was cut off has no service to show
        write_served(w, r, x, rows[2], math.nan)
