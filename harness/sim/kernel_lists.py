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
        up = (k - 1) >> 1
        if not before(at_s, birth, heap[up].at_s, heap[up].birth):
            break
        heap[k].at_s, heap[k].birth, heap[k].ref = heap[up].at_s, heap[up].birth, heap[up].ref
        k = up
    heap[k].at_s, heap[k].birth, heap[k].ref = at_s, birth, ref


@jit
def pop_timed(heap: Any, size: int) -> None:
    """Take the first event off the heap of `size`."""
    last = size - 1
    at_s, birth, ref = heap[last].at_s, heap[last].birth, heap[last].ref
    k = 0
    while True:
        down = 2 * k + 1
        if down >= last:
            break
        if down + 1 < last and before(heap[down + 1].at_s, heap[down + 1].birth, heap[down].at_s, heap[down].birth):
            down += 1
        if not before(heap[down].at_s, heap[down].birth, at_s, birth):
            break
        heap[k].at_s, heap[k].birth, heap[k].ref = heap[down].at_s, heap[down].birth, heap[down].ref
        k = down
    heap[k].at_s, heap[k].birth, heap[k].ref = at_s, birth, ref


@jit
def push_end(heap: Any, size: int, at_s: float, number: int, slot: int) -> None:
    """Put the end of a service on the heap of `size`."""
    k = size
    while k > 0:
        up = (k - 1) >> 1
        if not before(at_s, number, heap[up].at_s, heap[up].number):
            break
        heap[k].at_s, heap[k].number, heap[k].slot = heap[up].at_s, heap[up].number, heap[up].slot
        k = up
    heap[k].at_s, heap[k].number, heap[k].slot = at_s, number, slot


@jit
def pop_end(heap: Any, size: int) -> None:
    """Take the first end off the heap of `size`."""
    last = size - 1
    at_s, number, slot = heap[last].at_s, heap[last].number, heap[last].slot
    k = 0
    while True:
        down = 2 * k + 1
        if down >= last:
            break
        if down + 1 < last and before(heap[down + 1].at_s, heap[down + 1].number, heap[down].at_s, heap[down].number):
            down += 1
        if not before(heap[down].at_s, heap[down].number, at_s, number):
            break
        heap[k].at_s, heap[k].number, heap[k].slot = heap[down].at_s, heap[down].number, heap[down].slot
        k = down
    heap[k].at_s, heap[k].number, heap[k].slot = at_s, number, slot


@jit
def set_timer(w: Any, xs: Any, timed: Any, i: int, timeout_s: float, usual: bool) -> None:
    """Give up on exchange `i` in `timeout_s`; the usual timeout is a list, a shortened one goes on the heap."""
    x = xs[i]
    w.births += 1
    x.timer_s, x.timer_birth = w.now_s + timeout_s, w.births
    if not usual:
        x.timer = HEAPED
        push_timed(timed, w.timed, x.timer_s, x.timer_birth, -1 - i)
        w.timed += 1
        return
    x.timer = LISTED
    x.timer_before, x.timer_after = w.timer_last, -1
    if w.timer_last >= 0:
        xs[w.timer_last].timer_after = i
    else:
        w.timer_first = i
    w.timer_last = i


@jit
def stop_timer(w: Any, xs: Any, i: int) -> None:
    """Call the timeout off; on the heap it stays until it surfaces, and is then not ours any more."""
    x = xs[i]
    if x.timer == LISTED:
        if x.timer_before >= 0:
            xs[x.timer_before].timer_after = x.timer_after
        else:
            w.timer_first = x.timer_after
        if x.timer_after >= 0:
            xs[x.timer_after].timer_before = x.timer_before
        else:
            w.timer_last = x.timer_before
    x.timer = OFF


@jit
def set_out(w: Any, xs: Any, i: int, wait_s: float) -> None:
    """Write down when exchange `i` will be at the end of the list it now joins."""
    w.births += 1
    xs[i].road_s, xs[i].road_birth, xs[i].road_after = w.now_s + wait_s, w.births, -1


@jit
def travel(w: Any, r: Any, xs: Any, i: int) -> None:
    """A request or a reply is on its way."""
    set_out(w, xs, i, r.one_way_s)
    if w.road_last >= 0:
        xs[w.road_last].road_after = i
    else:
        w.road_first = i
    w.road_last = i


@jit
def connect(w: Any, r: Any, xs: Any, i: int) -> None:
    """A connection is being opened."""
    set_out(w, xs, i, r.connect_s)
    if w.connect_last >= 0:
        xs[w.connect_last].road_after = i
    else:
        w.connect_first = i
    w.connect_last = i


@jit
def resolve(w: Any, r: Any, xs: Any, i: int) -> None:
    """Look the name up: in the cache, else by a query, which those who come meanwhile wait for too."""
    if w.now_s < w.dns_until_s:
        set_out(w, xs, i, 0.0)
        if w.found_last >= 0:
            xs[w.found_last].road_after = i
        else:
            w.found_first = i
        w.found_last = i
        return
    xs[i].road_after = -1
    if w.asking_last >= 0:
        xs[w.asking_last].road_after = i
    else:
        w.asking_first = i
    w.asking_last = i
    if w.asking == 0:
        w.asking = 1
        w.births += 1
        w.asked_s, w.asked_birth = w.now_s + r.query_s / 2, w.births


@jit
def join_line(w: Any, xs: Any, i: int) -> None:
    """Wait at the end of the server's line."""
    x = xs[i]
    x.line_before, x.line_after = w.line_last, -1
    if w.line_last >= 0:
        xs[w.line_last].line_after = i
    else:
        w.line_first = i
    w.line_last = i
    w.waiting += 1


@jit
def quit_line(w: Any, xs: Any, i: int) -> None:
    """Leave the line, from wherever one stands."""
    x = xs[i]
    if x.line_before >= 0:
        xs[x.line_before].line_after = x.line_after
    else:
        w.line_first = x.line_after
    if x.line_after >= 0:
        xs[x.line_after].line_before = x.line_before
    else:
        w.line_last = x.line_before
    w.waiting -= 1


@jit
def release(w: Any, xs: Any, i: int) -> None:
    """Use the slot of exchange `i` again, if its caller has gone and nothing of it is under way; once only."""
    x = xs[i]
    if x.over == 1 and x.path == 0 and x.kept == 0:
        x.path = -1
        x.number = -1
        x.attempt = np.uint64(0)
        x.free_after = w.free_exchange
        w.free_exchange = i
        w.in_exchanges -= 1
