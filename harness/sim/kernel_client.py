"""The caller's side of the kernel: the retry loop of `flows/call.py`, and connections as `sim/network.py` has them.

A generator that waits becomes a row that says what it waits for. Between two events a call is SENDING (its attempt is
open) or BETWEEN (waiting for a backoff or a limiter). The loop itself is restated; budget, breaker, limiter and
backoff are asked, in the same order and with the same facts, through `kernel_steps`. `client` are the four specs
(backoff, budget, breaker, limiter) and `state` the last three states, given back by everything that may change them.

    begin          an operation is due
    leave          its wait is over, or there was none
    replied        its attempt ended, one way or another
    late_between   a good reply to an attempt that had been given up came while it waited, where that counts
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from harness.flows.wants import Result
from harness.record.layouts import Outcome
from harness.sim.kernel_draws import ZERO, after, attempt_id, call_key, draw_after
from harness.sim.kernel_jit import jit
from harness.sim.kernel_lists import push_timed, resolve, set_timer, stop_timer, travel
from harness.sim.kernel_state import BETWEEN, FREE, NOWHERE, OFF, SENDING
from harness.sim.kernel_station import ns
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

_OK, _REFUSED, _ERROR = int(Result.OK), int(Result.REFUSED), int(Result.ERROR)
_TIMEOUT, _UNSENT = int(Result.TIMEOUT), int(Result.UNSENT)
_GOOD, _LATE, _FAILED = int(Outcome.GOOD), int(Outcome.LATE), int(Outcome.FAILED)
_THROTTLED, _UNFINISHED = int(Outcome.THROTTLED), int(Outcome.UNFINISHED)
_NO_STREAM = ZERO
_AGE_JITTER = 0.1  # as in network.py; a test compares them


@jit
def write_operation(w: Any, r: Any, t: Any, rows: Any, windows: Any, outcome: int, finished_s: float) -> None:
    """The row of an operation that is over."""
    if r.keep_rows == 1:
        row = rows[w.operations]
        row.op, row.story, row.app, row.worker = t.op, 0, r.app, 0
        row.intended_ns = ns(t.intended_s)
        row.started_ns, row.finished_ns = row.intended_ns, ns(finished_s)
        row.deadline_ns = ns(t.intended_s + r.deadline_s)
        row.outcome, row.attempts = outcome, t.n
    w.operations += 1
    window = windows[min(int(t.intended_s / r.window_s), windows.size - 1)]
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
def write_attempt(w: Any, r: Any, x: Any, rows: Any, result: int, status: int, cause: int, ended_ns: int) -> None:
    """The row of an attempt that is over for its caller, who no longer waits."""
    x.over = 1
    if r.keep_rows == 1:
        row = rows[w.attempts]
        row.op, row.layer, row.parent, row.attempt, row.n = x.op, 0, np.uint64(0), x.attempt, x.n
        row.target, row.sent_ns, row.ended_ns = r.target, ns(x.sent_s), ended_ns
        row.result, row.status, row.cause = result, status, cause
    w.attempts += 1


@jit
def end_call(w: Any, r: Any, ts: Any, j: int, rows: Any, windows: Any, ok: bool, limited: bool) -> None:
    """The call has ended, and with it the operation."""
    t = ts[j]
    if ok:
        outcome = _GOOD if w.now_s <= t.intended_s + r.deadline_s else _LATE
    else:
        outcome = _THROTTLED if limited or t.result == _REFUSED else _FAILED
    write_operation(w, r, t, rows, windows, outcome, w.now_s)
    if t.state == BETWEEN:
        w.between -= 1
    t.state = FREE
    w.left_first = t.kept_first
    t.op = np.uint64(0)
    t.free_after = w.free_talk
    w.free_talk = j
    w.in_talks -= 1


@jit
def wait(w: Any, ts: Any, timed: Any, j: int, until_s: float) -> None:
    """Resume at `until_s`."""
    t = ts[j]
    w.births += 1
    if t.state != BETWEEN:
        w.between += 1
    t.state, t.ticket, t.since_s = BETWEEN, w.births, w.now_s
    push_timed(timed, w.timed, until_s, t.ticket, j)
    w.timed += 1


@jit
def send(w: Any, r: Any, xs: Any, ts: Any, timed: Any, idle: Any, windows: Any, j: int) -> None:
    """Send the next attempt, on an idle connection or a new one."""
    t = ts[j]
    i = w.free_exchange
    x = xs[i]
    w.free_exchange = x.free_after
    w.in_exchanges += 1
    timeout_s = min(r.timeout_s, t.deadline_s - w.now_s)
    x.talk, x.n, x.op, x.attempt = j, t.n, t.op, attempt_id(t.key, t.n)
    x.sent_s, x.born_s = w.now_s, math.nan
    x.deadline_s = w.now_s + timeout_s if r.propagate == 1 else math.inf
    x.over, x.gone, x.answered, x.arrived, x.path = 0, 0, 0, 0, 1
    x.timer, x.job, x.number, x.kept = OFF, NOWHERE, -1, r.late
    if r.late == 1:
        x.kept_after = -1
        if t.kept_last >= 0:
            xs[t.kept_last].kept_after = i
        else:
            t.kept_first = i
        t.kept_last = i
    if t.state == BETWEEN:
        w.between -= 1
    t.state, t.exchange = SENDING, i
    t.n += 1
    windows[min(w.window, windows.size - 1)].attempts += 1
    if timeout_s < math.inf:
        set_timer(w, xs, timed, i, timeout_s, timeout_s == r.timeout_s)
    if w.idle > 0:
        w.idle -= 1
        x.born_s = idle[w.idle]
        travel(w, r, xs, i)
    else:
        resolve(w, r, xs, i)


@jit
def leave(
    w: Any, r: Any, xs: Any, ts: Any, timed: Any, idle: Any, rows: Any, windows: Any, j: int, client: Any, state: Any
) -> Any:
    """Ask limiter and breaker whether the next attempt may leave, and send it, wait, or end the call."""
    t = ts[j]
    budget, breaker, limiter = state
    if w.now_s >= t.deadline_s:
        if t.n > 0:
            budget = on_cancel(client[1], budget, w.now_s, t.n, False)
        end_call(w, r, ts, j, rows, windows, False, False)
        return budget, breaker, limiter
    go = False
    while True:
        u = 0.5
        if r.limiter != _NO_STREAM:
            u = draw_after(after(r.limiter, attempt_id(t.key, t.n)), np.uint64(t.ask))
        limiter, wait_s = limit_s(client[3], limiter, w.now_s, u)
        until_s = w.now_s + wait_s
        if wait_s == 0.0:
            breaker, go = may_send(client[2], breaker, w.now_s)
            break
        if wait_s < 0.0 or until_s >= t.deadline_s:
            break
        t.ask += 1
        if until_s > w.now_s:
            wait(w, ts, timed, j, until_s)
            return budget, breaker, limiter
    if not go:
        if t.n > 0:
            budget = on_cancel(client[1], budget, w.now_s, t.n, False)
        end_call(w, r, ts, j, rows, windows, False, True)
        return budget, breaker, limiter
    if t.n == 0:
        budget = on_first(client[1], budget, w.now_s)
    send(w, r, xs, ts, timed, idle, windows, j)
    return budget, breaker, limiter


@jit
def begin(
    w: Any, r: Any, xs: Any, ts: Any, timed: Any, idle: Any, rows: Any, windows: Any, op: Any, client: Any, state: Any
) -> Any:
    """An operation is due, and begins."""
    j = w.free_talk
    t = ts[j]
    w.free_talk = t.free_after
    w.in_talks += 1
    windows[min(w.window, windows.size - 1)].due += 1
    t.op, t.key = op, call_key(op)
    t.intended_s, t.deadline_s = w.now_s, w.now_s + r.deadline_s
    t.state, t.n, t.ask, t.exchange, t.wait_s = SENDING, 0, 0, -1, 0.0
    t.timed_out, t.throttled, t.result = 0, 0, _UNSENT
    t.kept_first, t.kept_last = -1, -1
    return leave(w, r, xs, ts, timed, idle, rows, windows, j, client, state)


@jit
def replied(
    w: Any, r: Any, xs: Any, ts: Any, timed: Any, idle: Any, rows: Any, windows: Any, j: int, result: int,
    status: int, client: Any, state: Any,
) -> Any:  # fmt: skip
    """The attempt of call `j` has ended: tell the policies, then end the call or see about the next attempt."""
    t = ts[j]
    budget, breaker, limiter = state
    n = t.n - 1
    ok = result == _OK
    throttled, timed_out = result == _REFUSED, result == _TIMEOUT
    final = ok or (result == _ERROR and 0 < status < 500)  # not worth repeating
    if final and not ok:
        budget = on_cancel(client[1], budget, w.now_s, n, True)
    elif ok:
        budget = budget_result(client[1], budget, w.now_s, n, True, t.timed_out == 1, t.throttled == 1)
    else:
        budget = budget_result(client[1], budget, w.now_s, n, False, timed_out, throttled)
    breaker = breaker_result(client[2], breaker, w.now_s, final)
    limiter = limiter_result(client[3], limiter, w.now_s, final, throttled)
    t.result = result
    if t.n >= r.attempts or final:
        end_call(w, r, ts, j, rows, windows, ok, False)
        return budget, breaker, limiter
    t.timed_out, t.throttled = int(timed_out), int(throttled)
    u = draw_after(r.backoff, attempt_id(t.key, t.n))
    t.wait_s = delay_s(client[0], t.n, t.wait_s, u, throttled)
    until_s = w.now_s + t.wait_s
    granted = False
    if w.now_s <= until_s < t.deadline_s:
        budget, granted = take(client[1], budget, w.now_s, timed_out, throttled)
    if not granted:
        end_call(w, r, ts, j, rows, windows, False, False)
        return budget, breaker, limiter
    t.ask = 0
    if until_s > w.now_s:
        wait(w, ts, timed, j, until_s)
        return budget, breaker, limiter
    return leave(w, r, xs, ts, timed, idle, rows, windows, j, client, (budget, breaker, limiter))


@jit
def late_between(w: Any, r: Any, ts: Any, j: int, rows: Any, windows: Any, client: Any, state: Any) -> Any:
    """An earlier attempt came good while call `j` waited to send another, which now never leaves."""
    t = ts[j]
    budget = state[0]
    if t.n > 0:
        budget = on_cancel(client[1], budget, t.since_s, t.n, False)
    end_call(w, r, ts, j, rows, windows, True, False)
    return budget, state[1], state[2]


@jit
def keep_connection(w: Any, r: Any, x: Any, idle: Any) -> None:
    """After a reply the connection is idle again, unless it is too old."""
    limit_s_ = r.max_age_s
    if limit_s_ < math.inf:
        u = draw_after(r.age, np.uint64(round(x.born_s * 1e9)))
        limit_s_ = limit_s_ * (1.0 + _AGE_JITTER * (2.0 * u - 1.0))
    if w.now_s - x.born_s < limit_s_:
        idle[w.idle] = x.born_s
        w.idle += 1


@jit
def close_attempt(w: Any, r: Any, xs: Any, i: int, rows: Any, result: int, status: int, cause: int) -> None:
    """The attempt is over for its caller."""
    stop_timer(w, xs, i)
    write_attempt(w, r, xs[i], rows[1], result, status, cause, ns(w.now_s))
