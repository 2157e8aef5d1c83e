"""Producers of messages: those who send and forget, and those who want to know what became of it.

Sending goes well through most outages of whatever takes the messages, so senders see nothing while the queue grows;
that is the point of a queue, and why its age is what one must look at. An order is the other kind: its sender looks for
the result in the table store, where the functions that took the message write it, and gives up at the deadline.

    send     POST queue/send {"body": {"user"}}              good when it is accepted
    order    POST queue/send {"body": {"user", "op"}}        then, 0.5 s later and every second from there,
             POST kv/read {"table": "results", "key": op}    good when the result is there

A retry after a time-out may put the same body into the queue twice; the result of an order has one key, so it does no
harm. An order that is not good in time is not taken back: its message is still worked on later, for nobody.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from harness.flows.call import CallResult, call
from harness.flows.stories.base import Story, StoryContext, ask
from harness.flows.wants import Answer, Cause, Reply, Request, Result, Wait, Want

STORY: Final = Story("messages", "queue", ("send", "order"))
STORE: Final = "kv"
RESULTS: Final = "results"
FIRST_LOOK_S: Final = 0.5
LOOK_EVERY_S: Final = 1.0


def request_of(ctx: StoryContext, op: int) -> Request:
    """What operation `op` sends; the same in every variant of an experiment."""
    user = ctx.user(op)
    return Request("send", {"body": {"user": user, "op": op} if ctx.kind(op) == "order" else {"user": user}})


def operation(
    ctx: StoryContext, op: int, now_s: float, deadline_s: float | None = None
) -> Generator[Want, Answer, CallResult]:
    """One message, with the producer's own retries, and for an order its result."""
    due_s = now_s + ctx.deadline_s if deadline_s is None else deadline_s
    result = yield from ask(ctx, STORY.app, request_of(ctx, op), op, now_s, due_s)
    if not result.ok or ctx.kind(op) == "send":
        return result
    attempts, look_s, looks = result.attempts, result.ended_s + FIRST_LOOK_S, 0
    while look_s < due_s:
        now_s = yield Wait(look_s)
        look_s, looks = now_s + LOOK_EVERY_S, looks + 1
        read = Request("read", {"table": RESULTS, "key": str(op)}, write=False)
        result = yield from call(
            ctx.client, STORE, read, op=op, layer=0, parent_id=0, call_no=looks, now_s=now_s, deadline_s=due_s
        )
        attempts += result.attempts
        if result.ok and (result.reply.body or {}).get("item"):
            return result._replace(attempts=attempts)
        look_s = max(look_s, result.ended_s)
    now_s = yield Wait(due_s)
    return CallResult(False, Reply(Result.TIMEOUT, 0, Cause.TIMEOUT, now_s), attempts, now_s, False)
