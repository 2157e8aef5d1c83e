"""The kernel's event loop: what is due first, done; until the end of the drain.

Nine things may be due: an edge of the timeline, an operation, the server's wake-up, a timeout, something at the end of
its road, a connection, a name found in the cache, a name asked for, and the head of the heap of waits. Each is a
single entry or the head of a list (`kernel_lists`), so finding the earliest is a few comparisons whatever is in flight.
Equal times go by birth, edges first, which is the order of the world's heap.

Arrivals are drawn as they are needed, in the blocks of `harness.plan.arrivals_s`, so a long run needs no more memory
than a short one. A run without rows counts per window instead (`WINDOW`).
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
from harness.sim.kernel_state import (
    BETWEEN,
    EVEN,
    GIVEN,
    HEAPED,
    NOWHERE,
    SENDING,
)
from harness.sim.kernel_station import arrive, gave_up, hand_out, perform, write_served

_OK, _TIMEOUT, _UNSENT = int(Result.OK), int(Result.TIMEOUT), int(Result.UNSENT)
_UNFINISHED = int(Result.UNFINISHED)
_NO_CAUSE, _TIMED_OUT, _CONNECT = int(Cause.NONE), int(Cause.TIMEOUT), int(Cause.CONNECT)
_LEFT_OPEN = int(Outcome.UNFINISHED)
BLOCK = 1024  # as in harness.plan; a test compares the arrivals
NOTHING, EDGE_DUE, OPERATION, WAKE, TIMER, ROAD, CONNECTED, FOUND_NAME, ASKED, TIMED_DUE = range(10)


@jit
def next_block(r: Any, block: Any, rng: Any, last_s: float, begun: int) -> int:
    """Fill `block` with the next moments at which operations are due; how many there are (0 when the load has ended)."""
    if last_s >= r.load_end_s:
        return 0
    size = block.size
    if r.process == EVEN:
        for k in range(size):
            block[k] = (begun + k) / r.rate_per_s
    else:
        gaps = rng.exponential(1.0 / r.rate_per_s, size)
        sum_s = 0.0
        for k in range(size):
            sum_s += gaps[k]
            block[k] = last_s + sum_s
    for k in range(size):
        if not block[k] < r.load_end_s:
            return k
    return size


@jit
def grown(table: Any) -> Any:
    """The table with twice the rows."""
    wider = np.empty(2 * table.size, table.dtype)
    wider[: table.size] = table
    return wider


@jit
def link_exchanges(w: Any, xs: Any, begin_at: int) -> None:
    """Put the slots from `begin_at` on into the list of free ones."""
    for i in range(xs.size - 1, begin_at - 1, -1):
        xs[i].number = -1
        xs[i].attempt = np.uint64(0)
        xs[i].job = NOWHERE
        xs[i].free_after = w.free_exchange
        w.free_exchange = i


@jit
def link_talks(w: Any, ts: Any, begin_at: int) -> None:
    """As `link_exchanges`, for calls."""
    for j in range(ts.size - 1, begin_at - 1, -1):
        ts[j].op = np.uint64(0)
        ts[j].state = 0
        ts[j].free_after = w.free_talk
        w.free_talk = j


@jit
def close_windows(w: Any, r: Any, windows: Any) -> None:
    """Note the levels at the end of every window that has passed."""
    while w.window < windows.size and w.now_s >= w.window_end_s:
        window = windows[w.window]
        window.queue, window.orbit, window.open = w.waiting, w.between, w.in_talks
        w.window += 1
        w.window_end_s = (w.window + 1) * r.window_s


@jit
def soonest(w: Any, xs: Any, timed: Any, edges: Any, edge: int, due_s: float, due_birth: int) -> tuple[float, int]:
    """When the next event is, and which of the nine it is."""
    at_s, birth, what = math.inf, 0, NOTHING
    if edge < edges.size:
        at_s, birth, what = edges[edge].at_s, -1, EDGE_DUE
    if before(due_s, due_birth, at_s, birth):
        at_s, birth, what = due_s, due_birth, OPERATION
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
    now: Any, rules: Any, edges: Any, due: Any, rng: Any, client: Any, calls: Any, server: Any, state: Any,
    tables: Any, rows: Any, windows: Any,
) -> Any:  # fmt: skip
    """Play one run; the rows written. `calls` and `state` are the policies' first states."""
    w, r = now[0], rules[0]
    xs, ts, timed, ends, idle = tables
    block = due if r.process == GIVEN else np.empty(BLOCK, np.float64)
    dues = due.size if r.process == GIVEN else next_block(r, block, rng, 0.0, 0)
    k = 0
    edge = 0
    op = np.uint64(0)
    begun = 0
    horizon_s = r.load_end_s
    w.free_exchange = w.free_talk = -1
    link_exchanges(w, xs, 0)
    link_talks(w, ts, 0)
    w.births = 1
    due_s, due_birth = (block[0], 1) if dues > 0 else (math.inf, 1)
    while True:
        at_s, what = soonest(w, xs, timed, edges, edge, due_s, due_birth)
        if not at_s <= horizon_s:
            w.now_s = horizon_s
            if w.in_talks == 0 or horizon_s >= r.end_s:
                break
            horizon_s = min(horizon_s + r.drain_step_s, r.end_s)
            continue
        w.now_s = at_s
        w.events += 1
        if at_s >= w.window_end_s:
            close_windows(w, r, windows)

        # Room for all that one event can add
        if w.free_exchange < 0:
            held = xs.size
            xs, idle = grown(xs), grown(idle)
            link_exchanges(w, xs, held)
        if w.free_talk < 0:
            held = ts.size
            ts = grown(ts)
            link_talks(w, ts, held)
        if w.timed + 2 > timed.size:
            timed = grown(timed)
        while w.ends + w.waiting + 2 > ends.size:
            ends = grown(ends)
        if r.keep_rows == 1:
            operations, attempts, served = rows
            if w.operations + 2 > operations.size:
                operations = grown(operations)
            if w.attempts + 3 > attempts.size:
                attempts = grown(attempts)
            while w.served + w.in_exchanges + 2 > served.size:
                served = grown(served)
            rows = (operations, attempts, served)

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
                if x.over == 0:
                    keep_connection(w, r, x, idle)
                    result, status = x.result, x.status
                    close_attempt(w, r, xs, i, rows, result, status, x.cause)
                    called = x.talk
                elif r.late == 1 and x.result == _OK and ts[x.talk].op == x.op:
                    t = ts[x.talk]
                    if t.state == BETWEEN:
                        calls = late_between(w, r, ts, x.talk, rows[0], windows, client, calls)
                    else:
                        gone = t.exchange
                        close_attempt(w, r, xs, gone, rows, _TIMEOUT, 0, _NO_CAUSE)
                        if xs[gone].arrived == 1:
                            state = gave_up(w, r, xs, ends, gone, rows[2], windows, server, state)
                        release(w, xs, gone)
                        gone = -1
                        called, result, status = x.talk, _OK, x.status
        elif what == WAKE:
            w.wake_s = math.inf
            state = hand_out(w, r, xs, ends, rows[2], windows, server, state)
        elif what == TIMER or what == TIMED_DUE:
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
                called, gone, loose = x.talk, i, i
        elif what == OPERATION:
            op += np.uint64(1)
            calls = begin(w, r, xs, ts, timed, idle, rows[0], windows, op, client, calls)
            k += 1
            if k == dues:
                begun += dues
                last_s = block[dues - 1]
                k = 0
                whole = dues == block.size
                dues = next_block(r, block, rng, last_s, begun) if whole and r.process != GIVEN else 0
            if dues > 0:
                w.births += 1
                due_s, due_birth = block[k], w.births
            else:
                due_s = math.inf
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
            deed, value = edges[edge].deed, edges[edge].value
            edge += 1
            state = perform(w, r, xs, ends, deed, value, rows[2], windows, server, state)

        if leaving >= 0:
            calls = leave(w, r, xs, ts, timed, idle, rows[0], windows, leaving, client, calls)
        if called >= 0:
            calls = replied(w, r, xs, ts, timed, idle, rows[0], windows, called, result, status, client, calls)
        if gone >= 0 and xs[gone].arrived == 1:
            state = gave_up(w, r, xs, ends, gone, rows[2], windows, server, state)
        if loose >= 0:
            release(w, xs, loose)
    close_windows(w, r, windows)
    return close(w, r, xs, ts, rows, windows)


@jit
def resolved(w: Any, r: Any, xs: Any, i: int) -> None:
    """The address is known: open a connection, if the caller still waits."""
    if xs[i].over == 1:
        xs[i].path = 0
        release(w, xs, i)
    else:
        connect(w, r, xs, i)


@jit
def close(w: Any, r: Any, xs: Any, ts: Any, rows: Any, windows: Any) -> Any:
    """Write down what is still open, in the order in which it began."""
    operations, attempts, served = rows
    if r.keep_rows == 1:
        while w.operations + w.in_talks + 1 > operations.size:
            operations = grown(operations)
        while w.attempts + w.in_talks + 1 > attempts.size:
            attempts = grown(attempts)
        while w.served + w.in_exchanges + 1 > served.size:
            served = grown(served)
    inside = np.empty(xs.size, np.int64)
    count = 0
    for i in range(xs.size):
        if xs[i].job != NOWHERE:
            inside[count] = xs[i].number
            count += 1
    order = np.argsort(inside[:count])
    slots = np.empty(count, np.int64)
    count = 0
    for i in range(xs.size):
        if xs[i].job != NOWHERE:
            slots[count] = i
            count += 1
    open_ops = np.empty(ts.size, np.int64)
    talks = 0
    for j in range(ts.size):
        open_ops[j] = np.int64(ts[j].op) if ts[j].state != 0 else np.int64(2**62)
        talks += ts[j].state != 0
    for j in np.argsort(open_ops)[:talks]:
        t = ts[j]
        if t.state == SENDING:
            write_attempt(w, r, xs[t.exchange], attempts, _UNFINISHED, 0, _NO_CAUSE, -1)
        write_operation(w, r, t, operations, windows, _LEFT_OPEN, math.nan)
    for m in order:
        x = xs[slots[m]]
        x.arrived_s, x.began_s, x.service_s = x.sent_s, math.nan, 0.0  # as the world writes what it cuts off
        write_served(w, r, x, served, math.nan)
    return operations[: w.operations], attempts[: w.attempts], served[: w.served]
