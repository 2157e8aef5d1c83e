"""A ward: records are read, charts written, people paged, plans looked up.

A chart carries an idempotency key, the number of its operation: a nurse whose tablet tries again does not chart twice.

    POST /read     {"patient"}
    POST /chart    {"patient", "key"}
    POST /page     {"ward"}
    POST /schedule {"ward"}

Leaves out: nurses who come back by themselves after an error, and what is in a chart.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from harness.flows.call import CallResult
from harness.flows.stories.base import Story, StoryContext, ask
from harness.flows.wants import Answer, Request, Want

STORY: Final = Story("hospital", "hospital", ("read", "chart", "page", "schedule"))
BEDS: Final = 20  # of a ward


def request_of(ctx: StoryContext, op: int) -> Request:
    """What operation `op` asks for; the same in every variant of an experiment."""
    patient, kind = ctx.user(op), ctx.kind(op)
    if kind == "chart":
        return Request("chart", {"patient": patient, "key": op})
    if kind == "read":
        return Request("read", {"patient": patient}, write=False)
    return Request(kind, {"ward": patient // BEDS}, write=False)


def operation(
    ctx: StoryContext, op: int, now_s: float, deadline_s: float | None = None
) -> Generator[Want, Answer, CallResult]:
    """One thing done on the ward, with the tablet's own retries."""
    due_s = now_s + ctx.deadline_s if deadline_s is None else deadline_s
    return ask(ctx, STORY.app, request_of(ctx, op), op, now_s, due_s)
