"""Hungry people: they look at a menu, order, and look where the driver is.

An order carries an idempotency key, the number of its operation, so that a customer's app may try again without paying
twice. Looking at the map changes nothing and is worth little: it is the first thing to go when there is too much to do.

    POST /order {"user", "restaurant", "key"}     restaurants 0 to 39, all alike
    POST /quote {"restaurant"}
    POST /location {"driver"}                     one driver for every ten users

Leaves out: customers who order again after an error, and drivers who report where they are.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from harness.flows.call import CallResult
from harness.flows.stories.base import Story, StoryContext, ask
from harness.flows.wants import Answer, Request, Want

STORY: Final = Story("food_delivery", "food_delivery", ("order", "quote", "location"))
RESTAURANTS: Final = 40
USERS_PER_DRIVER: Final = 10
_RESTAURANT = 2  # the number of a draw; 0 and 1 are the context's own


def request_of(ctx: StoryContext, op: int) -> Request:
    """What operation `op` asks for; the same in every variant of an experiment."""
    kind, user = ctx.kind(op), ctx.user(op)
    if kind == "location":
        return Request("location", {"driver": user // USERS_PER_DRIVER}, write=False)
    restaurant = int(ctx.draw(_RESTAURANT, op) * RESTAURANTS)
    if kind == "quote":
        return Request("quote", {"restaurant": restaurant}, write=False)
    return Request("order", {"user": user, "restaurant": restaurant, "key": op})


def operation(
    ctx: StoryContext, op: int, now_s: float, deadline_s: float | None = None
) -> Generator[Want, Answer, CallResult]:
    """One order or one look, with the customer's own retries."""
    due_s = now_s + ctx.deadline_s if deadline_s is None else deadline_s
    return ask(ctx, STORY.app, request_of(ctx, op), op, now_s, due_s)
