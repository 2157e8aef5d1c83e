"""People whose requests are signed: each holds a token of `identity`, and shows it when reading the table store.

As long as the token is good, the issuer may be away and nobody notices; a user whose token ends meanwhile can do
nothing until there is a new one. So the harm of an outage of the issuer begins small, grows with every token that ends,
and outlasts the outage by as long as the issuer needs for all who come back. One holder a user, as on a phone. Users
come with a token from before the run, which ends within its first 12 s; else the run would begin with a herd.

    POST identity/token {"client"}    when the held token has ended, or is due for renewal
    POST kv/read {"table", "key"}     the operation itself

Leaves out: tokens shared between users, and servers that check them (the check is local and costs next to nothing).
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from harness import seeds
from harness.flows.call import CallResult, Client, call
from harness.flows.credentials import HolderSpec, TokenHolder
from harness.flows.stories.base import Story, StoryContext
from harness.flows.wants import Answer, Request, Want

STORY: Final = Story("tokens", "identity", ("signed_read",))
STORE: Final = "kv"
TABLE: Final = "users"
CARRIED_S_MAX: Final = 12.0
HOLDER: Final = HolderSpec(single_flight=False)  # a user seldom has two operations open, and each renews for itself
_CARRIED = seeds.stream_id("tokens/carried")


def request_of(ctx: StoryContext, op: int) -> Request:
    """What operation `op` reads; the same in every variant of an experiment."""
    return Request("read", {"table": TABLE, "key": str(ctx.user(op))}, write=False)


def operation(
    ctx: StoryContext, op: int, now_s: float, deadline_s: float | None = None
) -> Generator[Want, Answer, CallResult]:
    """A token, if the user has none that is good, and one read."""
    due_s = now_s + ctx.deadline_s if deadline_s is None else deadline_s
    credential = yield from _holder(ctx, op).get(op=op, layer=0, parent_id=0, now_s=now_s, deadline_s=due_s)
    if credential.token is None:
        assert credential.renewal is not None, "a user without a token has asked for one"
        return credential.renewal
    return (
        yield from call(
            _store(ctx, now_s), STORE, request_of(ctx, op), op=op, layer=0, parent_id=0, call_no=0,
            now_s=credential.ended_s, deadline_s=due_s,
        )
    )  # fmt: skip


def _holder(ctx: StoryContext, op: int) -> TokenHolder:
    """The token of the user of this operation, kept from one operation to the next."""
    holders: dict[int, TokenHolder] = ctx.memory.setdefault("holders", {})
    user = ctx.user(op)
    if user not in holders:
        holders[user] = TokenHolder(HOLDER, ctx.client, f"user-{user}")
        holders[user].adopt("from-before", CARRIED_S_MAX * seeds.draw(ctx.seed, _CARRIED, user))
    return holders[user]


def _store(ctx: StoryContext, now_s: float) -> Client:
    client: Client | None = ctx.memory.get("store")
    if client is None:
        client = ctx.memory["store"] = Client(ctx.client.spec, ctx.client.seed, f"load/{STORY.name}/{STORE}", now_s)
    return client
