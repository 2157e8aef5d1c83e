"""How an app of the region finds another: aiohttp's resolver seam over our cache, with queries on the wire.

aiohttp's own DNS cache ignores record TTLs and reads its own clock, and c-ares keeps empty answers for an hour: both
would decide the outcome of a DNS outage without being asked. So connectors are made with `use_dns_cache=False` and this
resolver, and how long answers live is the `resolver` policy of the experiment.

    connector = aiohttp.TCPConnector(resolver=RegionResolver(...), use_dns_cache=False, limit=0)

Look-ups of one name that come while its query is in flight wait for that query instead of sending their own: a storm of
connections must not become a storm of datagrams, and c-ares and dnspython's users do the same. A query is tried `tries`
times, `timeout_s` each; no reply at all is an outcome too.

A name without addresses raises EmptyNameError, an unanswered or failed query UnresolvedNameError. Both are OSError, so
aiohttp turns them into ClientConnectorDNSError, whose `os_error` tells the two apart. IPv4 only.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import dns.asyncbackend
import dns.asyncquery
import dns.exception
import dns.message
from aiohttp.abc import AbstractResolver, ResolveResult

from harness.models.dns_cache import Answer, DnsCache
from harness.policies.resolver import FOUND, NO_REPLY, ResolverSpec
from mock_services.dns_wire import read_reply

_BACKEND = dns.asyncbackend.get_backend("asyncio")  # named, so that no query has to find out which loop it runs in


class EmptyNameError(OSError):
    """The server answered that the name has no address (NODATA or NXDOMAIN)."""


class UnresolvedNameError(OSError):
    """No usable reply: SERVFAIL, a refusal, or silence."""


class RegionResolver(AbstractResolver):
    """Resolves names of the region at `server` (address, port) under a resolver policy."""

    def __init__(
        self,
        spec: ResolverSpec,
        server: tuple[str, int],
        now_s: Callable[[], float],
        timeout_s: float = 0.5,
        tries: int = 2,
    ) -> None:
        self.cache = DnsCache(spec)
        self._server = server
        self._now_s = now_s
        self._timeout_s = timeout_s
        self._tries = tries
        self._in_flight: dict[str, asyncio.Task[Answer]] = {}
        self._turn = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Addresses of `host`, starting with another one each time. Raises EmptyNameError or UnresolvedNameError."""
        if family == socket.AF_INET6:
            raise EmptyNameError(f"{host}: the region has no IPv6 addresses")
        answer = self.cache.lookup(host, self._now_s())
        if answer is None:
            answer = await self._ask(host)
        if answer.kind != FOUND:
            if answer.empty:
                raise EmptyNameError(f"{host}: the name has no address")
            raise UnresolvedNameError(f"{host}: no usable reply from {self._server[0]}:{self._server[1]}")
        self._turn += 1
        first = self._turn % len(answer.addresses)
        turned = answer.addresses[first:] + answer.addresses[:first]
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=socket.AI_NUMERICHOST
            )
            for address in turned
        ]

    async def close(self) -> None:
        """Give up queries in flight."""
        tasks = list(self._in_flight.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def gauges(self) -> dict[str, float]:
        """The cache's counters; see `DnsCache`."""
        return self.cache.gauges()

    async def _ask(self, host: str) -> Answer:
        task = self._in_flight.get(host)
        if task is None:
            task = asyncio.create_task(self._query(host))
            self._in_flight[host] = task
            task.add_done_callback(lambda _: self._in_flight.pop(host, None))
        return await asyncio.shield(task)  # the caller may give up; others still wait for the answer

    async def _query(self, host: str) -> Answer:
        reply = Answer(NO_REPLY)
        for _ in range(self._tries):
            question = dns.message.make_query(host, "A")
            try:
                message = await dns.asyncquery.udp(
                    question,
                    self._server[0],
                    self._timeout_s,
                    self._server[1],
                    ignore_unexpected=True,
                    ignore_errors=True,
                    backend=_BACKEND,
                )
            except (dns.exception.DNSException, OSError):
                continue
            reply = read_reply(message)
            break
        return self.cache.store(host, reply, self._now_s())
