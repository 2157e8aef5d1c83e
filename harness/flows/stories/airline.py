"""Passengers who check in and show their boarding pass, and crews who cannot fly as planned.

    POST /check_in {"user", "key"}           the key is the number of the operation
    POST /boarding_pass {"user"}
    POST /crew_change {"crew", "key"}        crews 0 to 59, all alike

When a passenger's check-in closes is the airline's to know (`harness.models.apps.windows`). Leaves out: passengers who
come back after an error, and those who never come.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from harness.flows.call import CallResult
from harness.flows.stories.base import Story, StoryContext, ask
from harness.flows.wants import Answer, Request, Want

STORY: Final = Story("airline", "airline", ("check_in", "boarding_pass", "crew_change"))
CREWS: Final = 60
_CREW = 2  # the number of a draw; 0 and 1 are the context's own


def request_of(ctx: StoryContext, op: int) -> Request:
    """What operation `op` asks for; the same in every variant of an experiment."""
    kind = ctx.kind(op)
    if kind == "crew_change":
        return Request("crew_change", {"crew": int(ctx.draw(_CREW, op) * CREWS), "key": op})
    if kind == "boarding_pass":
        return Request("boarding_pass", {"user": ctx.user(op)}, write=False)
    return Request("check_in", {"user": ctx.user(op), "key": op})


def operation(
    ctx: StoryContext, op: int, now_s: float, deadline_s: float | None = None
) -> Generator[Want, Answer, CallResult]:
    """One check-in, one look at a pass or one change, with the passenger's own retries."""
    due_s = now_s + ctx.deadline_s if deadline_s is None else deadline_s
    return ask(ctx, STORY.app, request_of(ctx, op), op, now_s, due_s)
