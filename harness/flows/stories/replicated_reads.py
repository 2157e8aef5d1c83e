"""A caller with two providers: it reads, and now and then writes, a user's item at `kv` or at `provider`.

The smallest program that fails over. Each kind of operation is a way to use two providers (`harness.flows.failover`),
so the `mix` of an experiment says which: all calls of one process share what it knows of both sides.

    single           always the first: static stability, and the first's outage is felt
    active_passive   the second while the first is down: its herd is felt there
    active_active    half of the users at each; those of a side that is down go to the other

One operation in ten is a write, the rest are reads. The caller remembers where and when it last wrote an item. If that
was at the first, it tells the second (`seen_s`), which then knows whether its copy is older than that.

Leaves out: several items at once, and bringing what was written at the second home again.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final

from harness import seeds
from harness.flows.call import CallResult, Client
from harness.flows.failover import FIRST, SECOND, Failover, FailoverSpec
from harness.flows.stories.base import Story, StoryContext
from harness.flows.wants import Answer, Request, Want

STORY: Final = Story("replicated_reads", "kv", ("active_passive", "active_active", "single"))
TARGETS: Final = ("kv", "provider")
TABLE: Final = "users"
WRITE_SHARE: Final = 0.1
_WRITES = 2  # the number of a draw; 0 and 1 are the context's own
_HOME = seeds.stream_id("replicated_reads/home")


def request_of(ctx: StoryContext, op: int, side: int = FIRST) -> Request:
    """What operation `op` asks of a side; but for what the caller remembers, the same in every variant."""
    key = str(ctx.user(op))
    params: dict[str, Any] = {"table": TABLE, "key": key}
    writes = ctx.draw(_WRITES, op) < WRITE_SHARE
    if writes:
        params = {"writes": [{"table": TABLE, "key": key, "put": {"op": op}}], "token": f"put-{op}"}
    where, when_s = _written(ctx).get(key, (SECOND, 0.0))
    if side == SECOND and where == FIRST:
        params["seen_s"] = when_s
    return Request("write" if writes else "read", params, write=writes)


def operation(
    ctx: StoryContext, op: int, now_s: float, deadline_s: float | None = None
) -> Generator[Want, Answer, CallResult]:
    """One read or write, at whichever side the policy says."""
    due_s = now_s + ctx.deadline_s if deadline_s is None else deadline_s
    user = ctx.user(op)
    result, side = yield from _failover(ctx, ctx.kind(op), now_s).call(
        lambda side: request_of(ctx, op, side), seeds.draw(ctx.seed, _HOME, user), op=op, layer=0, parent_id=0,
        call_no=0, now_s=now_s, deadline_s=due_s,
    )  # fmt: skip
    if result.ok and ctx.draw(_WRITES, op) < WRITE_SHARE:
        _written(ctx)[str(user)] = side, result.ended_s
    return result


def _written(ctx: StoryContext) -> dict[str, tuple[int, float]]:
    """Where and when this caller last wrote each item."""
    written: dict[str, tuple[int, float]] = ctx.memory.setdefault("written", {})
    return written


def _failover(ctx: StoryContext, mode: str, now_s: float) -> Failover:
    """What this process knows of both sides; one memory for each kind of operation."""
    known: dict[str, Failover] = ctx.memory.setdefault("failover", {})
    if mode not in known:
        standby = Client(ctx.client.spec, ctx.client.seed, f"load/{STORY.name}/{TARGETS[SECOND]}", now_s)
        spec = FailoverSpec(mode="none" if mode == "single" else mode)
        known[mode] = Failover(spec, TARGETS, (ctx.client, standby))
    return known[mode]
