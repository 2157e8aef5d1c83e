"""Heaps and threaded lists over tables: the kernel's only data structures.

An event heap costs a logarithm for every timeout, though nearly all of them are set to the same delay and called off
again. Events that all come a constant time after they were made come in the order in which they were made: a list
does, first in, first out, and taking one out of the middle is free. So timeouts, requests and replies on the road and
connections being opened are lists threaded through EXCHANGE; only waits of varying length need the heap.

Order everywhere is (time, birth), as on the world's heap. Births count upwards, so equal times replay exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.sim.kernel_jit import jit
from harness.sim.kernel_memory import nth, whole
from harness.sim.kernel_state import HEAPED, LISTED, OFF


@jit
def before(at_s: float, birth: int, other_s: float, other_birth: int) -> bool:
    """Whether the first event comes before the other."""
    return at_s < other_s or (at_s == other_s and birth < other_birth)


@jit
def push_timed(heap: Any, size: int, at_s: float, birth: int, ref: int) -> None:
    """Put an event on the heap of `size`."""
    k = size
    while k > 0:
        up = nth(heap, (k - 1) >> 1)
        if not before(at_s, birth, up.at_s, up.birth):
            break
        row = nth(heap, k)
        row.at_s, row.birth, row.ref = up.at_s, up.birth, up.ref
        k = (k - 1) >> 1
    row = nth(heap, k)
    row.at_s, row.birth, row.ref = at_s, birth, ref


@jit
def pop_timed(heap: Any, size: int) -> None:
    """Take the first event off the heap of `size`."""
    last = size - 1
    moved = nth(heap, last)
    at_s, birth, ref = moved.at_s, moved.birth, moved.ref
    k = 0
    while True:
        down = 2 * k + 1
        if down >= last:
            break
        low = nth(heap, down)
        if down + 1 < last:
            other = nth(heap, down + 1)
            if before(other.at_s, other.birth, low.at_s, low.birth):
                down += 1
                low = other
        if not before(low.at_s, low.birth, at_s, birth):
            break
        row = nth(heap, k)
        row.at_s, row.birth, row.ref = low.at_s, low.birth, low.ref
        k = down
    row = nth(heap, k)
    row.at_s, row.birth, row.ref = at_s, birth, ref


@jit
def push_end(heap: Any, size: int, at_s: float, number: int, slot: int) -> None:
    """Put the end of a service on the heap of `size`."""
    k = size
    while k > 0:
        up = nth(heap, (k - 1) >> 1)
        if not before(at_s, number, up.at_s, up.number):
            break
        row = nth(heap, k)
        row.at_s, row.number, row.slot = up.at_s, up.number, up.slot
        k = (k - 1) >> 1
    row = nth(heap, k)
    row.at_s, row.number, row.slot = at_s, number, slot


@jit
def pop_end(heap: Any, size: int) -> None:
    """Take the first end off the heap of `size`."""
    last = size - 1
    moved = nth(heap, last)
    at_s, number, slot = moved.at_s, moved.number, moved.slot
    k = 0
    while True:
        down = 2 * k + 1
        if down >= last:
            break
        low = nth(heap, down)
        if down + 1 < last:
            other = nth(heap, down + 1)
            if before(other.at_s, other.number, low.at_s, low.number):
                down += 1
                low = other
        if not before(low.at_s, low.number, at_s, number):
            break
        row = nth(heap, k)
        row.at_s, row.number, row.slot = low.at_s, low.number, low.slot
        k = down
    row = nth(heap, k)
    row.at_s, row.number, row.slot = at_s, number, slot


@jit
def set_timer(k: Any, c: Any, i: int, timeout_s: float) -> None:
    """Give up on exchange `i` in `timeout_s`; the usual timeout is a list, a shortened one goes on the heap."""
    w, link = k.w, c.link
    x = nth(k.xs, i)
    w.births += 1
    x.timer_s, x.timer_birth = w.now_s + timeout_s, w.births
    if timeout_s != link.timeout_s:
        x.timer = HEAPED
        push_timed(k.timed, w.timed, x.timer_s, x.timer_birth, -1 - i)
        w.timed += 1
        return
    x.timer = LISTED
    x.timer_before, x.timer_after = link.timer_last, -1
    if link.timer_last >= 0:
        nth(k.xs, link.timer_last).timer_after = i
    else:
        link.timer_first = i
    link.timer_last = i


@jit
def stop_timer(k: Any, c: Any, i: int) -> None:
    """Call the timeout off; on the heap it stays until it surfaces, and is then not ours any more."""
    x, link = nth(k.xs, i), c.link
    if x.timer == LISTED:
        if x.timer_before >= 0:
            nth(k.xs, x.timer_before).timer_after = x.timer_after
        else:
            link.timer_first = x.timer_after
        if x.timer_after >= 0:
            nth(k.xs, x.timer_after).timer_before = x.timer_before
        else:
            link.timer_last = x.timer_before
    x.timer = OFF


@jit
def set_out(k: Any, i: int, wait_s: float) -> None:
    """Write down when exchange `i` will be at the end of the list it now joins."""
    w, x = k.w, nth(k.xs, i)
    w.births += 1
    x.road_s, x.road_birth, x.road_after = w.now_s + wait_s, w.births, -1


@jit
def travel(k: Any, i: int) -> None:
    """A request or a reply is on its way."""
    w = k.w
    set_out(k, i, k.r.one_way_s)
    if w.road_last >= 0:
        nth(k.xs, w.road_last).road_after = i
    else:
        w.road_first = i
    w.road_last = i


@jit
def join_line(k: Any, i: int) -> None:
    """Wait at the end of the server's line."""
    w, x = k.w, nth(k.xs, i)
    x.line_before, x.line_after = w.line_last, -1
    if w.line_last >= 0:
        nth(k.xs, w.line_last).line_after = i
    else:
        w.line_first = i
    w.line_last = i
    w.waiting += 1


@jit
def quit_line(k: Any, i: int) -> None:
    """Leave the line, from wherever one stands."""
    w, x = k.w, nth(k.xs, i)
    if x.line_before >= 0:
        nth(k.xs, x.line_before).line_after = x.line_after
    else:
        w.line_first = x.line_after
    if x.line_after >= 0:
        nth(k.xs, x.line_after).line_before = x.line_before
    else:
        w.line_last = x.line_before
    w.waiting -= 1


@jit
def forget(app: Any, slot: int) -> None:
    """One less works for a wish; its row is free after the last."""
    if app is None:
        return
    if slot >= 0:
        wish, a = nth(app.wishes, slot), app.a
        wish.refs -= 1
        if wish.refs == 0:
            wish.free_after = a.free_wish
            a.free_wish = slot
            a.wishes -= 1


@jit
def release(k: Any, app: Any, i: int) -> None:
    """Use the slot of exchange `i` again, if its caller has gone and nothing of it is under way; once only."""
    w, x = k.w, nth(k.xs, i)
    if x.over == 1 and x.path == 0 and x.kept == 0:
        x.path = -1
        x.number = -1
        x.attempt = np.uint64(0)
        forget(app, whole(x.wish))
        x.free_after = w.free_exchange
        w.free_exchange = i
        w.in_exchanges -= 1
