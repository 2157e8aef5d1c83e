"""The least a load process needs on the other side: a DNS that answers, and bare aiohttp handlers that echo.

    python benchmarks/support/bare_region.py RUN_DIR      serves RUN_DIR's region map until its standard input closes

No station, no rows, no policies: what is measured against it is the load generator. Prints "ready" once it listens.
Paths: any operation answers 200 and a small JSON body; `/_count` answers how many were served.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import dns.message
import dns.rrset
from aiohttp import web

from harness.record.region import DNS_PORT, RegionMap, read_region

TTL_S = 1


class Dns(asyncio.DatagramProtocol):
    """Answers A queries for the region's names; everything else is NOERROR and empty."""

    def __init__(self, region: RegionMap) -> None:
        self._addresses = {place.name: place.addresses for place in region.places.values()}

    def connection_made(self, transport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, peer) -> None:
        query = dns.message.from_wire(data)
        reply = dns.message.make_response(query)
        name = query.question[0].name
        addresses = self._addresses.get(name.to_text(omit_final_dot=True), ())
        if addresses:
            reply.answer.append(dns.rrset.from_text(name, TTL_S, "IN", "A", *addresses))
        self._transport.sendto(reply.to_wire(), peer)


async def serve(region: RegionMap) -> None:
    """Listen on every address of the map until standard input closes."""
    count = 0

    async def echo(request: web.Request) -> web.Response:
        nonlocal count
        count += 1
        await request.read()
        return web.Response(body=b'{"item": null, "version": 0}', content_type="application/json")

    async def counted(request: web.Request) -> web.Response:
        return web.json_response({"served": count})

    app = web.Application()
    app.router.add_get("/_count", counted)
    app.router.add_post("/{operation}", echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    for place in region.places.values():
        if place.component != "dns":
            for address in place.addresses:
                await web.TCPSite(runner, address, place.port, backlog=4096).start()
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: Dns(region), local_addr=(region.dns_address, DNS_PORT))
    print("ready", flush=True)
    ended = asyncio.Event()
    loop.add_reader(0, lambda: sys.stdin.buffer.raw.read(1) or ended.set())
    await ended.wait()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve(read_region(Path(sys.argv[1]) / "region.json")))
