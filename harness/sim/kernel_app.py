"""The kernel's app: `models/apps/mobile_banking.py` and the host under it (`sim/host.py`), over tables.

An operation of the app is data: the calls it makes, in order, each with its number and a condition (STEP). A flow that
serves one attempt, or repeats what is owed, is a conversation that walks down this list: a call that ends well leads to
the next, one that does not ends the walk. Around it stand the door (an admission rule), sessions, and the outbox.

    arrive     an attempt is here: refused at the door, or served
    app_goes   a conversation of the app goes on, with what its client said comes next
    stepped    after every step of any of them: start the replays that may start, and set the alarm
    gave_up    the caller of an attempt has gone; only with cancellation does that end the conversation
"""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.flows.wants import Cause, Result
from harness.models.apps import banking_sessions
from harness.sim.kernel_client import ENDED, LEAVE, SEND, close_attempt, leave, ns, open_call, send
from harness.sim.kernel_draws import ONE, after, draw_after, first
from harness.sim.kernel_jit import compiled, jit
from harness.sim.kernel_lists import forget, release
from harness.sim.kernel_memory import nth, whole
from harness.sim.kernel_outbox import add, failed, next_s, remove, take_next
from harness.sim.kernel_state import SENDING
from harness.sim.kernel_steps import admit, on_cancel, on_done
from harness.sim.kernel_store import answer
from harness.sim.kernel_talks import NOBODY, free_talk, hang_up_on_store, let_go, take_talk

_OK, _REFUSED, _ERROR, _TIMEOUT = int(Result.OK), int(Result.REFUSED), int(Result.ERROR), int(Result.TIMEOUT)
_NO_CAUSE, _DEPENDENCY, _INJECTED = int(Cause.NONE), int(Cause.DEPENDENCY), int(Cause.INJECTED)
_DEPENDENCY_STATUS, _INJECTED_STATUS = 503, 500

_session_is_gone = compiled(banking_sessions.session_is_gone)
_session_until_s = compiled(banking_sessions.session_until_s)


@jit
def next_call(k: Any, app: Any, t: Any) -> bool:
    """Begin the next call of the list whose condition holds; False when there is none."""
    wish = nth(app.wishes, t.wish)
    due_s = nth(k.xs, t.inbound).deadline_s if t.inbound >= 0 else np.inf
    while t.step < nth(app.kinds, wish.kind).end_step:
        t.at = t.step
        t.step += 1
        step = nth(app.steps, t.at)
        if step.without_session == 0 or _session_is_gone(nth(app.sessions, wish.user).until_s, k.w.now_s):
            whom = t.op if t.parent == NOBODY else t.parent
            number = t.tries * app.a.calls_per_try + step.call_no
            open_call(k, app.caller, t, after(after(first(whom), ONE), np.uint64(number)), due_s)
            return True
    return False


@jit
def write_served(k: Any, app: Any, i: int, began: bool, ended_ns: int) -> None:
    """The app's row of an attempt that is over for it."""
    a, x = app.a, nth(k.xs, i)
    if k.r.keep_rows == 1:
        row = nth(app.served, a.served)
        came_ns = ns(x.arrived_s)
        row.attempt, row.component, row.arrived_ns, row.began_ns = x.attempt, 0, came_ns, came_ns if began else -1
        row.ended_ns, row.service_ns, row.abandoned = ended_ns, 0, x.gone
    a.served += 1


@jit
def leave_door(k: Any, app: Any, came_s: float, now_s: float, useless: bool) -> None:
    """An attempt that came in is over."""
    inside = app.a.inside
    app.a.inside -= 1
    on_done(app.door, now_s, 0.0, now_s - came_s, inside, useless)


@jit
def finish_served(k: Any, app: Any, j: int, result: int, status: int, cause: int) -> None:
    """Answer the attempt that conversation `j` served."""
    t = nth(k.ts, j)
    i, wish = whole(t.inbound), whole(t.wish)
    let_go(k, app, t)
    nth(k.xs, i).served = -1
    write_served(k, app, i, True, ns(k.w.now_s))
    answer(k, app, i, result, status, cause)
    free_talk(k, app.caller, j)
    forget(app, wish)


@jit
def finish(k: Any, app: Any, j: int) -> None:
    """The walk of conversation `j` is over, well or not."""
    w, t = k.w, nth(k.ts, j)
    slot = whole(t.wish)
    wish = nth(app.wishes, slot)
    done = t.ok == 1
    if nth(app.kinds, wish.kind).owes == 1:
        if done:
            wish.confirmed = 1
            remove(app, slot)
        elif t.tries > 0:
            failed(app, slot, w.now_s)
        elif wish.confirmed == 0:
            add(app, slot, w.now_s)
    if t.tries > 0:
        let_go(k, app, t)
        free_talk(k, app.caller, j)
        forget(app, slot)
        return
    leave_door(k, app, nth(k.xs, t.inbound).arrived_s, w.now_s, not done)
    if done:
        finish_served(k, app, j, _OK, 200, _NO_CAUSE)
    else:
        finish_served(k, app, j, _ERROR, _DEPENDENCY_STATUS, _DEPENDENCY)


@jit
def walk(k: Any, app: Any, j: int, said: int) -> None:
    """Go on with conversation `j` until it must wait for something or is over."""
    c, t = app.caller, nth(k.ts, j)
    while True:
        if said == LEAVE:
            said = leave(k, c, j)
        if said == SEND:
            if t.n == 0:
                let_go(k, app, t)
            send(k, c, j)
            return
        if said != ENDED:
            return
        app.a.is_open = t.final
        if t.ok == 0:
            break
        if nth(app.steps, t.at).without_session == 1:
            session = nth(app.sessions, nth(app.wishes, t.wish).user)
            session.until_s = _session_until_s(k.w.now_s, app.a.ttl_s)
        if not next_call(k, app, t):
            break
        said = LEAVE
    finish(k, app, j)


@jit
def set_alarm(k: Any, app: Any) -> None:
    """Wake when the next replay may start."""
    w, a = k.w, app.a
    at_s = next_s(app)
    if at_s != a.wake_s:
        a.wake_s = at_s
        if at_s < np.inf:
            w.births += 1
            a.wake_birth = w.births


@jit
def stepped(k: Any, app: Any) -> None:
    """Take all replays that may start now, then start them; what one does at once can only shut the gate."""
    w = k.w
    chain, last = -1, -1
    while next_s(app) <= w.now_s:
        slot = take_next(app, w.now_s)
        wish = nth(app.wishes, slot)
        wish.refs += 1
        j = take_talk(k, 1, wish.op)
        t = nth(k.ts, j)
        t.wish, t.tries, t.step, t.behind = slot, wish.tries, nth(app.kinds, wish.kind).first_step, -1
        if last >= 0:
            nth(k.ts, last).behind = j
        else:
            chain = j
        last = j
    while chain >= 0:
        t = nth(k.ts, chain)
        following = whole(t.behind)
        next_call(k, app, t)
        walk(k, app, chain, LEAVE)
        set_alarm(k, app)
        chain = following
    set_alarm(k, app)


@jit
def app_goes(k: Any, app: Any, j: int, said: int) -> None:
    """One step of a conversation of the app."""
    walk(k, app, j, said)
    stepped(k, app)


@jit
def arrive(k: Any, app: Any, i: int) -> None:
    """An attempt is here: answered by a fault, refused at the door, or served."""
    w, a, x = k.w, app.a, nth(k.xs, i)
    x.arrived, x.arrived_s = 1, w.now_s
    if a.error_share > 0.0 and draw_after(k.r.errors, x.attempt) < a.error_share:
        write_served(k, app, i, False, ns(w.now_s))
        answer(k, app, i, _ERROR, _INJECTED_STATUS, _INJECTED)
        return
    wish = nth(app.wishes, x.wish)
    wish.refs += 1
    j = take_talk(k, 1, wish.op)
    t = nth(k.ts, j)
    t.wish, t.inbound, t.parent, t.step = x.wish, i, x.attempt, nth(app.kinds, wish.kind).first_step
    x.served = j
    u = draw_after(a.door_luck, x.attempt) if a.door_draws == 1 else 0.5
    if admit(app.door, w.now_s, a.inside, 0, 0.0, u):
        a.inside += 1
        next_call(k, app, t)
        walk(k, app, j, LEAVE)
    else:
        finish_served(k, app, j, _REFUSED, a.door_refusal_status, a.door_refusal)
    stepped(k, app)


@jit
def gave_up(k: Any, app: Any, i: int) -> None:
    """With cancellation the conversation ends with its caller; else it goes on."""
    x = nth(k.xs, i)
    j = whole(x.served)
    if k.r.cancellation == 0 or j < 0:
        return
    w, c, t = k.w, app.caller, nth(k.ts, j)
    slot, came_s, open_ = whole(t.wish), x.arrived_s, whole(t.exchange)
    if t.state == SENDING:
        close_attempt(k, c, open_, _TIMEOUT, 0, _NO_CAUSE, ns(w.now_s))
    if open_ >= 0 and (t.state == SENDING or k.r.late == 1):  # the latest attempt first, then those before it
        hang_up_on_store(k, app, open_)
        release(k, app, open_)
    let_go(k, app, t)
    if t.state == SENDING:
        on_cancel(c.budget, t.sent_s, t.n - 1, True)
    elif t.n > 0:
        on_cancel(c.budget, t.since_s, t.n, False)
    wish = nth(app.wishes, slot)
    if nth(app.kinds, wish.kind).owes == 1 and wish.confirmed == 0:
        add(app, slot, came_s)  # the write may have happened; the flow knows no later moment
    leave_door(k, app, came_s, came_s, True)
    x.served, x.path = -1, 0
    free_talk(k, c, j)
    forget(app, slot)
    stepped(k, app)
    write_served(k, app, i, True, ns(w.now_s))
