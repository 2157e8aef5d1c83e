"""Viewers and their players: what to play next, the right to begin a title, and what may be played later.

    POST /manifest {"user", "title", "stalled_s", "masked"}
    POST /licence  {"user", "title", "key"}
    POST /prefetch {"user", "title"}

A manifest that fails while the player's buffer lasts is good for its viewer, who sees nothing (`harness.flows.player`):
the operation counts as good, and ends when the call gave up. What was hidden, and for how long the picture stood, the
player tells with its next manifest. Licences are for titles that begin, so no buffer helps them. A few titles are
watched by many: title k of TITLES with probability falling in k. All players of one process live in the story's memory.

Leaves out: viewers who skip, stop or complain.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final

from harness.flows.call import CallResult
from harness.flows.player import Player
from harness.flows.stories.base import Story, StoryContext, ask
from harness.flows.wants import Answer, Request, Want

STORY: Final = Story("streaming", "streaming", ("manifest", "licence", "prefetch"))
TITLES: Final = 200
BUFFER_S: Final = 5.0  # until the service has told
_TITLE = 2  # the number of a draw; 0 and 1 are the context's own


def request_of(ctx: StoryContext, op: int) -> Request:
    """What operation `op` asks for; but for what players tell, the same in every variant."""
    params: dict[str, Any] = {"user": ctx.user(op), "title": int(TITLES * ctx.draw(_TITLE, op) ** 2)}
    match ctx.kind(op):
        case "licence":
            return Request("licence", {**params, "key": op})
        case "prefetch":
            return Request("prefetch", params, write=False)
        case _:
            pass
    player = _player(ctx, op)
    if player.masked_total:
        params["masked"] = player.masked_total
    if player.stalled_s_total:
        params["stalled_s"] = round(player.stalled_s_total, 6)
    return Request("manifest", params, write=False)


def operation(
    ctx: StoryContext, op: int, now_s: float, deadline_s: float | None = None
) -> Generator[Want, Answer, CallResult]:
    """One request of a player, as its viewer sees it."""
    due_s = now_s + ctx.deadline_s if deadline_s is None else deadline_s
    request = request_of(ctx, op)
    result = yield from ask(ctx, STORY.app, request, op, now_s, due_s)
    if request.operation != "manifest":
        return result
    player = _player(ctx, op)
    if result.ok:
        player.served(result.ended_s)
        if isinstance(result.reply.body, dict):
            player.buffer_s = float(result.reply.body.get("buffer_s", player.buffer_s))
        return result
    if player.failed(result.ended_s):
        return result._replace(ok=True, ended_s=min(result.ended_s, due_s))
    return result


def _player(ctx: StoryContext, op: int) -> Player:
    """The player of the viewer of this operation."""
    players: dict[int, Player] = ctx.memory.setdefault("players", {})
    user = ctx.user(op)
    if user not in players:
        players[user] = Player(BUFFER_S)
    return players[user]
