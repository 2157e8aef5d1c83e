"""The store's side of the kernel: `models/station.py` and the store's face over tables.

What is restated here is bookkeeping: slots, the line as a threaded list, the heap of ends, and the order of it all (a
slot freed at t takes its next job at t, departures before arrivals). What is decided is asked of the server's own
policies: admission at the door, the drop rule as a job leaves the line. A step may change a policy's state, which is a
value; so everything here that may ask takes `state = (admission, drop)` and gives it back.

    arrive     a request is here
    settle     every slot freed by now takes its next job
    hand_out   what has ended is written down and answered, and the server is woken at the next end
    gave_up    a caller who had a request here has gone
    perform    one edge of the timeline
"""

from __future__ import annotations

import math
from typing import Any

from harness.flows.wants import Cause, Result
from harness.models import service_time
from harness.sim.kernel_draws import draw_after
from harness.sim.kernel_jit import jit
from harness.sim.kernel_lists import join_line, pop_end, push_end, quit_line, release, travel
from harness.sim.kernel_state import (
    ADAPTIVE_LIFO,
    DROP_QUEUE,
    EXPONENTIAL,
    FIFO,
    FIXED,
    NOWHERE,
    RUNNING,
    SET_ERRORS,
    SET_SLOTS,
    SET_SPEED,
    WAITING,
)
from harness.sim.kernel_steps import admit, on_dequeue, on_done, on_enqueue

_OK, _REFUSED, _ERROR = int(Result.OK), int(Result.REFUSED), int(Result.ERROR)
_NONE, _DROPPED, _TIMEOUT, _INJECTED = int(Cause.NONE), int(Cause.DROPPED), int(Cause.TIMEOUT), int(Cause.INJECTED)
_DROPPED_STATUS, _INJECTED_STATUS = 503, 500
_WEIBULL_MEAN = service_time._WEIBULL_MEAN


@jit
def ns(at_s: float) -> int:
    """Seconds as rows carry them: whole nanoseconds, -1 for what did not happen."""
    return -1 if math.isnan(at_s) else int(round(at_s * 1e9))  # noqa: RUF046  # numba's round gives a float


@jit
def draw_service_s(w: Any, r: Any, attempt: Any) -> Any:
    """How long this attempt holds a slot, as `models/service_time.py` has it."""
    mean_s = w.mean_s * w.slowdown
    if r.distribution == FIXED:
        return mean_s
    u = draw_after(r.service, attempt)
    if r.distribution == EXPONENTIAL:
        return -mean_s * math.log(u)
    return mean_s / _WEIBULL_MEAN * math.sqrt(-math.log(u))


@jit
def write_served(w: Any, r: Any, x: Any, rows: Any, ended_s: float) -> None:
    """The server's row of an attempt that is over for it."""
    if r.keep_rows == 1:
        row = rows[w.served]
        row.attempt, row.component, row.arrived_ns, row.began_ns = x.attempt, 0, ns(x.arrived_s), ns(x.began_s)
        row.ended_ns, row.service_ns, row.abandoned = ns(ended_s), ns(x.service_s), x.gone
    w.served += 1


@jit
def answer(w: Any, r: Any, xs: Any, i: int, result: int, status: int, cause: int) -> None:
    """Send a reply on its way; a refusal may be silent, and then the path ends here."""
    x = xs[i]
    if r.silent == 1 and result == _REFUSED:
        x.path = 0
        release(w, xs, i)
        return
    x.result, x.status, x.cause = result, status, cause
    travel(w, r, xs, i)


@jit
def end_job(w: Any, r: Any, xs: Any, i: int, cause: int, ended_s: float, tell: bool, server: Any, state: Any) -> Any:
    """A job is over for the station; the admission rule hears of it."""
    x = xs[i]
    began = not math.isnan(x.began_s)
    if not began:
        x.service_s = 0.0
    delay_s = (x.began_s if began else ended_s) - x.arrived_s
    useless = cause != _NONE or ended_s > x.deadline_s
    admission = state[0]
    if tell:
        admission = on_done(server[0], admission, ended_s, delay_s, x.service_s, x.inside, useless)
    x.job = NOWHERE
    x.done_cause, x.done_s = cause, ended_s
    return admission, state[1]


@jit
def put_done(w: Any, xs: Any, i: int) -> None:
    """Keep what has ended until it is handed out."""
    xs[i].done_after = -1
    if w.done_last >= 0:
        xs[w.done_last].done_after = i
    else:
        w.done_first = i
    w.done_last = i


@jit
def leave_line(w: Any, r: Any, xs: Any, ends: Any, i: int, now_s: float, server: Any, state: Any) -> Any:
    """Start the job in a free slot, or drop it if the drop rule says so."""
    x = xs[i]
    if r.at_acceptance == 0:
        x.service_s = draw_service_s(w, r, x.attempt)
    drop_state, drop = on_dequeue(
        server[1], state[1], now_s, now_s - x.arrived_s, x.deadline_s - now_s, x.service_s, w.waiting
    )
    state = (state[0], drop_state)
    if drop:
        x.service_s = 0.0
        state = end_job(w, r, xs, i, _DROPPED, now_s, True, server, state)
        put_done(w, xs, i)
        return state
    x.began_s = now_s
    x.job = RUNNING
    w.running += 1
    push_end(ends, w.ends, now_s + x.service_s, x.number, i)
    w.ends += 1
    return state


@jit
def skip_withdrawn(w: Any, xs: Any, ends: Any) -> None:
    """Forget the ends of jobs that were taken away."""
    while w.ends > 0:
        x = xs[ends[0].slot]
        if x.number == ends[0].number and x.job == RUNNING:
            return
        pop_end(ends, w.ends)
        w.ends -= 1


@jit
def fill_slots(w: Any, r: Any, xs: Any, ends: Any, now_s: float, server: Any, state: Any) -> Any:
    """Every free slot takes the next job of the line."""
    while w.waiting > 0 and w.running < w.slots:
        oldest = r.order == FIFO or (r.order == ADAPTIVE_LIFO and not now_s - w.line_empty_s > r.lifo_after_s)
        i = w.line_first if oldest else w.line_last
        quit_line(w, xs, i)
        state = leave_line(w, r, xs, ends, i, now_s, server, state)
    return state


@jit
def settle(w: Any, r: Any, xs: Any, ends: Any, server: Any, state: Any) -> Any:
    """Let every slot that was freed up to now take its next job at the moment it was freed."""
    skip_withdrawn(w, xs, ends)
    while w.ends > 0 and ends[0].at_s <= w.now_s:
        ended_s, i = ends[0].at_s, ends[0].slot
        pop_end(ends, w.ends)
        w.ends -= 1
        w.running -= 1
        state = end_job(w, r, xs, i, _NONE, ended_s, True, server, state)
        put_done(w, xs, i)
        state = fill_slots(w, r, xs, ends, ended_s, server, state)
        skip_withdrawn(w, xs, ends)
    return state


@jit
def hand_out(w: Any, r: Any, xs: Any, ends: Any, rows: Any, windows: Any, server: Any, state: Any) -> Any:
    """Write down and answer what has ended, and wake at the next end."""
    state = settle(w, r, xs, ends, server, state)
    i = w.done_first
    w.done_first = w.done_last = -1
    while i >= 0:
        following = xs[i].done_after
        _hand_out_one(w, r, xs, i, rows, windows)
        i = following
    skip_withdrawn(w, xs, ends)
    next_s = ends[0].at_s if w.ends > 0 else math.inf
    if w.wake_s != next_s:
        w.wake_s = next_s
        if next_s < math.inf:
            w.births += 1
            w.wake_birth = w.births
    return state


@jit
def _hand_out_one(w: Any, r: Any, xs: Any, i: int, rows: Any, windows: Any) -> None:
    x = xs[i]
    write_served(w, r, x, rows, x.done_s)
    if not math.isnan(x.began_s):
        window = windows[min(int(x.began_s / r.window_s), windows.size - 1)]
        window.began += 1
        window.delay_s += x.began_s - x.arrived_s
    if x.done_cause == _NONE:
        answer(w, r, xs, i, _OK, 200, _NONE)
    elif x.done_cause == _TIMEOUT:  # nobody is there to hear of it
        x.path = 0
        release(w, xs, i)
    else:
        answer(w, r, xs, i, _REFUSED, _DROPPED_STATUS, _DROPPED)


@jit
def arrive(w: Any, r: Any, xs: Any, ends: Any, i: int, rows: Any, windows: Any, server: Any, state: Any) -> Any:
    """A request is here: refuse it, start it, or let it wait."""
    x = xs[i]
    x.arrived = 1
    x.arrived_s, x.began_s, x.service_s = w.now_s, math.nan, 0.0
    if w.error_share > 0.0 and draw_after(r.errors, x.attempt) < w.error_share:
        write_served(w, r, x, rows, w.now_s)
        answer(w, r, xs, i, _ERROR, _INJECTED_STATUS, _INJECTED)
        return state
    state = settle(w, r, xs, ends, server, state)
    u = draw_after(r.admission, x.attempt) if r.admission_draws == 1 else 0.5
    oldest_s = w.now_s - xs[w.line_first].arrived_s if w.waiting > 0 else 0.0
    admission, let_in = admit(server[0], state[0], w.now_s, w.running, w.waiting, oldest_s, u)
    state = (admission, state[1])
    if not let_in:
        write_served(w, r, x, rows, w.now_s)
        answer(w, r, xs, i, _REFUSED, r.refusal_status, r.refusal)
        return hand_out(w, r, xs, ends, rows, windows, server, state)
    x.number = w.numbers
    w.numbers += 1
    x.inside = w.running + w.waiting + 1
    if r.at_acceptance == 1:
        x.service_s = draw_service_s(w, r, x.attempt)
    if w.running < w.slots:
        state = leave_line(w, r, xs, ends, i, w.now_s, server, state)
    else:
        state = (state[0], on_enqueue(server[1], state[1], w.now_s, w.waiting))
        x.job = WAITING
        if w.waiting == 0:
            w.line_empty_s = w.now_s
        join_line(w, xs, i)
    return hand_out(w, r, xs, ends, rows, windows, server, state)


@jit
def gave_up(w: Any, r: Any, xs: Any, ends: Any, i: int, rows: Any, windows: Any, server: Any, state: Any) -> Any:
    """The caller of a request that came here has gone; only with cancellation does that end the work."""
    x = xs[i]
    state = settle(w, r, xs, ends, server, state)
    if r.cancellation == 1 and x.job != NOWHERE:
        was_running = x.job == RUNNING
        if was_running:
            w.running -= 1
            x.service_s = w.now_s - x.began_s
        else:
            quit_line(w, xs, i)
        state = end_job(w, r, xs, i, _TIMEOUT, w.now_s, True, server, state)
        if was_running:
            state = fill_slots(w, r, xs, ends, w.now_s, server, state)
        _hand_out_one(w, r, xs, i, rows, windows)
    return hand_out(w, r, xs, ends, rows, windows, server, state)


@jit
def hang_up(w: Any, r: Any, xs: Any, ends: Any, i: int, rows: Any, windows: Any, server: Any, state: Any) -> Any:
    """Close the connection of exchange `i` unless its answer has come; that is how the server can notice."""
    x = xs[i]
    if x.answered == 1 or x.gone == 1:
        return state
    x.gone = 1
    if x.arrived == 1:
        state = gave_up(w, r, xs, ends, i, rows, windows, server, state)
    return state


@jit
def hang_up_kept(w: Any, r: Any, xs: Any, ends: Any, rows: Any, windows: Any, server: Any, state: Any) -> Any:
    """A call has ended: close the connections that were kept for its late replies, in order of sending."""
    i = w.left_first
    w.left_first = -1
    while i >= 0:
        following = xs[i].kept_after
        state = hang_up(w, r, xs, ends, i, rows, windows, server, state)
        xs[i].kept = 0
        release(w, xs, i)
        i = following
    return state


@jit
def perform(w: Any, r: Any, xs: Any, ends: Any, edge: Any, rows: Any, windows: Any, server: Any, state: Any) -> Any:
    """One edge of the timeline."""
    state = settle(w, r, xs, ends, server, state)
    if edge.deed == SET_ERRORS:
        w.error_share = edge.value
    elif edge.deed == SET_SPEED:
        w.mean_s, w.slowdown = edge.value, edge.factor
    elif edge.deed == SET_SLOTS:
        w.slots = int(edge.value)
        state = fill_slots(w, r, xs, ends, w.now_s, server, state)
    elif edge.deed == DROP_QUEUE:
        i = w.line_first  # all of them leave the line before the first is answered
        while i >= 0:
            state = end_job(w, r, xs, i, _DROPPED, w.now_s, False, server, state)
            i = xs[i].line_after
        i = w.line_first
        w.line_first = w.line_last = -1
        w.waiting = 0
        while i >= 0:
            following = xs[i].line_after
            _hand_out_one(w, r, xs, i, rows, windows)
            i = following
    return hand_out(w, r, xs, ends, rows, windows, server, state)
