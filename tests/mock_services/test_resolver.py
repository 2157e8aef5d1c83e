"""The apps' resolver: policy from the cache, queries on the wire, errors a caller can tell apart."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import cast

import aiohttp
import dns.message
import dns.rrset
import pytest

from harness.policies.resolver import ResolverSpec
from mock_services.resolver import EmptyNameError, RegionResolver, UnresolvedNameError

Reply = Callable[[dns.message.Message], dns.message.Message | None]


class Server(asyncio.DatagramProtocol):
    """Answers with what `reply` says and counts questions."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.asked = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.asked += 1
        said = self.reply(dns.message.from_wire(data))
        if said is not None:
            cast("asyncio.DatagramTransport", self.transport).sendto(said.to_wire(), addr)


def good(query: dns.message.Message) -> dns.message.Message:
    response = dns.message.make_response(query)
    response.answer.append(dns.rrset.from_text(query.question[0].name, 1, "IN", "A", "127.10.3.1", "127.10.3.2"))
    return response


def empty(query: dns.message.Message) -> dns.message.Message:
    return dns.message.make_response(query)


def silent(query: dns.message.Message) -> None:
    return None


def resolving(
    reply: Reply, body: Callable[[RegionResolver, Server, list[float]], Awaitable[None]], spec: ResolverSpec
) -> None:
    """Run `body(resolver, server, now)`; `now[0]` is the time the resolver sees."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        transport, server = await loop.create_datagram_endpoint(lambda: Server(reply), local_addr=("127.0.0.1", 0))
        now = [0.0]
        port = transport.get_extra_info("sockname")[1]
        resolver = RegionResolver(spec, ("127.0.0.1", port), lambda: now[0], timeout_s=0.1, tries=2)
        try:
            await body(resolver, server, now)
        finally:
            await resolver.close()
            transport.close()

    asyncio.run(main())


def test_addresses_are_kept_for_their_ttl_and_served_in_turn() -> None:
    async def body(resolver: RegionResolver, server: Server, now: list[float]) -> None:
        first = [entry["host"] for entry in await resolver.resolve("kv.region.test", 8000)]
        now[0] = 0.999
        second = await resolver.resolve("kv.region.test", 8000)
        assert [entry["host"] for entry in second] == first[::-1]
        assert (second[0]["port"], second[0]["family"], second[0]["hostname"]) == (
            8000,
            socket.AF_INET,
            "kv.region.test",
        )
        assert server.asked == 1
        now[0] = 1.0
        await resolver.resolve("kv.region.test", 8000)
        assert server.asked == 2
        assert resolver.gauges()["resolver_hits_total"] == 1.0

    resolving(good, body, ResolverSpec())


def test_a_storm_of_look_ups_is_one_query() -> None:
    async def body(resolver: RegionResolver, server: Server, now: list[float]) -> None:
        await asyncio.gather(*(resolver.resolve("kv.region.test") for _ in range(200)))
        assert server.asked == 1

    resolving(good, body, ResolverSpec(positive_s=0.0))


def test_a_caller_who_gives_up_does_not_take_the_answer_from_the_others() -> None:
    async def body(resolver: RegionResolver, server: Server, now: list[float]) -> None:
        hasty = asyncio.create_task(resolver.resolve("kv.region.test"))
        patient = asyncio.create_task(resolver.resolve("kv.region.test"))
        await asyncio.sleep(0)
        hasty.cancel()
        assert len(await patient) == 2
        assert hasty.cancelled()

    resolving(good, body, ResolverSpec())


def test_an_empty_name_and_a_silent_server_are_told_apart_through_aiohttp() -> None:
    async def body(resolver: RegionResolver, server: Server, now: list[float]) -> None:
        connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            with pytest.raises(aiohttp.ClientConnectorDNSError) as caught:
                await session.get("http://kv.region.test:8000/")
            assert isinstance(caught.value.os_error, EmptyNameError)
            server.reply = silent
            with pytest.raises(aiohttp.ClientConnectorDNSError) as caught:
                await session.get("http://kv.region.test:8000/")
            assert isinstance(caught.value.os_error, UnresolvedNameError)
        assert server.asked == 3  # one, and two tries

    resolving(empty, body, ResolverSpec())


def test_a_stale_address_is_used_when_the_server_falls_silent() -> None:
    async def body(resolver: RegionResolver, server: Server, now: list[float]) -> None:
        await resolver.resolve("kv.region.test")
        server.reply, now[0] = silent, 5.0
        assert len(await resolver.resolve("kv.region.test")) == 2
        assert resolver.gauges()["resolver_stale_total"] == 1.0

    resolving(good, body, ResolverSpec(stale_s_max=60.0, recheck_s=30.0))


def test_there_are_no_ipv6_addresses() -> None:
    async def body(resolver: RegionResolver, server: Server, now: list[float]) -> None:
        with pytest.raises(EmptyNameError, match="no IPv6"):
            await resolver.resolve("kv.region.test", family=socket.AF_INET6)
        assert server.asked == 0

    resolving(good, body, ResolverSpec())
