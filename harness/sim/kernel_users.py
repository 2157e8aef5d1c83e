"""The kernel's operations, and what happens to any attempt on its way: `World._operate` and `Exchange` over tables.

An operation is a conversation of one call, with the app if there is one, else with the store. What an attempt meets is
the same for callers and app: it arrives, its reply comes back, its time is up, its name has no address. Only whom it
reaches, and whose conversation then goes on, depends on the layer it travels in. Without an app (None) all of that is
gone when the kernel is compiled.
"""

from __future__ import annotations

import math
from typing import Any

from harness.flows.wants import Cause, Result
from harness.record.layouts import Outcome
from harness.sim.kernel_app import app_goes
from harness.sim.kernel_app import arrive as arrive_at_app
from harness.sim.kernel_app import gave_up as app_gave_up
from harness.sim.kernel_client import ENDED, LEAVE, SEND, close_attempt, late_reply, leave, ns, open_call, replied, send
from harness.sim.kernel_draws import call_key, draw_after
from harness.sim.kernel_jit import jit
from harness.sim.kernel_lists import forget, release
from harness.sim.kernel_memory import nth, whole
from harness.sim.kernel_names import connect, keep
from harness.sim.kernel_state import BETWEEN
from harness.sim.kernel_store import arrive as arrive_at_store
from harness.sim.kernel_talks import free_talk, hang_up_on_store, take_talk

_OK, _REFUSED = int(Result.OK), int(Result.REFUSED)
_TIMEOUT, _UNSENT, _CUT = int(Result.TIMEOUT), int(Result.UNSENT), int(Result.UNFINISHED)
_NO_CAUSE, _TIMED_OUT, _CONNECT = int(Cause.NONE), int(Cause.TIMEOUT), int(Cause.CONNECT)
_GOOD, _LATE, _FAILED = int(Outcome.GOOD), int(Outcome.LATE), int(Outcome.FAILED)
_THROTTLED, _UNFINISHED = int(Outcome.THROTTLED), int(Outcome.UNFINISHED)


@jit
def write_operation(k: Any, t: Any, outcome: int, finished_s: float) -> None:
    """The row of an operation that is over."""
    w, r = k.w, k.r
    if r.keep_rows == 1:
        row = nth(k.operations, w.operations)
        row.op, row.story, row.app, row.worker = t.op, 0, r.app, 0
        row.intended_ns = ns(t.intended_s)
        row.started_ns, row.finished_ns = row.intended_ns, ns(finished_s)
        row.deadline_ns = ns(t.intended_s + k.user.link.deadline_s)
        row.outcome, row.attempts = outcome, t.n
    w.operations += 1
    window = nth(k.windows, min(int(t.intended_s / r.window_s), r.windows - 1))
    if outcome == _GOOD:
        window.good += 1
    elif outcome == _LATE:
        window.late += 1
    elif outcome == _THROTTLED:
        window.throttled += 1
    elif outcome == _UNFINISHED:
        window.unfinished += 1
    else:
        window.failed += 1


@jit
def end_operation(k: Any, app: Any, j: int) -> None:
    """The call has ended, and with it the operation."""
    w, t = k.w, nth(k.ts, j)
    i = whole(t.kept_first)
    while i >= 0:
        x = nth(k.xs, i)
        following = whole(x.kept_after)
        hang_up(k, app, i)
        x.kept = 0
        release(k, app, i)
        i = following
    if t.ok == 1:
        outcome = _GOOD if w.now_s <= t.intended_s + k.user.link.deadline_s else _LATE
    else:
        outcome = _THROTTLED if t.limited == 1 or t.result == _REFUSED else _FAILED
    write_operation(k, t, outcome, w.now_s)
    forget(app, whole(t.wish))
    free_talk(k, k.user, j)
    w.open -= 1


@jit
def user_goes(k: Any, app: Any, j: int, said: int) -> None:
    """An operation goes on, with what its client said comes next."""
    if said == LEAVE:
        said = leave(k, k.user, j)
    if said == SEND:
        bring_wish(k, app, j, send(k, k.user, j))
    elif said == ENDED:
        end_operation(k, app, j)


@jit
def bring_wish(k: Any, app: Any, j: int, i: int) -> None:
    """The app will need to know what the attempt is for."""
    if app is None:
        return
    slot = whole(nth(k.ts, j).wish)
    nth(k.xs, i).wish = slot
    nth(app.wishes, slot).refs += 1


@jit
def make_wish(k: Any, app: Any, t: Any) -> None:
    """Who wants what, as the story draws it."""
    if app is None:
        return
    a = app.a
    slot = a.free_wish
    wish = nth(app.wishes, slot)
    a.free_wish = wish.free_after
    a.wishes += 1
    u = draw_after(a.kind_luck, t.op)
    kind = 0
    while kind < a.kinds - 1 and u >= nth(app.kinds, kind).share_up_to:
        kind += 1
    wish.op, wish.refs, wish.kind, wish.user = t.op, 1, kind, int(draw_after(a.user_luck, t.op) * a.users)
    wish.tries, wish.confirmed, wish.boxed, wish.sending, wish.queued = 0, 0, 0, 0, 0
    t.wish = slot


@jit
def begin(k: Any, app: Any, op: Any) -> None:
    """Operation `op` is due."""
    w = k.w
    j = take_talk(k, 0, op)
    w.open += 1
    t = nth(k.ts, j)
    nth(k.windows, w.window).due += 1
    t.intended_s = w.now_s
    make_wish(k, app, t)
    open_call(k, k.user, t, call_key(t.op), math.inf)
    user_goes(k, app, j, LEAVE)


@jit
def go_on(k: Any, app: Any, j: int, said: int) -> None:
    """Whatever conversation `j` is, it goes on."""
    if app is None or nth(k.ts, j).layer == 0:
        user_goes(k, app, j, said)
    else:
        app_goes(k, app, j, said)


@jit
def hang_up(k: Any, app: Any, i: int) -> None:
    """Close the connection unless the answer has come; that is how the server can notice."""
    if app is None or nth(k.xs, i).layer == 1:
        hang_up_on_store(k, app, i)
    else:
        x = nth(k.xs, i)
        if x.answered == 0 and x.gone == 0:
            x.gone = 1
            if x.arrived == 1:
                app_gave_up(k, app, i)


@jit
def arrive(k: Any, app: Any, i: int) -> None:
    """A request has reached its server."""
    if app is None or nth(k.xs, i).layer == 1:
        arrive_at_store(k, app, i)
    else:
        arrive_at_app(k, app, i)


@jit
def receive(k: Any, app: Any, c: Any, i: int) -> None:
    """A reply is back."""
    w, x = k.w, nth(k.xs, i)
    x.path = 0
    if x.gone == 0:
        x.answered = 1
        keep(k, c, i)
        j, result, status = whole(x.talk), whole(x.result), whole(x.status)
        if x.over == 0:
            close_attempt(k, c, i, result, status, whole(x.cause), ns(w.now_s))
            go_on(k, app, j, replied(k, c, j, result, status))
        elif result == _OK and nth(k.ts, j).state == BETWEEN:  # late, between two attempts
            late_reply(k, c, j)
            go_on(k, app, j, ENDED)
        elif result == _OK:  # late, in place of the attempt that is open
            other = whole(nth(k.ts, j).exchange)
            close_attempt(k, c, other, _TIMEOUT, 0, _NO_CAUSE, ns(w.now_s))
            hang_up(k, app, other)
            go_on(k, app, j, replied(k, c, j, result, status))
    release(k, app, i)


@jit
def time_out(k: Any, app: Any, c: Any, i: int) -> None:
    """The caller's patience is at its end."""
    x = nth(k.xs, i)
    sent = x.born_s < math.inf
    result = _TIMEOUT if sent else _UNSENT
    close_attempt(k, c, i, result, 0, _TIMED_OUT if sent else _CONNECT, ns(k.w.now_s))
    go_on(k, app, whole(x.talk), replied(k, c, whole(x.talk), result, 0))
    if k.r.late == 0 or not sent:
        hang_up(k, app, i)
    release(k, app, i)


@jit
def resolved(k: Any, app: Any, c: Any, i: int, found: bool) -> None:
    """The name server, or the cache, has spoken: open a connection, or give up."""
    x = nth(k.xs, i)
    if x.over == 1:
        x.path = 0
    elif found:
        connect(k, i)
    else:
        x.path = 0
        close_attempt(k, c, i, _UNSENT, 0, c.link.empty_cause, ns(k.w.now_s))
        go_on(k, app, whole(x.talk), replied(k, c, whole(x.talk), _UNSENT, 0))
    release(k, app, i)


@jit
def close_talk(k: Any, c: Any, j: int) -> None:
    """The run ends while a conversation is open."""
    t = nth(k.ts, j)
    if t.state != BETWEEN and nth(k.xs, t.exchange).over == 0:
        close_attempt(k, c, whole(t.exchange), _CUT, 0, _NO_CAUSE, -1)
