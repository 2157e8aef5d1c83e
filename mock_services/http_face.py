"""The HTTP server every component answers on: aiohttp's, with as little of it as possible around a handler.

A mock service must not be the bottleneck it models, so the router, the middlewares and the access log are left out: one
handler gets every request (`web.Server`, aiohttp's low-level server), and the shell's own share is a header or two and
one row. Two things are chosen here rather than inherited:

    cancellation     does the work stop when the caller goes? aiohttp's default is no; the experiment decides
    max_age_s        a connection older than this is closed after its next reply (`Connection: close`)

Without a maximum age an empty DNS record is not felt at all: clients go on over the connections they have. Ages are
jittered by +-10 % with a draw of their own, or all connections of a pool would be renewed at one moment for ever.

A refusal may be *silent*: the caller gets nothing and must run into its timeout (`hold`). It is bounded: a held caller
is let go when its connection closes, or after `HOLD_S_MAX`.
"""

from __future__ import annotations

import asyncio
import json
import math
import socket
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from aiohttp import web

from harness import seeds
from harness.flows import wire
from harness.flows.wants import Cause
from harness.record.rows import RowWriter
from mock_services.sockets import BACKLOG

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
AGE_JITTER = 0.1
HOLD_S_MAX = 60.0
HOLD_LOOK_S = 0.25
KEEPALIVE_S = 3600.0
_decode = json.JSONDecoder().decode  # `json.loads` guesses the encoding of bytes first; ours is UTF-8


class Asked(NamedTuple):
    """One request as read from the wire."""

    operation: str
    params: dict[str, Any]
    attempt: int  # 0 when the caller sent none
    context: wire.Context


async def read(request: web.BaseRequest) -> Asked:
    """What a request asks. Raises ValueError with what is wrong."""
    headers = request.headers
    raw = await request.read()
    try:
        params = _decode(raw.decode()) if raw else {}
    except RecursionError:
        raise ValueError("the body is nested too deeply; send an object of plain values") from None
    if not isinstance(params, dict):
        raise ValueError(f"the body is a {type(params).__name__}; send an object")  # noqa: TRY004 - bad input
    return Asked(
        request.raw_path[1:],
        params,
        wire.parse_attempt(headers.get(wire.ATTEMPT_HEADER)),
        wire.parse_context(headers.get(wire.CONTEXT_HEADER)),
    )


def reply(status: int, code: str, body: Any = None, retry_after_s: float = math.nan) -> web.Response:
    """An answer on the wire: the body when all is well, else an object with the code."""
    value = {"code": code, **(body or {})} if code else body
    raw = json.dumps(value).encode() if value is not None else b"{}"
    headers = None if math.isnan(retry_after_s) else {wire.RETRY_AFTER_HEADER: f"{retry_after_s:g}"}
    return web.Response(status=status, body=raw, content_type="application/json", headers=headers)


def refuse(cause: Cause) -> web.Response:
    """The answer for a refusal or failure of this cause."""
    return reply(wire.STATUS_OF[cause], wire.code_of(cause))


class HttpFace:
    """One handler on any number of sockets. `seed` draws the ages."""

    def __init__(self, handler: Handler, seed: int, max_age_s: float | None = None, cancellation: bool = False) -> None:
        self.aged_total = 0  # connections closed for their age
        self._handler = handler
        self._seed = seed
        self._stream = seeds.stream_id("connection_age")
        self._max_age_s = max_age_s
        self._until_s: WeakKeyDictionary[asyncio.BaseTransport, float] = WeakKeyDictionary()
        self._births = 0
        self._held: dict[asyncio.Future[None], tuple[asyncio.BaseTransport | None, float]] = {}
        self._look: asyncio.TimerHandle | None = None
        self._server = web.Server(
            handler if max_age_s is None else self._aging,
            handler_cancellation=cancellation,
            access_log=None,
            keepalive_timeout=KEEPALIVE_S,
        )
        self._runner = web.ServerRunner(self._server, shutdown_timeout=0.1)

    @property
    def connections(self) -> int:
        """Connections open now; aiohttp also lists closed ones whose handler still works."""
        return sum(connection.transport is not None for connection in self._server.connections)

    async def start(self, socks: Iterable[socket.socket]) -> None:
        """Begin to accept on sockets that are bound already."""
        await self._runner.setup()
        for sock in socks:
            await web.SockSite(self._runner, sock, backlog=BACKLOG).start()

    def abort(self) -> None:
        """Break every connection at once, as a process does that dies."""
        for connection in list(self._server.connections):
            transport = connection.transport
            if isinstance(transport, asyncio.Transport):
                transport.abort()

    async def stop(self) -> None:
        """Stop accepting; cut off what is open."""
        if self._look is not None:
            self._look.cancel()
        for waiter in self._held:
            waiter.cancel()
        await self._runner.cleanup()

    async def hold(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer nothing: wait until the caller goes. What is returned then reaches nobody."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._held[waiter] = (request.transport, loop.time() + HOLD_S_MAX)
        if self._look is None:
            self._look = loop.call_later(HOLD_LOOK_S, self._let_go)
        try:
            await waiter
        finally:
            self._held.pop(waiter, None)
        response = web.Response(status=503)
        response.force_close()
        return response

    def _let_go(self) -> None:
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        for waiter, (transport, until_s) in self._held.items():
            if (transport is None or transport.is_closing() or now_s >= until_s) and not waiter.done():
                waiter.set_result(None)
        self._look = loop.call_later(HOLD_LOOK_S, self._let_go) if self._held else None

    async def _aging(self, request: web.BaseRequest) -> web.StreamResponse:
        transport = request.transport
        if transport is not None and transport not in self._until_s:
            self._until_s[transport] = asyncio.get_running_loop().time() + self._age_s()
        response = await self._handler(request)
        if transport is not None and asyncio.get_running_loop().time() >= self._until_s.get(transport, 0.0):
            self.aged_total += 1
            response.force_close()
        return response

    def _age_s(self) -> float:
        self._births += 1
        u = seeds.draw(self._seed, self._stream, self._births)
        return (self._max_age_s or 0.0) * (1.0 - AGE_JITTER + 2.0 * AGE_JITTER * u)


class ServedLog:
    """Writes the component's served rows; times in seconds from zero, nan for what did not happen."""

    def __init__(self, rows: RowWriter) -> None:
        self._add = rows.add

    def add(
        self, attempt: int, arrived_s: float, began_s: float, ended_s: float, service_s: float, abandoned: bool
    ) -> None:
        """One attempt that reached this server."""
        self._add(attempt, 0, round(arrived_s * 1e9), _ns(began_s), _ns(ended_s), round(service_s * 1e9), abandoned)


def gone(transport: asyncio.BaseTransport | None) -> bool:
    """True when the caller at the other end has closed the connection."""
    return transport is None or transport.is_closing()


def _ns(t_s: float) -> int:
    return -1 if math.isnan(t_s) else round(t_s * 1e9)
