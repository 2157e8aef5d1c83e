"""The kernel's station: `models/station.py` over tables.

What is restated here is bookkeeping: slots, the line as a threaded list, the heap of ends, and the order of it all (a
slot freed at t takes its next job at t, departures before arrivals). What is decided is asked of the server's own
policies: admission hears how a job ended, the drop rule is asked as a job leaves the line.

    offer      a job that was let in starts, or waits
    settle     every slot freed by now takes its next job; what ended is kept until it is handed out
    withdraw   a caller takes a job away
"""

from __future__ import annotations

import math
from typing import Any

from harness.flows.wants import Cause
from harness.models import service_time
from harness.sim.kernel_draws import draw_after
from harness.sim.kernel_jit import jit
from harness.sim.kernel_lists import join_line, pop_end, push_end, quit_line
from harness.sim.kernel_memory import nth
from harness.sim.kernel_state import ADAPTIVE_LIFO, EXPONENTIAL, FIFO, FIXED, NOWHERE, RUNNING, WAITING
from harness.sim.kernel_steps import on_dequeue, on_done, on_enqueue

_NONE, _DROPPED, _TIMEOUT = int(Cause.NONE), int(Cause.DROPPED), int(Cause.TIMEOUT)
_WEIBULL_MEAN = service_time._WEIBULL_MEAN


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
def end_job(k: Any, i: int, cause: int, ended_s: float, tell: bool) -> None:
    """A job is over for the station; the admission rule hears of it."""
    x = nth(k.xs, i)
    began = x.began_s < math.inf
    if not began:
        x.service_s = 0.0
    if tell:
        delay_s = (x.began_s if began else ended_s) - x.arrived_s
        useless = cause != _NONE or ended_s > x.deadline_s
        on_done(k.admission, ended_s, delay_s, x.service_s, x.inside, useless)
    x.job = NOWHERE
    x.done_cause, x.done_s = cause, ended_s


@jit
def put_done(k: Any, i: int) -> None:
    """Keep what has ended until it is handed out."""
    w = k.w
    nth(k.xs, i).done_after = -1
    if w.done_last >= 0:
        nth(k.xs, w.done_last).done_after = i
    else:
        w.done_first = i
    w.done_last = i


@jit
def leave_line(k: Any, i: int, now_s: float) -> None:
    """Start the job in a free slot, or drop it if the drop rule says so."""
    w, x = k.w, nth(k.xs, i)
    if k.r.at_acceptance == 0:
        x.service_s = draw_service_s(w, k.r, x.attempt)
    if on_dequeue(k.drop, now_s, now_s - x.arrived_s, x.deadline_s - now_s, x.service_s, w.waiting):
        x.service_s = 0.0
        end_job(k, i, _DROPPED, now_s, True)
        put_done(k, i)
        return
    x.began_s = now_s
    x.job = RUNNING
    w.running += 1
    push_end(k.ends, w.ends, now_s + x.service_s, x.number, i)
    w.ends += 1


@jit
def skip_withdrawn(k: Any) -> None:
    """Forget the ends of jobs that were taken away."""
    w = k.w
    while w.ends > 0:
        end = nth(k.ends, 0)
        x = nth(k.xs, end.slot)
        if x.number == end.number and x.job == RUNNING:
            return
        pop_end(k.ends, w.ends)
        w.ends -= 1


@jit
def fill_slots(k: Any, now_s: float) -> None:
    """Every free slot takes the next job of the line."""
    w, r = k.w, k.r
    while w.waiting > 0 and w.running < w.slots:
        oldest = r.order == FIFO or (r.order == ADAPTIVE_LIFO and not now_s - w.line_empty_s > r.lifo_after_s)
        i = w.line_first if oldest else w.line_last
        quit_line(k, i)
        leave_line(k, i, now_s)


@jit
def settle(k: Any) -> None:
    """Let every slot that was freed up to now take its next job at the moment it was freed."""
    w = k.w
    if k.r.cancellation == 1:
        skip_withdrawn(k)
    while w.ends > 0:
        end = nth(k.ends, 0)
        ended_s, i = end.at_s, end.slot
        if ended_s > w.now_s:
            return
        pop_end(k.ends, w.ends)
        w.ends -= 1
        w.running -= 1
        end_job(k, i, _NONE, ended_s, True)
        put_done(k, i)
        if w.waiting > 0:
            fill_slots(k, ended_s)
        if k.r.cancellation == 1:
            skip_withdrawn(k)


@jit
def offer(k: Any, i: int) -> None:
    """A job that was let in starts, or waits."""
    w, x = k.w, nth(k.xs, i)
    x.number = w.numbers
    w.numbers += 1
    x.inside = w.running + w.waiting + 1
    if k.r.at_acceptance == 1:
        x.service_s = draw_service_s(w, k.r, x.attempt)
    if w.running < w.slots:
        leave_line(k, i, w.now_s)
        return
    on_enqueue(k.drop, w.now_s, w.waiting)
    x.job = WAITING
    if w.waiting == 0:
        w.line_empty_s = w.now_s
    join_line(k, i)


@jit
def withdraw(k: Any, i: int) -> None:
    """Take a job away; its slot is free at once."""
    w, x = k.w, nth(k.xs, i)
    was_running = x.job == RUNNING
    if was_running:
        w.running -= 1
        x.service_s = w.now_s - x.began_s
    else:
        quit_line(k, i)
    end_job(k, i, _TIMEOUT, w.now_s, True)
    if was_running:
        fill_slots(k, w.now_s)
