"""Visitors of a site behind a load balancer: each wants one page, soon.

    POST /route {"user"}     users 0 to <users - 1>, all alike

Which target serves it is none of a visitor's business. What they feel of a balancer is capacity: pages get slow when
targets are taken out, and there are none when all are.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from harness.flows.call import CallResult
from harness.flows.stories.base import Story, StoryContext, ask
from harness.flows.wants import Answer, Request, Want

STORY: Final = Story("pages", "balancer", ("route",))


def request_of(ctx: StoryContext, op: int) -> Request:
    """What operation `op` asks for; the same in every variant of an experiment."""
    return Request(ctx.kind(op), {"user": ctx.user(op)}, write=False)


def operation(
    ctx: StoryContext, op: int, now_s: float, deadline_s: float | None = None
) -> Generator[Want, Answer, CallResult]:
    """One page, with the visitor's own retries."""
    due_s = now_s + ctx.deadline_s if deadline_s is None else deadline_s
    return ask(ctx, STORY.app, request_of(ctx, op), op, now_s, due_s)
