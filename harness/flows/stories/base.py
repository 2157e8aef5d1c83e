"""What a story is: a kind of user, the operations they want done, and one operation as a flow.

The naive load script mixes four things: what a user wants, when they want it, with which client they ask, and how the
request travels. Then no other engine can run it, and a changed retry setting changes the arrivals. Here a story is only
the first: a module with two names,

    STORY: Story                                                     what it is, as data
    operation(ctx, op, now_s, deadline_s=None) -> Generator[...]     one operation, as a flow that ends in a CallResult

The plan says when operations are due; the client (retries, budget, deadline) is in the context, shared by all
operations of one process; a driver moves bytes. Everything drawn for an operation is a pure hash of (seed, story, op),
so operation 17 is the same user doing the same thing in every variant and every engine.

An operation is due at its intended start, and its deadline counts from there. A driver that starts it late passes the
absolute `deadline_s`; one that is never late leaves it out.
"""

from __future__ import annotations

import importlib
from collections.abc import Generator, Mapping
from itertools import accumulate
from typing import Any, NamedTuple, Protocol, cast

from harness import seeds
from harness.errors import SpecError
from harness.flows.call import CallResult, Client, call
from harness.flows.wants import Answer, Request, Want
from harness.policies.crowd import user_of

_DRAWS = 8  # the most a story takes for one operation


class Story(NamedTuple):
    """A kind of user. `operations` are the names a mix may use; `app` is the component they talk to."""

    name: str
    app: str
    operations: tuple[str, ...]


class StoryContext(NamedTuple):
    """What one process gives every operation of one story."""

    seed: int
    client: Client  # policy states towards the app, shared by all operations of this process
    deadline_s: float  # from the intended start to when the user no longer cares
    users: int
    mix: tuple[tuple[float, str], ...]  # (cumulative share, operation), the last share 1.0
    stream: int  # all of the story's draws are keyed under it
    luck: tuple[int, ...]  # the beginning of draws number 0, 1, ...
    criticality: Mapping[str, int]  # of operations; 0, the most critical, for those it does not name
    memory: dict[str, Any]  # what the story keeps from operation to operation, as an app on a phone does
    seat: tuple[int, int] = (0, 0)  # in a closed loop: users of the run, and the number of this story's first

    def draw(self, what: int, op: int) -> float:
        """The draw in (0, 1) number `what` of operation `op`, the same as seeds.draw(seed, stream, what, op)."""
        return seeds.draw_near(self.luck[what], op)

    def user(self, op: int) -> int:
        """Who does operation `op`: 0 to users - 1, all alike; in a closed loop the one whose turn it is."""
        every, first = self.seat
        if every:
            return (user_of(op, every) - first) % self.users
        return int(self.draw(0, op) * self.users)

    def kind(self, op: int) -> str:
        """What operation `op` is, by the mix."""
        if len(self.mix) == 1:
            return self.mix[0][1]
        u = self.draw(1, op)
        return next(name for share, name in self.mix if u < share)


class StoryModule(Protocol):
    """A story's module."""

    STORY: Story

    def operation(
        self, ctx: StoryContext, op: int, now_s: float, deadline_s: float | None = None
    ) -> Generator[Want, Answer, CallResult]:
        """One operation, from its start to its CallResult."""


def make_context(
    story: Story,
    client: Client,
    seed: int,
    users: int,
    mix: Mapping[str, float],
    deadline_s: float,
    criticality: Mapping[str, int] | None = None,
    seat: tuple[int, int] = (0, 0),
) -> StoryContext:
    """The context of a story. `mix` gives shares by operation. Raises SpecError for an operation it does not have."""
    unknown = sorted(set(mix) - set(story.operations))
    if unknown:
        raise SpecError(
            f"load.{story.name}.mix: no operation {unknown[0]!r}; the story has {', '.join(story.operations)}"
        )
    shares = [(name, share) for name, share in mix.items() if share > 0.0]
    total = sum(share for _, share in shares)
    if not shares:
        raise SpecError(f"load.{story.name}.mix: no operation has a share above 0, so there is nothing to do")
    edges = [edge / total for edge in accumulate(share for _, share in shares)]
    edges[-1] = 1.0
    names = [name for name, _ in shares]
    stream = seeds.stream_id(f"story/{story.name}")
    luck = tuple(seeds.mix(seed, stream, what) for what in range(_DRAWS))
    return StoryContext(
        seed, client, deadline_s, users, tuple(zip(edges, names, strict=True)), stream, luck, criticality or {}, {},
        seat,
    )  # fmt: skip


def ask(
    ctx: StoryContext, app: str, request: Request, op: int, now_s: float, due_s: float
) -> Generator[Want, Answer, CallResult]:
    """One call of a user to an app: layer 0, the operation's only call."""
    return call(
        ctx.client, app, request, op=op, layer=0, parent_id=0, call_no=0, now_s=now_s, deadline_s=due_s,
        criticality=ctx.criticality.get(request.operation, 0),
    )  # fmt: skip


def find_story(name: str) -> StoryModule:
    """The module of a story. Raises SpecError when there is none of that name."""
    path = f"{__package__}.{name}"
    try:
        module: Any = importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name != path:
            raise
        raise SpecError(f"load.{name}: there is no such story; each is a file in harness/flows/stories/") from error
    if not hasattr(module, "STORY"):
        raise SpecError(f"load.{name}: {path} is not a story (it defines no STORY)")
    return cast("StoryModule", module)
