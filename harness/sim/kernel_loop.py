"""The kernel's event loop: what is due first, done; until the end of the drain.

Nine things may be due: an edge of the timeline, an operation, the server's wake-up, a timeout, something at the end of
its road, a connection, a name found in the cache, a name asked for, and the head of the heap of waits. Each is a
single entry or the head of a list (`kernel_lists`), so finding the earliest is a few comparisons whatever is in flight.
With an app there are three more: its own timeouts, its own queries, and the alarm of its outbox. Equal times go by
birth, edges first, which is the order of the world's heap.

The loop allocates nothing. When a table is full, or the operations it was given have all begun, it stops between two
events and says so; whoever called it helps and calls again (`kernel_run.py`). So a long run needs no more memory than a
short one. A run without rows counts per window instead (`WINDOW`).
"""

from __future__ import annotations

import math
from typing import Any

from harness.sim.kernel_app import stepped
from harness.sim.kernel_events import asked, connected, found_name, on_edge, on_road, timed_due
from harness.sim.kernel_jit import jit
from harness.sim.kernel_lists import before
from harness.sim.kernel_memory import nth
from harness.sim.kernel_store import hand_out
from harness.sim.kernel_users import begin, time_out

OVER, MORE_DUE, MORE_ROOM = range(3)
NOTHING, EDGE_DUE, OPERATION, WAKE, TIMER, ROAD, CONNECTED, FOUND_NAME, ASKED, TIMED_DUE = range(10)
APP_TIMER, APP_ASKED, ALARM = range(10, 13)


@jit
def room(k: Any, app: Any) -> Any:
    """Whether the tables have room for all that one event can add."""
    w, link = k.w, k.user.link
    more = 3 + link.asking_n
    if app is not None:
        a, inner = app.a, app.caller.link
        more += inner.asking_n + min(a.senders, a.items + inner.asking_n + 1)
        if a.wishes + more > a.room_wishes or a.due + more > a.room_due:
            return False
        if k.r.keep_rows == 1 and (inner.written + more > inner.room_rows or a.served + more > a.room_served):
            return False
    if (
        w.in_exchanges + more > w.room_exchanges
        or w.in_talks + more > w.room_talks
        or w.timed + 2 * more > w.room_timed
        or w.ends + w.waiting + 2 > w.room_ends
    ):
        return False
    if k.r.keep_rows == 0:
        return True
    return (
        w.operations + more <= w.room_operations
        and link.written + more <= link.room_rows
        and w.served + w.in_exchanges + more <= w.room_served
    )


@jit
def close_windows(k: Any, app: Any) -> None:
    """Note the levels at the end of every window that has passed; the last stays open."""
    w, r = k.w, k.r
    while w.now_s >= w.window_end_s:
        window = nth(k.windows, w.window)
        window.queue, window.orbit, window.open = w.waiting, k.user.link.between, w.open
        if app is not None:
            window.app_orbit, window.outbox = app.caller.link.between, app.a.queued
        if w.window + 1 < r.windows:
            w.window += 1
            w.window_end_s = (w.window + 1) * r.window_s
        else:
            w.window_end_s = math.inf


@jit
def soonest(k: Any, app: Any) -> tuple[float, int]:
    """When the next event is, and which it is."""
    w, link = k.w, k.user.link
    at_s, birth, what = math.inf, 0, NOTHING
    if w.edge < k.r.edges:
        at_s, birth, what = nth(k.edges, w.edge).at_s, -1, EDGE_DUE
    if before(w.due_s, w.due_birth, at_s, birth):
        at_s, birth, what = w.due_s, w.due_birth, OPERATION
    if before(w.wake_s, w.wake_birth, at_s, birth):
        at_s, birth, what = w.wake_s, w.wake_birth, WAKE
    if link.timer_first >= 0:
        x = nth(k.xs, link.timer_first)
        if before(x.timer_s, x.timer_birth, at_s, birth):
            at_s, birth, what = x.timer_s, x.timer_birth, TIMER
    if w.road_first >= 0:
        x = nth(k.xs, w.road_first)
        if before(x.road_s, x.road_birth, at_s, birth):
            at_s, birth, what = x.road_s, x.road_birth, ROAD
    if w.connect_first >= 0:
        x = nth(k.xs, w.connect_first)
        if before(x.road_s, x.road_birth, at_s, birth):
            at_s, birth, what = x.road_s, x.road_birth, CONNECTED
    if w.found_first >= 0:
        x = nth(k.xs, w.found_first)
        if before(x.road_s, x.road_birth, at_s, birth):
            at_s, birth, what = x.road_s, x.road_birth, FOUND_NAME
    if link.asking > 0 and before(link.asked_s, link.asked_birth, at_s, birth):
        at_s, birth, what = link.asked_s, link.asked_birth, ASKED
    if w.timed > 0:
        timed = nth(k.timed, 0)
        if before(timed.at_s, timed.birth, at_s, birth):
            at_s, birth, what = timed.at_s, timed.birth, TIMED_DUE
    if app is not None:
        a, inner = app.a, app.caller.link
        if inner.timer_first >= 0:
            x = nth(k.xs, inner.timer_first)
            if before(x.timer_s, x.timer_birth, at_s, birth):
                at_s, birth, what = x.timer_s, x.timer_birth, APP_TIMER
        if inner.asking > 0 and before(inner.asked_s, inner.asked_birth, at_s, birth):
            at_s, birth, what = inner.asked_s, inner.asked_birth, APP_ASKED
        if before(a.wake_s, a.wake_birth, at_s, birth):
            at_s, what = a.wake_s, ALARM
    return at_s, what


@jit
def of_the_app(k: Any, app: Any, what: int) -> None:
    """One of the three events that only an app has."""
    if app is None:
        return
    if what == APP_TIMER:
        time_out(k, app, app.caller, app.caller.link.timer_first)
    elif what == APP_ASKED:
        asked(k, app, app.caller)
    else:
        app.a.wake_s = math.inf
        stepped(k, app)


@jit
def spin(k: Any, app: Any, due: Any, ops: Any) -> int:
    """Event after event, until the run is OVER, or wants MORE_DUE operations or MORE_ROOM in its tables."""
    w, r = k.w, k.r
    if w.due_birth == 0:
        w.births += 1
        w.due_birth = w.births
        w.due_s = due[0] if due.size > 0 else math.inf
    while True:
        at_s, what = soonest(k, app)
        if not at_s <= r.end_s:
            w.now_s = r.end_s
            break
        if not room(k, app):
            return MORE_ROOM
        w.now_s = at_s
        w.events += 1
        if at_s >= w.window_end_s:
            close_windows(k, app)
        if what == ROAD:
            on_road(k, app)
        elif what == WAKE:
            w.wake_s = math.inf
            hand_out(k, app)
        elif what == OPERATION:
            begin(k, app, ops[w.due])
            w.due += 1
            w.births += 1
            if w.due < due.size:
                w.due_s, w.due_birth = due[w.due], w.births
            elif w.more_due == 1:
                w.due_birth = 0
                return MORE_DUE
            else:
                w.due_s = math.inf
        elif what == TIMER:
            time_out(k, app, k.user, k.user.link.timer_first)
        elif what == TIMED_DUE:
            timed_due(k, app)
        elif what == CONNECTED:
            connected(k, app)
        elif what == FOUND_NAME:
            found_name(k, app)
        elif what == ASKED:
            asked(k, app, k.user)
        elif what == EDGE_DUE:
            on_edge(k, app)
        else:
            of_the_app(k, app, what)
    close_windows(k, app)
    return OVER
