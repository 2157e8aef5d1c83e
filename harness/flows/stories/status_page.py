"""People who look at the public health page: one question, which says what everybody else was told at that time.

    POST /page {}

Leaves out: that people come to look when something is wrong; their rate is the experiment's.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from harness.flows.call import CallResult
from harness.flows.stories.base import Story, StoryContext, ask
from harness.flows.wants import Answer, Request, Want

STORY: Final = Story("status_page", "status", ("page",))


def request_of(ctx: StoryContext, op: int) -> Request:
    """What operation `op` asks for."""
    return Request(ctx.kind(op), {}, write=False)


def operation(
    ctx: StoryContext, op: int, now_s: float, deadline_s: float | None = None
) -> Generator[Want, Answer, CallResult]:
    """One look at the page."""
    due_s = now_s + ctx.deadline_s if deadline_s is None else deadline_s
    return ask(ctx, STORY.app, request_of(ctx, op), op, now_s, due_s)
