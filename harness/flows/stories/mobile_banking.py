"""Bank customers with a phone: they send money, and look at what is left.

A transfer carries an idempotency key, the number of its operation, so a customer's app may try again without paying
twice: the reply may have been lost after the money moved. A balance changes nothing. Both need a session at the app,
which the app keeps or rebuilds; the customer only gives their number.

    POST /transfer {"user", "to", "amount", "key"}     amount in pence, 1 to 10,000
    POST /balance  {"user"}

Leaves out: customers who come back by themselves after an error, and sums that depend on the balance.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final

from harness.flows.call import CallResult
from harness.flows.stories.base import Story, StoryContext, ask
from harness.flows.wants import Answer, Request, Want

STORY: Final = Story("mobile_banking", "mobile_banking", ("transfer", "balance"))
AMOUNT_MAX: Final = 10_000  # pence
_TO, _AMOUNT = 2, 3  # numbers of draws; 0 and 1 are the context's own


def request_of(ctx: StoryContext, op: int) -> Request:
    """What operation `op` asks for; the same in every variant of an experiment."""
    user = ctx.user(op)
    if ctx.kind(op) == "balance":
        return Request("balance", {"user": user}, write=False)
    params: dict[str, Any] = {
        "user": user,
        "to": payee(user, ctx.users, ctx.draw(_TO, op)),
        "amount": 1 + int(ctx.draw(_AMOUNT, op) * AMOUNT_MAX),
        "key": op,
    }
    return Request("transfer", params)


def payee(user: int, users: int, u: float) -> int:
    """Somebody else, all alike; a customer who is alone pays an account outside, number 1."""
    return (user + 1 + int(u * (users - 1))) % max(users, 2)


def operation(
    ctx: StoryContext, op: int, now_s: float, deadline_s: float | None = None
) -> Generator[Want, Answer, CallResult]:
    """One transfer or one look at the balance, with the customer's own retries."""
    due_s = now_s + ctx.deadline_s if deadline_s is None else deadline_s
    return ask(ctx, STORY.app, request_of(ctx, op), op, now_s, due_s)
