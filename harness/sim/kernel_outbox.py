"""The kernel's outbox: `models/outbox.py` over tables.

Items are the WISH rows of operations that are owed; a heap holds them by when they may go, with void entries left in
until they surface. The pace is asked of its policy; senders, gate and retry wait are restated.

    add, settle, sent, failed     as there
    next_s, take_next             when the next item may go, and which
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from harness.policies.pacing import Pace, PaceSpec
from harness.sim.kernel_draws import after, draw_after
from harness.sim.kernel_jit import jit
from harness.sim.kernel_lists import forget, pop_timed, push_timed
from harness.sim.kernel_memory import nth
from harness.sim.kernel_steps import pace_ready_s, pace_take


@jit
def push_due(app: Any, slot: int, due_s: float) -> None:
    """The item may go at `due_s`."""
    a = app.a
    a.births += 1
    nth(app.wishes, slot).queued = a.births
    a.queued += 1
    push_timed(app.due, a.due, due_s, a.births, slot)
    a.due += 1


@jit
def remove(app: Any, slot: int) -> None:
    """Nothing is owed any more."""
    a, wish = app.a, nth(app.wishes, slot)
    if wish.boxed == 0:
        return
    wish.boxed = 0
    a.items -= 1
    a.sending -= wish.sending
    wish.sending = 0
    if wish.queued != 0:
        wish.queued = 0
        a.queued -= 1
    forget(app, slot)


@jit
def add(app: Any, slot: int, now_s: float) -> None:
    """Owe it, from now; a full box loses it."""
    a, wish = app.a, nth(app.wishes, slot)
    if wish.boxed == 0 and a.items < a.capacity:
        wish.boxed, wish.tries = 1, 0
        wish.refs += 1
        a.items += 1
        push_due(app, slot, now_s)


@jit
def failed(app: Any, slot: int, now_s: float) -> None:
    """A replay was not confirmed: again after the retry wait, unless it was settled meanwhile."""
    a, wish = app.a, nth(app.wishes, slot)
    if wish.boxed == 1 and wish.sending == 1:
        wish.sending = 0
        a.sending -= 1
        u = draw_after(after(a.retry_luck, wish.op), np.uint64(wish.tries))
        push_due(app, slot, now_s + a.retry_wait_s * (1.0 + u))


@jit
def next_s(app: Any) -> Any:
    """The first moment at which an item may go: inf while shut, empty or all senders are busy."""
    a = app.a
    if a.is_open == 0 or a.sending >= a.senders:
        return math.inf
    while a.due > 0:
        first = nth(app.due, 0)
        if nth(app.wishes, first.ref).queued == first.birth:
            if a.paced == 1:
                return max(first.at_s, pace_ready_s(PaceSpec(a.interval_s, a.burst), Pace(a.pace_tat_s)))
            return first.at_s
        pop_timed(app.due, a.due)
        a.due -= 1
    return math.inf


@jit
def take_next(app: Any, now_s: float) -> Any:
    """The item that goes now, for `next_s` has come."""
    a = app.a
    if a.paced == 1:
        pace, _ = pace_take(PaceSpec(a.interval_s, a.burst), Pace(a.pace_tat_s), now_s)
        a.pace_tat_s = pace.tat_s
    slot = nth(app.due, 0).ref
    pop_timed(app.due, a.due)
    a.due -= 1
    wish = nth(app.wishes, slot)
    wish.queued = 0
    a.queued -= 1
    wish.tries += 1
    wish.sending = 1
    a.sending += 1
    return slot
