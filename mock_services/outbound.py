"""One attempt on the wire, from a service: aiohttp's client with its own opinions switched off.

aiohttp helps in ways that hide attempts. Its connector queues above 100 connections inside itself (`limit=0`); it keeps
DNS answers for ten seconds by its own clock (`use_dns_cache=False`, and the region's resolver decides); it follows
redirects; and it sends an idempotent request again on a connection that broke, which nobody counts. POST is never
repeated, and all attempts are POST (`harness.flows.wire`); a test counts at the server.

An exchange passes three stages, and what its failure means depends on how far it came:

    name        no answer, or an empty one     UNSENT: it cost the other side nothing
    connection  refused, or not in time        UNSENT
    sent        broken, or not in time         ERROR or TIMEOUT: the work may have happened

Giving up closes the connection, which is how the other side can notice.
"""

from __future__ import annotations

import asyncio
import json
from enum import IntEnum
from types import SimpleNamespace
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver

from harness.flows import wire
from harness.flows.wants import Cause, Reply, Result, Send
from harness.record.region import RegionMap
from mock_services.clock import Clock
from mock_services.resolver import EmptyNameError

KEEPALIVE_S = 3600.0  # idle connections stay until the other side closes them: their age is that side's knob
_MANNERS = {"Content-Type": "application/json"}


class Stage(IntEnum):
    """How far an attempt came."""

    NAME = 0
    CONNECT = 1
    SENT = 2


class Trip:
    """One attempt's way through the stages."""

    __slots__ = ("stage",)

    def __init__(self) -> None:
        self.stage = Stage.NAME


TIMED_OUT = {
    Stage.NAME: (Result.UNSENT, Cause.DNS_FAILED),
    Stage.CONNECT: (Result.UNSENT, Cause.CONNECT),
    Stage.SENT: (Result.TIMEOUT, Cause.TIMEOUT),
}


class Outbound:
    """The client side of one process: all its connections to the other components."""

    def __init__(self, region: RegionMap, resolver: AbstractResolver, clock: Clock) -> None:
        self._clock = clock
        self._places = region.places
        self._cut: str | None = None
        connector = aiohttp.TCPConnector(
            resolver=resolver,
            use_dns_cache=False,
            limit=0,
            keepalive_timeout=KEEPALIVE_S,
            happy_eyeballs_delay=None,  # one family here: the next address is tried when one refuses, not raced
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(),  # none at all: the attempt's own scope bounds everything
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept-Encoding", "Accept"),
            headers=_MANNERS,
            trace_configs=[_stages()],
        )

    async def exchange(self, want: Send, trip: Trip) -> Reply:
        """Send one attempt and read its answer; never raises for what the other side does, and knows no timeout."""
        if want.target == self._cut:  # lost on the way; the attempt's patience ends it
            trip.stage = Stage.CONNECT
            await asyncio.get_running_loop().create_future()
        place = self._places[want.target]
        url = wire.url(place.name, place.port, want.request.operation)
        body = json.dumps(want.request.params).encode()
        try:
            async with self._session.post(
                url, data=body, headers=wire.headers_of(want), allow_redirects=False, trace_request_ctx=trip
            ) as response:
                raw = await response.read()
                return _reply(response, raw, self._clock.now_s())
        except aiohttp.ClientConnectorDNSError as error:
            empty = isinstance(error.os_error, EmptyNameError)
            return Reply(Result.UNSENT, 0, Cause.DNS_EMPTY if empty else Cause.DNS_FAILED, self._clock.now_s())
        except aiohttp.ClientConnectorError:
            return Reply(Result.UNSENT, 0, Cause.CONNECT, self._clock.now_s())
        except aiohttp.ClientResponseError:  # an answer, but no HTTP
            return Reply(Result.ERROR, 0, Cause.SERVER_ERROR, self._clock.now_s())
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError):
            if trip.stage is Stage.SENT:
                return Reply(Result.ERROR, 0, Cause.RESET, self._clock.now_s())
            return Reply(Result.UNSENT, 0, Cause.CONNECT, self._clock.now_s())

    def cut_off(self, component: str | None) -> None:
        """From now on nothing that is sent to this component arrives; None ends it."""
        self._cut = component

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
        await asyncio.sleep(0)  # lets the transports' own closing run before the loop may end


def _reply(response: aiohttp.ClientResponse, raw: bytes, now_s: float) -> Reply:
    body: Any = None
    if raw:
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
    code = body.get("code") if isinstance(body, dict) else None
    result, cause = wire.classify(response.status, code if isinstance(code, str) else None)
    hint_s = wire.parse_retry_after_s(response.headers.get(wire.RETRY_AFTER_HEADER))
    return Reply(result, response.status, cause, now_s, body, hint_s)


def _stages() -> aiohttp.TraceConfig:
    """Moves the attempt's Trip from stage to stage as aiohttp tells of it."""
    trace = aiohttp.TraceConfig()

    async def resolved(session: aiohttp.ClientSession, context: SimpleNamespace, params: object) -> None:
        context.trace_request_ctx.stage = Stage.CONNECT

    async def sent(session: aiohttp.ClientSession, context: SimpleNamespace, params: object) -> None:
        context.trace_request_ctx.stage = Stage.SENT

    trace.on_dns_resolvehost_end.append(resolved)
    trace.on_request_headers_sent.append(sent)
    return trace
