"""The load process's resolver: names under `.test` from the region's DNS, on the wire, under a caching policy.

How a client caches answers decides whether it comes back after the fix, so the cache is a policy of ours
(`harness.models.dns_cache`) and the system's resolver, c-ares and every library cache are out of the path. gevent asks
one object per hub for every name; this is that object, so plain sockets, FastHttpUser and unmodified SDKs in this
process all resolve here:

    <name>.test       the cache; if it does not know, one query over UDP to the region's DNS (joined by whoever asks for
                      the same name meanwhile), tried `TRIES` times
    loopback          literals (127.0.0.0/8, ::1) and "localhost" as they are; the unspecified address too, to bind to
    anything else     refused: load is sent to this machine only

What fails is told apart, because it is different for the user: `EmptyAnswer` (the server answered, and there is no
address: NODATA or NXDOMAIN) costs nothing and comes at once; `NoAnswer` (failure or silence) costs time. AAAA is not
asked: the region has IPv4 only, so a caller who wants both families gets the A records.

Leaves out: search lists, /etc/hosts, TCP fallback (answers of this region fit a datagram), reverse look-ups.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
import gevent
import gevent.socket
from gevent.event import AsyncResult
from gevent.monkey import get_original
from gevent.resolver import AbstractResolver

from harness import seeds
from harness.models.dns_cache import Answer, DnsCache, read
from harness.policies.resolver import FOUND, NO_REPLY, ResolverSpec

TRIES = 2
TRY_S = 0.25  # two tries fit an attempt's usual 500 ms
SUFFIX = ".test"
_DATAGRAM_BYTES = 4096


class EmptyAnswer(socket.gaierror):
    """The server answered: there is no address."""


class NoAnswer(socket.gaierror):
    """The server failed, or nothing came."""


class Refused(socket.gaierror):
    """Not a name this process may resolve."""


Ask = Callable[[str], Answer]  # one query for a name: what came back; Answer(NO_REPLY) when nothing did


class WireQuery:
    """Asks one DNS server over UDP, from a gevent socket of its own for each try."""

    def __init__(self, address: str, port: int, seed: int) -> None:
        self._server = (address, port)
        self._seed = seed
        self._asked = 0

    def __call__(self, name: str) -> Answer:
        """The A records of `name`. Never raises for what the server does."""
        for _ in range(TRIES):
            self._asked += 1
            query = dns.message.make_query(name, dns.rdatatype.A, id=seeds.mix(self._seed, self._asked) & 0xFFFF)
            sock = gevent.socket.socket(gevent.socket.AF_INET, gevent.socket.SOCK_DGRAM)
            try:
                sock.connect(self._server)
                with gevent.Timeout(TRY_S, False):
                    sock.send(query.to_wire())
                    return self._wait(sock, query)
            except OSError:
                gevent.sleep(TRY_S)  # nobody there (port unreachable): the next try is not sooner for it
            finally:
                sock.close()
        return Answer(NO_REPLY)

    def _wait(self, sock: Any, query: dns.message.Message) -> Answer:
        while True:
            data = sock.recv(_DATAGRAM_BYTES)
            try:
                reply = dns.message.from_wire(data)
            except dns.exception.DNSException:
                continue  # not a reply; a late one of an earlier query cannot reach this socket
            if query.is_response(reply):
                return read_message(reply)


def read_message(reply: dns.message.Message) -> Answer:
    """A reply in the cache's terms."""
    addresses: list[str] = []
    ttls_s: list[float] = []
    soa_s: tuple[float, float] | None = None
    for rrset in (*reply.answer, *reply.authority, *reply.additional):
        if rrset.rdtype == dns.rdatatype.SOA:
            soa_s = (float(rrset.ttl), float(rrset[0].minimum))
            continue
        ttls_s.append(float(rrset.ttl))
        if rrset.rdtype == dns.rdatatype.A:
            addresses += [record.address for record in rrset]
    return read(dns.rcode.to_text(reply.rcode()), tuple(addresses), tuple(ttls_s), soa_s)


class RegionResolver(AbstractResolver):
    """The hub's resolver. `ask` sends one query; `now_s` is any clock that does not go backwards."""

    def __init__(self, spec: ResolverSpec, ask: Ask, now_s: Callable[[], float]) -> None:
        self.cache = DnsCache(spec)
        self.joined = 0  # look-ups that waited for another's query
        self._ask = ask
        self._now_s = now_s
        self._flying: dict[str, Any] = {}

    def addresses(self, name: str) -> tuple[str, ...]:
        """The addresses of a name under `.test`. Raises EmptyAnswer or NoAnswer."""
        answer = self.cache.lookup(name, self._now_s())
        if answer is None:
            flight = self._flying.get(name)
            if flight is None:
                flight = self._flying[name] = AsyncResult()
                gevent.spawn(self._fly, name, flight)  # its own greenlet: who gives up waiting does not end the query
            else:
                self.joined += 1
            answer = flight.get()
        if answer.kind == FOUND:
            return answer.addresses
        if answer.empty:
            raise EmptyAnswer(socket.EAI_NONAME, f"{name}: the DNS answered without an address")
        raise NoAnswer(socket.EAI_AGAIN, f"{name}: the DNS gave no usable answer")

    def getaddrinfo(
        self, host: Any, port: Any, family: int = 0, socktype: int = 0, proto: int = 0, flags: int = 0
    ) -> list[Any]:
        """As socket.getaddrinfo, for the names and literals this process may use."""
        name = host.decode("ascii", "replace") if isinstance(host, bytes | bytearray) else host
        if not isinstance(name, str) or not _is_region_name(name):
            return self._local(name, port, family, socktype, proto, flags)
        if family not in (socket.AF_INET, socket.AF_UNSPEC):
            raise EmptyAnswer(socket.EAI_NONAME, f"{name}: the region has IPv4 addresses only")
        number = int(port or 0)
        kind = socktype or socket.SOCK_STREAM
        protocol = proto or (socket.IPPROTO_UDP if kind == socket.SOCK_DGRAM else socket.IPPROTO_TCP)
        clean = name.rstrip(".").lower()
        found = self.addresses(clean)
        return [(socket.AF_INET, socket.SocketKind(kind), protocol, "", (address, number)) for address in found]

    def gauges(self) -> dict[str, float]:
        """The cache's counters, and look-ups that joined a query in flight."""
        return {**self.cache.gauges(), "resolver_joined_total": float(self.joined)}

    def _fly(self, name: str, flight: Any) -> None:
        reply = Answer(NO_REPLY)  # whoever waits is answered, also when asking breaks
        try:
            reply = self._ask(name)
        finally:
            del self._flying[name]
            flight.set(self.cache.store(name, reply, self._now_s()))

    def _local(self, name: Any, port: Any, family: int, socktype: int, proto: int, flags: int) -> list[Any]:
        if name in (None, "", "localhost"):
            return _system_getaddrinfo(name or None, port, family, socktype, proto, flags)
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            address = None
        if address is None or not (address.is_loopback or address.is_unspecified):
            raise Refused(
                socket.EAI_NONAME,
                f"{name}: not resolved; the load process knows names under {SUFFIX} and loopback addresses only",
            )
        return _system_getaddrinfo(name, port, family, socktype, proto, flags | socket.AI_NUMERICHOST)

    def _getnameinfo(self, address_bytes: bytes, port: int, sockaddr: Any, flags: int) -> tuple[str, str]:
        return address_bytes.decode(), str(port)

    def _gethostbyaddr(self, ip_address_bytes: bytes) -> Any:
        raise socket.herror(1, "Unknown host")


def install(resolver: RegionResolver) -> None:
    """Make it the resolver of this thread's hub."""
    gevent.get_hub().resolver = resolver


def _is_region_name(name: str) -> bool:
    return name.rstrip(".").lower().endswith(SUFFIX)


def _system_getaddrinfo(*arguments: Any) -> list[Any]:
    native: Callable[..., list[Any]] = get_original("socket", "getaddrinfo")  # the patched one would come back here
    return native(*arguments)
