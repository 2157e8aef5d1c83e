"""The region's DNS: the zone on UDP, and behind it the planner, three enactors and their clean-up, all the time.

Thin: what is answered and what is live is `harness.models.nameserver`, the same in the simulated world. This file gives
it a socket, one timer, the journal, and the resources of the control port:

    faults    stall_enactor {enactor: az1}    the enactor cannot get the lock between its check and its first write
              empty_record {component: kv}    the record answers empty, without any race (default: all managed ones)
    actions   restore                         the operator points every record at the newest plan
              point {to: kv|provider|checks}  where a name that fails over points, by hand
    gauges    queries_total, answers_total (with addresses), empty_answers_total, active_gen, newest_gen, plans,
              enactors_failing; with `failover` name_moved name_changes_total health_checks_total
              health_checks_failed_total

With `failover` this process also checks the health of the first store, over HTTP, and moves its name to the second.

Records of the components named in `endpoints` are managed by plans; the default is the table store. All other names
are fixed.

Journal: what the automation notes, each with `due_s`, the logical moment of the step (`t_s` is when this process came
to run it); and `first_empty_answer`, the first query of an episode that was answered empty.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, cast

from aiohttp.abc import AbstractResolver, ResolveResult

from harness.errors import SpecError
from harness.models.nameserver import NameServer
from harness.models.record_failover import RecordFailover
from harness.record.region import DNS_PORT
from harness.spec.region import HOSTED
from mock_services import dns_wire
from mock_services.contract import Component, Fault, Params, ServiceContext
from mock_services.driver import Driver
from mock_services.outbound import Outbound
from mock_services.resolver import EmptyNameError


async def build(context: ServiceContext) -> Component:
    """The component of this process. Raises SpecError for a bad mapping, RunError when the port is taken."""
    try:
        service = DnsService(context)
    except ValueError as error:
        raise SpecError(f"region.dns: {error}") from error
    dns_wire.warm_up(service.server.zone)
    service.open(context.bind_udp(context.region.dns_address, DNS_PORT))
    return service


class DnsService(Component):
    """The dns component; see the module. Raises ValueError when its mapping cannot be used."""

    def __init__(self, context: ServiceContext) -> None:
        super().__init__()
        self._clock = context.clock
        self._context = context
        self._checks: asyncio.Task[None] | None = None
        places = {name: (place.name, place.addresses) for name, place in context.region.places.items()}
        self.server = NameServer(context.spec, places, frozenset(HOSTED), context.journal.write)
        self._sock: socket.socket | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.faults = {
            "stall_enactor": Fault(self._stall, self._unstall),
            "empty_record": Fault(self.server.empty, self.server.fill),
        }
        self.actions = {"restore": self._restore, "point": self.server.point}

    def open(self, sock: socket.socket) -> None:
        """Take the bound socket; it is served from `start` on, and queries that come before wait in it."""
        self._sock = sock

    async def start(self) -> None:
        """Serve, and run the automation from the run's zero on."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: _Face(self), sock=self._sock)
        self._run()
        if self.server.failover is not None:
            self._checks = asyncio.create_task(self._check(self.server.failover))

    async def stop(self) -> None:
        """Stop the automation and close the socket."""
        if self._timer is not None:
            self._timer.cancel()
        if self._checks is not None:
            self._checks.cancel()
            await asyncio.gather(self._checks, return_exceptions=True)
        if self._transport is not None:
            self._transport.close()
        elif self._sock is not None:
            self._sock.close()

    def gauges(self) -> dict[str, float]:
        """See the module."""
        self.server.advance(self._clock.now_s())
        return self.server.gauges()

    def answer(self, wire: bytes) -> bytes | None:
        """The reply to one datagram, as of now; None for no reply."""
        self.server.advance(self._clock.now_s())
        return dns_wire.reply_to(wire, self.server.zone, self.server.ask)

    async def _check(self, failover: RecordFailover) -> None:
        """Play the health checks until the process ends."""
        context, server, first = self._context, self.server, failover.spec.first
        outbound = Outbound(context.region, _OwnRecord(server, first, self._clock.now_s), self._clock)
        driver = Driver(self._clock, outbound, context.attempts(), context.targets())
        flow = failover.checks(lambda now_s: bool(server.addresses_of(first, now_s)), self._clock.now_s())
        try:
            await driver.play(flow)
        finally:
            driver.stopping = True
            await outbound.close()

    def _run(self) -> None:
        """Run what is due and set the one timer for what comes next."""
        self.server.advance(self._clock.now_s())
        wait_s = self.server.next_due_s() - self._clock.now_s()
        self._timer = asyncio.get_running_loop().call_later(max(0.0, wait_s), self._run)

    def _stall(self, params: Params) -> None:
        self.server.stall(params, self._clock.now_s())

    def _unstall(self) -> None:
        self.server.unstall(self._clock.now_s())

    def _restore(self, params: Params) -> dict[str, Any]:
        return self.server.restore(params, self._clock.now_s())


class _OwnRecord(AbstractResolver):
    """Finds a component by its own record, wherever its name points."""

    def __init__(self, server: NameServer, component: str, now_s: Callable[[], float]) -> None:
        self._server, self._component, self._now_s = server, component, now_s

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses. Raises OSError when there are none."""
        addresses = self._server.addresses_of(self._component, self._now_s())
        if not addresses:
            raise EmptyNameError(f"{host}: the record has no address")
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=socket.AI_NUMERICHOST
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing to give up."""


class _Face(asyncio.DatagramProtocol):
    """The socket's end of the service."""

    def __init__(self, service: DnsService) -> None:
        self._service = service
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # in duty: the loop's own class is no subclass

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        reply = self._service.answer(data)
        if reply is not None and self._transport is not None:
            self._transport.sendto(reply, addr)
