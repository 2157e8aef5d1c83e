"""A caller of functions: most wait for the result, some only hand an event in.

The two show different sides of one outage. Who waits is refused while environments are busy, and knows at once. Who
hands an event in hears "accepted" all along; what becomes of it is in the functions' event queue, not in this story's
outcome.

    POST /invoke {"function"}          good when it has run
    POST /invoke_async {"function"}    good when it is accepted
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from harness.flows.call import CallResult
from harness.flows.stories.base import Story, StoryContext, ask
from harness.flows.wants import Answer, Request, Want

STORY: Final = Story("invokes", "functions", ("invoke", "invoke_async"))


def request_of(ctx: StoryContext, op: int) -> Request:
    """What operation `op` asks for; the same in every variant of an experiment."""
    return Request(ctx.kind(op), {"function": f"user-{ctx.user(op)}"})


def operation(
    ctx: StoryContext, op: int, now_s: float, deadline_s: float | None = None
) -> Generator[Want, Answer, CallResult]:
    """One invoke, with the caller's own retries."""
    due_s = now_s + ctx.deadline_s if deadline_s is None else deadline_s
    return ask(ctx, STORY.app, request_of(ctx, op), op, now_s, due_s)
