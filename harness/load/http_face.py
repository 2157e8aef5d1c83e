"""An attempt as HTTP: what a Send looks like on the wire, and what comes back means.

How far an attempt got decides what it was. Before the first byte is written nothing can have happened at the server
(UNSENT: no slot, no address, no connection); after it, silence is indeterminate (TIMEOUT) and a broken connection an
error. DNS failures are kept apart, because they cost nothing and arrive at once, and so make retries cheap and many.
The forms on the wire are those of `harness.flows.wire`.
"""

from __future__ import annotations

import json
from typing import Any

from harness.flows import wire
from harness.flows.wants import Cause, Reply, Result, Send
from harness.load.connections import Answer, ConnectionPool, MalformedError, Stage
from harness.load.resolver import EmptyAnswer

# What an attempt is whose time ran out at a stage.
TIMED_OUT = {
    Stage.SLOT: (Result.UNSENT, Cause.NO_SLOT),
    Stage.NAME: (Result.UNSENT, Cause.DNS_FAILED),
    Stage.CONNECT: (Result.UNSENT, Cause.CONNECT),
    Stage.SENT: (Result.TIMEOUT, Cause.TIMEOUT),
}


class Target:
    """Where attempts to one component go: its pool, its id in attempt rows, and ready-made request heads."""

    def __init__(self, number: int, host: str, port: int, pool: ConnectionPool) -> None:
        self.number = number
        self.pool = pool
        self._host = f"{host}:{port}"
        self._heads: dict[str, str] = {}

    def encode(self, want: Send) -> bytes:
        """The request of one attempt, ready for the wire."""
        request = want.request
        head = self._heads.get(request.operation)
        if head is None:
            head = self._heads[request.operation] = (
                f"POST /{request.operation} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
            )
        body = json.dumps(request.params)
        headers = "".join(f"{name}: {value}\r\n" for name, value in wire.headers_of(want).items())
        return f"{head}{headers}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def read_reply(answer: Answer, now_s: float) -> Reply:
    """What an HTTP answer means to the flow. A redirect is an answer like any other, and no success."""
    body: Any = None
    if answer.body:
        try:
            body = json.loads(answer.body.decode())
        except ValueError:
            body = None
    if 200 <= answer.status < 300:
        return Reply(Result.OK, answer.status, Cause.NONE, now_s, body)
    code = body.get("code") if isinstance(body, dict) else None
    result, cause = wire.classify(answer.status, code if isinstance(code, str) else None)
    hint_s = wire.parse_retry_after_s(answer.headers.get("retry-after"))
    return Reply(result, answer.status, cause, now_s, body, hint_s)


def broken(error: Exception, stage: Stage, now_s: float) -> Reply:
    """What a failed exchange means to the flow; DNS failures apart, because they cost nothing and arrive at once."""
    if isinstance(error, MalformedError):
        return Reply(Result.ERROR, 0, Cause.SERVER_ERROR, now_s)
    if stage is Stage.SENT:
        return Reply(Result.ERROR, 0, Cause.RESET, now_s)
    if stage is Stage.NAME:
        cause = Cause.DNS_EMPTY if isinstance(error, EmptyAnswer) else Cause.DNS_FAILED
        return Reply(Result.UNSENT, 0, cause, now_s)
    return Reply(Result.UNSENT, 0, Cause.CONNECT, now_s)
