"""Conversations in the kernel: rows that begin and end, and the connections that one of them leaves behind."""

from __future__ import annotations

from typing import Any

from harness.sim.kernel_draws import ZERO
from harness.sim.kernel_jit import jit
from harness.sim.kernel_lists import release
from harness.sim.kernel_memory import nth, whole
from harness.sim.kernel_state import BETWEEN, FREE, SENDING
from harness.sim.kernel_store import gave_up

NOBODY = ZERO  # the parent of attempts that no attempt waits for


@jit
def take_talk(k: Any, layer: int, op: Any) -> Any:
    """A row for a conversation."""
    w = k.w
    j = w.free_talk
    t = nth(k.ts, j)
    w.free_talk = t.free_after
    w.in_talks += 1
    t.number = w.numbers
    w.numbers += 1
    t.layer, t.op, t.parent, t.state = layer, op, NOBODY, SENDING
    t.kept_first, t.kept_last, t.wish, t.inbound, t.tries, t.exchange = -1, -1, -1, -1, 0, -1
    return j


@jit
def free_talk(k: Any, c: Any, j: int) -> None:
    """The conversation is over."""
    w, t = k.w, nth(k.ts, j)
    if t.state == BETWEEN:
        c.link.between -= 1
    t.state = FREE
    t.free_after = w.free_talk
    w.free_talk = j
    w.in_talks -= 1


@jit
def hang_up_on_store(k: Any, app: Any, i: int) -> None:
    """Close the connection to the store unless its answer has come; that is how it can notice."""
    x = nth(k.xs, i)
    if x.answered == 0 and x.gone == 0:
        x.gone = 1
        if x.arrived == 1:
            gave_up(k, app, i)


@jit
def let_go(k: Any, app: Any, t: Any) -> None:
    """Close the connections that were kept for late replies, in order of sending."""
    i = whole(t.kept_first)
    t.kept_first = t.kept_last = -1
    while i >= 0:
        x = nth(k.xs, i)
        following = whole(x.kept_after)
        hang_up_on_store(k, app, i)
        x.kept = 0
        release(k, app, i)
        i = following
