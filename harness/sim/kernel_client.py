"""The caller's side of the kernel: the retry loop of `flows/call.py`, for every caller there is.

A generator that waits becomes a row that says what it waits for. Between two events a conversation is SENDING (its
attempt is open) or BETWEEN (waiting for a backoff or a limiter). The loop itself is restated; budget, breaker, limiter
and backoff are asked, in the same order and with the same facts, through `kernel_steps`.

    open_call    a call begins
    leave        its wait is over, or there was none
    send         the next attempt leaves
    replied      its attempt ended, one way or another
    late_reply   a good reply to an attempt that had been given up came between two attempts, where that counts

Each says what comes next, and whoever holds the conversation does it: ask whether the attempt may LEAVE, SEND it, WAIT
for what has been set, or see that the call has ENDED (`ok`, `final` and `limited` of the conversation say how).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from harness.flows.wants import Result
from harness.sim.kernel_draws import ZERO, after, attempt_id, draw_after
from harness.sim.kernel_jit import jit
from harness.sim.kernel_lists import push_timed, set_timer, stop_timer, travel
from harness.sim.kernel_memory import nth, whole
from harness.sim.kernel_names import resolve
from harness.sim.kernel_state import BETWEEN, NOWHERE, OFF, SENDING
from harness.sim.kernel_steps import (
    breaker_result,
    budget_result,
    delay_s,
    limit_s,
    limiter_result,
    may_send,
    on_cancel,
    on_first,
    take,
)

# Not plain integers: for each of those as an argument numba would compile a function anew.
LEAVE, SEND, WAIT, ENDED = (whole(code) for code in range(4))
_OK, _REFUSED, _ERROR = int(Result.OK), int(Result.REFUSED), int(Result.ERROR)
_TIMEOUT, _UNSENT = int(Result.TIMEOUT), int(Result.UNSENT)


@jit
def ns(at_s: float) -> int:
    """Seconds as rows carry them: whole nanoseconds, -1 for what did not happen."""
    return int(round(at_s * 1e9)) if at_s < math.inf else -1  # noqa: RUF046  # numba's round gives a float


@jit
def open_call(k: Any, c: Any, t: Any, key: Any, due_s: float) -> None:
    """Begin a call whose caller's own deadline is `due_s`."""
    link = c.link
    t.key = key
    t.deadline_s = min(k.w.now_s + link.deadline_s, due_s)
    t.n, t.ask, t.wait_s = 0, 0, 0.0
    t.timed_out, t.throttled, t.result = 0, 0, _UNSENT
    t.ok, t.final, t.limited = 0, 0, 0


@jit
def wait(k: Any, c: Any, j: int, until_s: float) -> None:
    """Resume at `until_s`."""
    w, t = k.w, nth(k.ts, j)
    w.births += 1
    if t.state != BETWEEN:
        c.link.between += 1
    t.state, t.ticket, t.since_s = BETWEEN, w.births, w.now_s
    push_timed(k.timed, w.timed, until_s, t.ticket, j)
    w.timed += 1


@jit
def leave(k: Any, c: Any, j: int) -> Any:
    """Ask limiter and breaker whether the next attempt may leave."""
    w, link, t = k.w, c.link, nth(k.ts, j)
    go = False
    t.limited = int(w.now_s < t.deadline_s)
    if t.limited == 1:
        while True:
            u = 0.5
            if link.limiter != ZERO:
                u = draw_after(after(link.limiter, attempt_id(t.key, t.n)), np.uint64(t.ask))
            wait_s = limit_s(c.limiter, w.now_s, u)
            until_s = w.now_s + wait_s
            if wait_s == 0.0:
                go = may_send(c.breaker, w.now_s)
                break
            if wait_s < 0.0 or until_s >= t.deadline_s:
                break
            t.ask += 1
            if until_s > w.now_s:
                wait(k, c, j, until_s)
                return WAIT
    if not go:
        if t.n > 0:
            on_cancel(c.budget, w.now_s, t.n, False)
        return ENDED
    t.limited = 0
    if t.n == 0:
        on_first(c.budget, w.now_s)
    return SEND


@jit
def send(k: Any, c: Any, j: int) -> Any:
    """Send the next attempt, on an idle connection or a new one; its exchange."""
    w, r, link, t = k.w, k.r, c.link, nth(k.ts, j)
    i = w.free_exchange
    x = nth(k.xs, i)
    w.free_exchange = x.free_after
    w.in_exchanges += 1
    timeout_s = min(link.timeout_s, t.deadline_s - w.now_s)
    x.talk, x.layer, x.attempt = j, link.layer, attempt_id(t.key, t.n)
    x.born_s = math.nan
    x.deadline_s = w.now_s + timeout_s if link.propagate == 1 else math.inf
    x.over, x.gone, x.answered, x.arrived, x.path = 0, 0, 0, 0, 1
    x.timer, x.job, x.number, x.kept = OFF, NOWHERE, -1, r.late
    x.served, x.wish = -1, -1
    if r.late == 1:
        x.kept_after = -1
        if t.kept_last >= 0:
            nth(k.xs, t.kept_last).kept_after = i
        else:
            t.kept_first = i
        t.kept_last = i
    if t.state == BETWEEN:
        link.between -= 1
    t.state, t.exchange, t.sent_s = SENDING, i, w.now_s
    window = nth(k.windows, w.window)
    if link.layer == 0:
        window.attempts += 1
    else:
        window.app_attempts += 1
        if t.n == 0:
            window.app_first_tries += 1
    t.n += 1
    if timeout_s < math.inf:
        set_timer(k, c, i, timeout_s)
    if link.idle > 0:
        link.idle -= 1
        x.born_s = nth(c.idle, link.idle).born_s
        travel(k, i)
    else:
        resolve(k, c, i)
    return i


@jit
def close_attempt(k: Any, c: Any, i: int, result: int, status: int, cause: int, ended_ns: int) -> None:
    """Exchange `i`, the open attempt of its conversation, is over: call off its timeout, and write its row."""
    x = nth(k.xs, i)
    stop_timer(k, c, i)
    x.over = 1
    link = c.link
    if k.r.keep_rows == 1:
        t = nth(k.ts, x.talk)
        row = nth(c.rows, link.written)
        row.op, row.layer, row.parent, row.attempt, row.n = t.op, link.layer, t.parent, x.attempt, t.n - 1
        row.target, row.sent_ns, row.ended_ns = link.target, ns(t.sent_s), ended_ns
        row.result, row.status, row.cause = result, status, cause
    link.written += 1


@jit
def replied(k: Any, c: Any, j: int, result: int, status: int) -> Any:
    """The attempt of conversation `j` has ended: tell the policies, then see about the next attempt."""
    w, link, t = k.w, c.link, nth(k.ts, j)
    n = t.n - 1
    ok = result == _OK
    throttled, timed_out = result == _REFUSED, result == _TIMEOUT
    final = ok or (result == _ERROR and 0 < status < 500)  # not worth repeating
    if final and not ok:
        on_cancel(c.budget, w.now_s, n, True)
    elif ok:
        budget_result(c.budget, w.now_s, n, True, t.timed_out == 1, t.throttled == 1)
    else:
        budget_result(c.budget, w.now_s, n, False, timed_out, throttled)
    breaker_result(c.breaker, w.now_s, final)
    limiter_result(c.limiter, w.now_s, final, throttled)
    t.result, t.final, t.ok = result, int(final), int(ok)
    if t.n >= link.attempts or final:
        return ENDED
    t.timed_out, t.throttled = int(timed_out), int(throttled)
    t.wait_s = delay_s(c.backoff, t.n, t.wait_s, draw_after(link.backoff, attempt_id(t.key, t.n)), throttled)
    until_s = w.now_s + t.wait_s
    if not w.now_s <= until_s < t.deadline_s or not take(c.budget, w.now_s, timed_out, throttled):
        return ENDED
    t.ask = 0
    if until_s > w.now_s:
        wait(k, c, j, until_s)
        return WAIT
    return LEAVE


@jit
def late_reply(k: Any, c: Any, j: int) -> None:
    """An earlier attempt came good while conversation `j` waited to send another, which now never leaves: ENDED."""
    t = nth(k.ts, j)
    if t.n > 0:
        on_cancel(c.budget, t.since_s, t.n, False)
    t.result, t.final, t.ok, t.limited = _OK, 1, 1, 0
