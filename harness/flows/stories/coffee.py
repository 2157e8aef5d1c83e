"""People on their way to a coffee: they look at the menu, order ahead, and collect points at the till.

    POST /menu {"store"}                          stores 0 to 29, all alike
    POST /order_ahead {"user", "item", "key"}     items 0 to 19; the key is the number of the operation
    POST /earn {"user", "points", "key"}          1 to 10 points for a purchase

Leaves out: the morning rush (give the load a surge), and customers who walk away from a line.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from harness.flows.call import CallResult
from harness.flows.stories.base import Story, StoryContext, ask
from harness.flows.wants import Answer, Request, Want

STORY: Final = Story("coffee", "coffee", ("order_ahead", "earn", "menu"))
STORES: Final = 30
ITEMS: Final = 20
POINTS_MAX: Final = 10
_CHOICE = 2  # the number of a draw; 0 and 1 are the context's own


def request_of(ctx: StoryContext, op: int) -> Request:
    """What operation `op` asks for; the same in every variant of an experiment."""
    kind, user, u = ctx.kind(op), ctx.user(op), ctx.draw(_CHOICE, op)
    if kind == "menu":
        return Request("menu", {"store": int(u * STORES)}, write=False)
    if kind == "earn":
        return Request("earn", {"user": user, "points": 1 + int(u * POINTS_MAX), "key": op})
    return Request("order_ahead", {"user": user, "item": int(u * ITEMS), "key": op})


def operation(
    ctx: StoryContext, op: int, now_s: float, deadline_s: float | None = None
) -> Generator[Want, Answer, CallResult]:
    """One order, one purchase or one look, with the customer's own retries."""
    due_s = now_s + ctx.deadline_s if deadline_s is None else deadline_s
    return ask(ctx, STORY.app, request_of(ctx, op), op, now_s, due_s)
