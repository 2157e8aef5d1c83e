"""The store's face in the kernel: what `StoreServer` of `sim/servers.py` does around its station.

    arrive     a request is here: an error, a refusal, or a job
    hand_out   what has ended is written down and answered, and the server is woken at the next end
    gave_up    a caller who had a request here has gone
    perform    one edge of the timeline

Tables are left out: nothing a caller asks for here can fail, except by being too late or too many (`kernel_plan` sees
to that), so an answer says only that it is done.
"""

from __future__ import annotations

import math
from typing import Any

from harness.flows.wants import Cause, Result
from harness.sim.kernel_client import ns
from harness.sim.kernel_draws import draw_after
from harness.sim.kernel_jit import jit
from harness.sim.kernel_lists import release, travel
from harness.sim.kernel_memory import nth
from harness.sim.kernel_state import DROP_QUEUE, NOWHERE, SET_ERRORS, SET_SLOTS, SET_SPEED
from harness.sim.kernel_station import end_job, fill_slots, offer, settle, skip_withdrawn, withdraw
from harness.sim.kernel_steps import admit

_OK, _REFUSED, _ERROR = int(Result.OK), int(Result.REFUSED), int(Result.ERROR)
_NONE, _DROPPED, _TIMEOUT, _INJECTED = int(Cause.NONE), int(Cause.DROPPED), int(Cause.TIMEOUT), int(Cause.INJECTED)
_DROPPED_STATUS, _INJECTED_STATUS = 503, 500


@jit
def write_served(k: Any, x: Any, ended_s: float) -> None:
    """The server's row of an attempt that is over for it."""
    w = k.w
    if k.r.keep_rows == 1:
        row = nth(k.served, w.served)
        row.attempt, row.component, row.arrived_ns, row.began_ns = x.attempt, 0, ns(x.arrived_s), ns(x.began_s)
        row.ended_ns, row.service_ns, row.abandoned = ns(ended_s), ns(x.service_s), x.gone
    w.served += 1


@jit
def answer(k: Any, app: Any, i: int, result: int, status: int, cause: int) -> None:
    """Send a reply on its way; a refusal may be silent, and then the path ends here."""
    x = nth(k.xs, i)
    if k.r.silent == 1 and result == _REFUSED:
        x.path = 0
        release(k, app, i)
        return
    x.result, x.status, x.cause = result, status, cause
    travel(k, i)


@jit
def hand_out_one(k: Any, app: Any, i: int) -> None:
    """Write down and answer one job that is over."""
    x = nth(k.xs, i)
    write_served(k, x, x.done_s)
    if x.began_s < math.inf:
        window = nth(k.windows, min(int(x.began_s / k.r.window_s), k.r.windows - 1))
        window.began += 1
        window.delay_s += x.began_s - x.arrived_s
    if x.done_cause == _NONE:
        x.result, x.status, x.cause = _OK, 200, _NONE
        travel(k, i)
    elif x.done_cause == _TIMEOUT:  # nobody is there to hear of it
        x.path = 0
        release(k, app, i)
    else:
        answer(k, app, i, _REFUSED, _DROPPED_STATUS, _DROPPED)


@jit
def hand_out(k: Any, app: Any) -> None:
    """Write down and answer what has ended, and wake at the next end."""
    w = k.w
    settle(k)
    i = w.done_first
    w.done_first = w.done_last = -1
    while i >= 0:
        following = nth(k.xs, i).done_after
        hand_out_one(k, app, i)
        i = following
    if k.r.cancellation == 1:
        skip_withdrawn(k)
    next_s = nth(k.ends, 0).at_s if w.ends > 0 else math.inf
    if w.wake_s != next_s:
        w.wake_s = next_s
        if next_s < math.inf:
            w.births += 1
            w.wake_birth = w.births


@jit
def arrive(k: Any, app: Any, i: int) -> None:
    """A request is here: refuse it, start it, or let it wait."""
    w, r, x = k.w, k.r, nth(k.xs, i)
    x.arrived = 1
    x.arrived_s, x.began_s, x.service_s = w.now_s, math.nan, 0.0
    if w.error_share > 0.0 and draw_after(r.errors, x.attempt) < w.error_share:
        write_served(k, x, w.now_s)
        answer(k, app, i, _ERROR, _INJECTED_STATUS, _INJECTED)
        return
    settle(k)
    u = draw_after(r.admission, x.attempt) if r.admission_draws == 1 else 0.5
    oldest_s = w.now_s - nth(k.xs, w.line_first).arrived_s if w.waiting > 0 else 0.0
    if admit(k.admission, w.now_s, w.running, w.waiting, oldest_s, u):
        offer(k, i)
    else:
        write_served(k, x, w.now_s)
        answer(k, app, i, _REFUSED, r.refusal_status, r.refusal)
    hand_out(k, app)


@jit
def gave_up(k: Any, app: Any, i: int) -> None:
    """The caller of a request that came here has gone; only with cancellation does that end the work."""
    settle(k)
    if k.r.cancellation == 1 and nth(k.xs, i).job != NOWHERE:
        withdraw(k, i)
        hand_out_one(k, app, i)
    hand_out(k, app)


@jit
def perform(k: Any, app: Any, edge: Any) -> None:
    """One edge of the timeline."""
    w = k.w
    settle(k)
    if edge.deed == SET_ERRORS:
        w.error_share = edge.value
    elif edge.deed == SET_SPEED:
        w.mean_s, w.slowdown = edge.value, edge.factor
    elif edge.deed == SET_SLOTS:
        w.slots = int(edge.value)
        fill_slots(k, w.now_s)
    elif edge.deed == DROP_QUEUE:
        i = w.line_first  # all of them leave the line before the first is answered
        while i >= 0:
            end_job(k, i, _DROPPED, w.now_s, False)
            i = nth(k.xs, i).line_after
        i = w.line_first
        w.line_first = w.line_last = -1
        w.waiting = 0
        while i >= 0:
            following = nth(k.xs, i).line_after
            hand_out_one(k, app, i)
            i = following
    hand_out(k, app)
