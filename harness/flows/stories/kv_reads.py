"""A caller that reads one key of the table store: the smallest story, for questions about one server and its clients.

With no app between there is one layer of retries and one queue, so published results about a single station (a slow
dependency with timeouts and retries, say) can be put to the real thing.

    POST /read {"table", "key"}     table "users", keys "0" to "<users - 1>", all alike
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from harness.flows.call import CallResult
from harness.flows.stories.base import Story, StoryContext, ask
from harness.flows.wants import Answer, Request, Want

STORY: Final = Story("kv_reads", "kv", ("read",))
TABLE: Final = "users"


def request_of(ctx: StoryContext, op: int) -> Request:
    """What operation `op` asks for; the same in every variant of an experiment."""
    return Request(ctx.kind(op), {"table": TABLE, "key": str(ctx.user(op))}, write=False)


def operation(
    ctx: StoryContext, op: int, now_s: float, deadline_s: float | None = None
) -> Generator[Want, Answer, CallResult]:
    """One read, with the caller's own retries."""
    due_s = now_s + ctx.deadline_s if deadline_s is None else deadline_s
    return ask(ctx, STORY.app, request_of(ctx, op), op, now_s, due_s)
