"""Users who start an instance, wait until it can be reached, and replace it when that takes too long.

An instance is attached to the network at once and reachable later. Nobody is told when, so a user looks: soon at
first, then less and less often. Who waits in vain for a third of their deadline believes the instance broken, as
automation does too, and replaces it: detach this one, attach another, wait anew. The operation is good when one of the
instances is reachable before the deadline. Whoever gives up takes their last instance away.

    POST /attach {"instance"}      refused (429)? Back off, and attach the same one again: nothing is there to replace
    POST /reachable {"instance"}   after 0.5 s, then after twice as long each time
    POST /detach {"instance"}      on replacing and on giving up; always, even when the deadline is over

Each call is one of the story's client, with its own retries; calls are numbered through the operation, so no two of
their attempts share an id. Leaves out: what the instance is for, and its end in good health.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from harness.flows.call import CallResult, call
from harness.flows.stories.base import Story, StoryContext
from harness.flows.wants import Answer, Reply, Request, Result, Wait, Want

STORY: Final = Story("instances", "network", ("start",))
TRIES: Final = 3  # instances one user starts at most; each gets its share of the deadline
FIRST_LOOK_S: Final = 0.5
NUMBERS_FROM: Final = 1 << 40  # instances that others start (a launch, say) have lower numbers
_JITTER = 2  # number of the draw; 0 and 1 are the context's own


def instance_of(op: int, nth: int) -> int:
    """The number of the `nth` instance of operation `op`."""
    return NUMBERS_FROM + op * TRIES + nth


def operation(
    ctx: StoryContext, op: int, now_s: float, deadline_s: float | None = None
) -> Generator[Want, Answer, CallResult]:
    """Start one instance, replaced when need be; ends with the answer that decided."""
    due_s = now_s + ctx.deadline_s if deadline_s is None else deadline_s
    start = _Start(ctx, op, due_s)
    patience_s = (due_s - now_s) / TRIES
    nth = 0
    while True:
        instance = instance_of(op, nth)
        nth += 1
        result = yield from start.attach(instance, now_s)
        if result.ok:
            until_s = due_s if nth == TRIES else min(due_s, result.ended_s + patience_s)
            result = yield from start.watch(instance, result.ended_s, max(until_s, result.ended_s))
            if result.ok:
                return result
        elif result.reply.result is Result.REFUSED:  # so there is nothing to take away
            return result
        gone = yield from start.ask("detach", instance, result.ended_s, result.ended_s + ctx.client.spec.deadline_s)
        now_s = gone.ended_s
        if nth == TRIES or now_s >= due_s:
            return result


class _Start:
    """One operation under way: its calls, numbered."""

    def __init__(self, ctx: StoryContext, op: int, due_s: float) -> None:
        self.ctx = ctx
        self.op = op
        self.due_s = due_s
        self.calls = 0

    def ask(self, what: str, instance: int, now_s: float, until_s: float) -> Generator[Want, Answer, CallResult]:
        """One call, with the client's retries."""
        call_no, self.calls = self.calls, self.calls + 1
        request = Request(what, {"instance": instance}, write=what != "reachable")
        return call(
            self.ctx.client, STORY.app, request, op=self.op, layer=0, parent_id=0, call_no=call_no, now_s=now_s,
            deadline_s=until_s,
        )  # fmt: skip

    def attach(self, instance: int, now_s: float) -> Generator[Want, Answer, CallResult]:
        """Attach, and back off while refused; the last answer when the deadline leaves no time for another."""
        pause_s = FIRST_LOOK_S * (0.5 + self.ctx.draw(_JITTER, self.op))
        while True:
            result = yield from self.ask("attach", instance, now_s, self.due_s)
            now_s = result.ended_s
            if result.ok or now_s + pause_s >= self.due_s:
                return result
            now_s = yield from _until(now_s + pause_s)
            pause_s *= 2.0

    def watch(self, instance: int, now_s: float, until_s: float) -> Generator[Want, Answer, CallResult]:
        """Look until it is reachable (then the result is ok) or `until_s` has come."""
        pause_s = FIRST_LOOK_S
        while True:
            now_s = yield from _until(min(now_s + pause_s, until_s))
            # The last look is due when the time is up, and may take a moment more: a client sends nothing too late.
            result = yield from self.ask("reachable", instance, now_s, max(until_s, now_s) + FIRST_LOOK_S)
            if result.ok and (result.reply.body or {}).get("reachable"):
                return result
            result, now_s = result._replace(ok=False), result.ended_s
            if now_s >= until_s:
                return result
            pause_s *= 2.0


def _until(until_s: float) -> Generator[Want, Answer, float]:
    answer = yield Wait(until_s)
    return answer.ended_s if isinstance(answer, Reply) else answer  # a late reply ends a wait early
