"""A name that fails over, on real sockets: the checks are requests over HTTP, and the answer is a datagram."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dns.asyncquery
import dns.message

from harness.flows.wants import Cause, Result
from harness.record.region import SERVICE_PORT, lay_out
from harness.record.rows import RowWriter, read_rows
from mock_services.dns import DnsService

REGION = lay_out(9, {"dns": 1, "kv": 1, "provider": 1})  # runs take networks from 10 on
(KV,), (PROVIDER,) = REGION.places["kv"].addresses, REGION.places["provider"].addresses
FAILOVER = {"to": "provider", "check_every": "20ms", "timeout": "200ms", "fail_after": 2, "back_after": 2}


class Clock:
    """Time since it was made."""

    def __init__(self) -> None:
        self._zero_ns = time.monotonic_ns()

    def now_ns(self) -> int:
        return time.monotonic_ns() - self._zero_ns

    def now_s(self) -> float:
        return self.now_ns() * 1e-9


class Context:
    """What the service needs of the shell."""

    def __init__(self, folder: Path) -> None:
        self.component = "dns"
        self.spec = {"failover": FAILOVER}
        self.region = REGION
        self.clock = Clock()
        self.journal = self
        self.moves: list[tuple[str, str]] = []
        self.path = folder / "dns-attempt.rows"
        self.rows = RowWriter(self.path, "attempt", "dns-attempt", 0, {"target": list(REGION.places)})

    def write(self, kind: str, **fields: Any) -> None:
        if kind in ("failed_over", "failed_back"):
            self.moves.append((kind, fields["by"]))

    def attempts(self) -> RowWriter:
        return self.rows

    def targets(self) -> tuple[str, ...]:
        return tuple(REGION.places)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A store in good health, for one request."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
    await writer.drain()
    writer.close()


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("not within five seconds")


async def addresses(port: int) -> list[str]:
    message = await dns.asyncquery.udp(dns.message.make_query("kv.region.test", "A"), "127.0.0.1", 2.0, port)
    return [record.to_text() for rrset in message.answer for record in rrset]


async def play(context: Context) -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind(("127.0.0.1", 0))
    service = DnsService(context)  # type: ignore[arg-type]
    service.open(sock)
    await service.start()
    port = sock.getsockname()[1]
    try:
        assert await addresses(port) == [KV]
        await until(lambda: len(context.moves) == 1)  # nobody listens there
        assert await addresses(port) == [PROVIDER]
        async with await asyncio.start_server(answer, KV, SERVICE_PORT):
            await until(lambda: len(context.moves) == 2)
            assert await addresses(port) == [KV]
            assert service.actions["point"]({"to": "provider"}) == {"points_to": "provider"}
            assert await addresses(port) == [PROVIDER]
        gauges = service.gauges()
        assert (gauges["name_moved"], gauges["name_changes_total"]) == (1.0, 3.0)
    finally:
        await service.stop()


def test_a_dead_store_is_left_by_its_name_and_found_again_by_its_own_record(tmp_path: Path) -> None:
    context = Context(tmp_path)
    asyncio.run(play(context))
    context.rows.close()
    assert context.moves == [("failed_over", "checks"), ("failed_back", "checks"), ("failed_over", "operators")]
    rows = read_rows(context.path).rows
    assert set(rows["op"]) == {0}, "checks are nobody's operations"
    assert [(row["result"], row["cause"]) for row in rows[:2]] == [(Result.UNSENT, Cause.CONNECT)] * 2
    assert Result.OK in rows["result"]
    assert len(set(rows["attempt"])) == len(rows)
