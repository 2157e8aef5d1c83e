"""Users who launch instances and, now and then, terminate one: the callers of `compute`.

    POST /launch {purpose, owner, run_for_s, token}     an instance that ends by itself after RUN_FOR_S
    POST /terminate {owner}                             the owner's oldest, if one is left

Instances end by themselves so that demand for droplets is steady: launches a second x RUN_FOR_S of them are up. The
token is the operation, so that a second try of the same launch is not a second instance.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from harness.flows.call import CallResult
from harness.flows.stories.base import Story, StoryContext, ask
from harness.flows.wants import Answer, Request, Want

STORY: Final = Story("launches", "compute", ("launch", "terminate"))
RUN_FOR_S: Final = 3.0


def request_of(ctx: StoryContext, op: int) -> Request:
    """What operation `op` asks for; the same in every variant of an experiment."""
    owner = ctx.user(op)
    if ctx.kind(op) == "terminate":
        return Request("terminate", {"owner": owner})
    return Request("launch", {"purpose": "user", "owner": owner, "run_for_s": RUN_FOR_S, "token": f"launches-{op}"})


def operation(
    ctx: StoryContext, op: int, now_s: float, deadline_s: float | None = None
) -> Generator[Want, Answer, CallResult]:
    """One launch or one termination, with the user's own retries."""
    due_s = now_s + ctx.deadline_s if deadline_s is None else deadline_s
    return ask(ctx, STORY.app, request_of(ctx, op), op, now_s, due_s)
