"""What each of the kernel's events does, one function for each; `kernel_loop` finds out which is due."""

from __future__ import annotations

from typing import Any

from harness.sim.kernel_app import stepped
from harness.sim.kernel_client import LEAVE
from harness.sim.kernel_jit import jit
from harness.sim.kernel_lists import pop_timed, release, travel
from harness.sim.kernel_memory import nth
from harness.sim.kernel_names import at_the_name_server, learn
from harness.sim.kernel_state import BETWEEN, HEAPED, SET_APP_ERRORS, SET_RECORD
from harness.sim.kernel_store import perform
from harness.sim.kernel_users import arrive, go_on, receive, resolved, time_out


@jit
def on_road(k: Any, app: Any) -> None:
    """Whatever is at the end of its road: a request or a reply."""
    w = k.w
    i = w.road_first
    x = nth(k.xs, i)
    w.road_first = x.road_after
    if w.road_first < 0:
        w.road_last = -1
    if x.arrived == 0:
        arrive(k, app, i)
    elif app is None or x.layer == 0:
        receive(k, app, k.user, i)
    else:
        receive(k, app, app.caller, i)


@jit
def connected(k: Any, app: Any) -> None:
    """A connection is open: the request leaves, if its caller still waits."""
    w = k.w
    i = w.connect_first
    x = nth(k.xs, i)
    w.connect_first = x.road_after
    if w.connect_first < 0:
        w.connect_last = -1
    if x.over == 1:
        x.path = 0
        release(k, app, i)
    else:
        x.born_s = w.now_s
        travel(k, i)


@jit
def found_name(k: Any, app: Any) -> None:
    """A name was in the cache."""
    w = k.w
    i = w.found_first
    x = nth(k.xs, i)
    w.found_first = x.road_after
    if w.found_first < 0:
        w.found_last = -1
    if app is None or x.layer == 0:
        resolved(k, app, k.user, i, x.told == 1)
    else:
        resolved(k, app, app.caller, i, x.told == 1)


@jit
def asked(k: Any, app: Any, c: Any) -> None:
    """The query is at the name server, or its answer is back for all who waited for it."""
    link = c.link
    if link.asking == 1:
        at_the_name_server(k, c)
        return
    found = learn(k, c)
    i = link.asking_first
    link.asking, link.asking_n, link.asking_first, link.asking_last = 0, 0, -1, -1
    while i >= 0:
        following = nth(k.xs, i).road_after
        resolved(k, app, c, i, found)
        i = following


@jit
def timed_due(k: Any, app: Any) -> None:
    """A wait is over, or a timeout that was shorter than usual; nothing when it was called off."""
    w = k.w
    timed = nth(k.timed, 0)
    ref, birth = timed.ref, timed.birth
    pop_timed(k.timed, w.timed)
    w.timed -= 1
    if ref >= 0:
        t = nth(k.ts, ref)
        if t.state == BETWEEN and t.ticket == birth:
            go_on(k, app, ref, LEAVE)
        return
    x = nth(k.xs, -1 - ref)
    if x.timer == HEAPED and x.timer_birth == birth:
        if app is None or x.layer == 0:
            time_out(k, app, k.user, -1 - ref)
        else:
            time_out(k, app, app.caller, -1 - ref)


@jit
def on_edge(k: Any, app: Any) -> None:
    """One edge of the timeline: a record changes, or something happens to the store or the app."""
    edge = nth(k.edges, k.w.edge)
    k.w.edge += 1
    if app is not None:
        if edge.deed == SET_APP_ERRORS:
            app.a.error_share = edge.value
            stepped(k, app)
            return
        if edge.deed == SET_RECORD and edge.link == 1:
            app.caller.link.record_kind = int(edge.value)
            return
    if edge.deed == SET_RECORD:
        k.user.link.record_kind = int(edge.value)
    else:
        perform(k, app, edge)
