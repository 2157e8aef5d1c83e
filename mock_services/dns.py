"""The region's DNS: the zone on UDP, and behind it the planner, three enactors and their clean-up, all the time.

Thin: what is answered and what is live is `harness.models.nameserver`, the same in the simulated world. This file gives
it a socket, one timer, the journal, and the resources of the control port:

    faults    stall_enactor {enactor: az1}    the enactor cannot get the lock between its check and its first write
              empty_record {component: kv}    the record answers empty, without any race (default: all managed ones)
    actions   restore                         the operator points every record at the newest plan
    gauges    queries_total, answers_total (with addresses), empty_answers_total, active_gen, newest_gen, plans,
              enactors_failing

Records of the components named in `endpoints` are managed by plans; the default is the table store. All other names
are fixed.

Journal: what the automation notes, each with `due_s`, the logical moment of the step (`t_s` is when this process came
to run it); and `first_empty_answer`, the first query of an episode that was answered empty.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any, cast

from harness.errors import SpecError
from harness.models.nameserver import NameServer
from harness.record.region import DNS_PORT
from harness.spec.region import HOSTED
from mock_services import dns_wire
from mock_services.contract import Component, Fault, Params, ServiceContext


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
        places = {name: (place.name, place.addresses) for name, place in context.region.places.items()}
        self.server = NameServer(context.spec, places, frozenset(HOSTED), context.journal.write)
        self._sock: socket.socket | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.faults = {
            "stall_enactor": Fault(self._stall, self._unstall),
            "empty_record": Fault(self.server.empty, self.server.fill),
        }
        self.actions = {"restore": self._restore}

    def open(self, sock: socket.socket) -> None:
        """Take the bound socket; it is served from `start` on, and queries that come before wait in it."""
        self._sock = sock

    async def start(self) -> None:
        """Serve, and run the automation from the run's zero on."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: _Face(self), sock=self._sock)
        self._run()

    async def stop(self) -> None:
        """Stop the automation and close the socket."""
        if self._timer is not None:
            self._timer.cancel()
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
