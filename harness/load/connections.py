"""One HTTP/1.1 exchange over a pooled connection: sent exactly once, or not at all.

A load generator must not retry behind the flow's back: then the generator makes the storm, and the rows do not show
it. The usual clients do. FastHttpSession built directly retries a timeout three times; with `max_retries=0` the client
under it still sends a GET again whenever the server closed the connection, once for every slot of its pool (12 requests
counted for one GET). Its pool waits for a slot without a limit, and its redirect switch is shared between greenlets. So
this is a client of our own, on gevent sockets and the llhttp parser that geventhttpclient brings:

    take a slot -> an idle connection that is still open, or a new one -> write once -> read one answer -> give back

Nothing is followed (a redirect is an answer) and nothing is repeated. An idle connection is looked at before use, so
one that the server has closed meanwhile is thrown away before anything was written. There are no timeouts in here: the
caller puts one deadline around the whole exchange, slot and name look-up included, and `Stage` says how far it got.
Connections under a storm are bounded by `size`; who waits for a slot is counted.

Leaves out: TLS, proxies, upgrades, streaming. Each new connection resolves the name again, so a changed DNS answer is
felt as old connections close.
"""

from __future__ import annotations

import errno
import ipaddress
from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple

import gevent.socket
from gevent.lock import Semaphore
from geventhttpclient._parser import HTTPParseError, HTTPResponseParser

from harness.errors import SpecError

POOL_SIZE = 16_000  # above the largest storm: 4,000 operations a second, each open for its 1.5 s deadline, twice over
_READ_BYTES = 65_536
_PEEK = gevent.socket.MSG_PEEK | gevent.socket.MSG_DONTWAIT


class Stage(IntEnum):
    """How far an exchange had got."""

    SLOT = 0  # waiting for a connection slot
    NAME = 1  # resolving the name
    CONNECT = 2
    SENT = 3  # from the first byte written


class OffLoopbackError(OSError):
    """A name or address leads away from this machine and is not on the allow-list."""


class MalformedError(Exception):
    """The answer was not HTTP/1.1."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes


class Trip:
    """Where one exchange is; read by the caller when its deadline strikes."""

    __slots__ = ("stage",)

    def __init__(self) -> None:
        self.stage = Stage.SLOT


class _Parser(HTTPResponseParser):
    """llhttp with the five callbacks that one answer needs."""

    def __init__(self) -> None:
        super().__init__()
        self.complete = False
        self.body = b""
        self.headers: dict[str, str] = {}
        self._name = ""
        self._in_value = False

    def _on_message_begin(self) -> None:
        if self.complete:
            raise HTTPParseError("bytes after the end of the answer")
        self.headers.clear()

    def _on_status(self, text: str) -> None:
        pass

    def _on_header_field(self, text: str) -> None:
        self._name = text if self._in_value or not self._name else self._name + text
        self._in_value = False

    def _on_header_value(self, text: str) -> None:
        key = self._name.lower()
        self.headers[key] = self.headers[key] + text if self._in_value else text
        self._in_value = True

    def _on_headers_complete(self) -> bool:
        return False

    def _on_body(self, chunk: bytearray) -> None:
        self.body += bytes(chunk)

    def _on_message_complete(self) -> None:
        self.complete = self.get_code() >= 200  # a 1xx is not yet the answer


def check_loopback(what: str, address: str, allowed: frozenset[str] = frozenset()) -> None:
    """Raise SpecError unless `address` is on loopback or allowed by name."""
    try:
        local = ipaddress.ip_address(address).is_loopback
    except ValueError:
        local = False
    if not local and address not in allowed:
        raise SpecError(
            f"{what}: its address is {address}, which is not on loopback; load is sent to this machine only "
            "(127.0.0.0/8 or ::1) unless the experiment allows the address by name"
        )


class ConnectionPool:
    """Connections to one target. `exchange` may be called by any number of greenlets at once."""

    def __init__(
        self,
        host: str,
        port: int,
        size: int = POOL_SIZE,
        allowed: frozenset[str] = frozenset(),
        resolve: Callable[..., list[Any]] | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.waiting_slot = 0  # greenlets waiting for a slot now
        self.waited_slot_total = 0
        self.opened_total = 0
        self._slots = Semaphore(size)
        self._idle: list[Any] = []
        self._allowed = allowed
        self._good: set[str] = set()  # addresses already checked
        self._resolve = resolve or gevent.socket.getaddrinfo
        self._turn = 0

    @property
    def idle(self) -> int:
        """Connections open and unused now."""
        return len(self._idle)

    def exchange(self, request: bytes, trip: Trip) -> Answer:
        """Write `request` once and read one answer.

        Raises OSError (`trip.stage` says what it means: no address, nobody accepted, or the connection broke) and
        MalformedError. Any exception, also one thrown in from outside, closes the connection.
        """
        slots = self._slots
        if not slots.acquire(blocking=False):
            self._wait_for_slot()
        try:
            sock = self._connection(trip)
            keep = False
            try:
                trip.stage = Stage.SENT
                sent = sock.send(request)
                if sent < len(request):  # larger than the socket's buffer
                    sock.sendall(request[sent:])
                parser = _read_answer(sock)
                keep = parser.should_keep_alive()
                return Answer(parser.get_code(), parser.headers, parser.body)
            finally:
                if keep:
                    self._idle.append(sock)
                else:
                    sock.close()
        finally:
            slots.release()

    def close(self) -> None:
        """Close the connections that are idle."""
        while self._idle:
            self._idle.pop().close()

    def _wait_for_slot(self) -> None:
        self.waiting_slot += 1
        self.waited_slot_total += 1
        try:
            self._slots.acquire()
        finally:
            self.waiting_slot -= 1

    def _connection(self, trip: Trip) -> Any:
        """The idle connection used last that is still open, or a new one."""
        while self._idle:
            sock = self._idle.pop()
            try:
                sock._sock.recv(1, _PEEK)  # the plain socket below gevent's: never waits
            except BlockingIOError:
                return sock  # nothing to read and not closed
            except OSError:
                pass
            sock.close()
        return self._connect(trip)

    def _connect(self, trip: Trip) -> Any:
        trip.stage = Stage.NAME
        found = self._resolve(self.host, self.port, gevent.socket.AF_INET, gevent.socket.SOCK_STREAM)
        trip.stage = Stage.CONNECT
        self._turn += 1
        failed: OSError | None = None
        for k in range(len(found)):
            family, kind, proto, _, address = found[(self._turn + k) % len(found)]  # in turn, so that instances share
            self._check(address[0])
            sock = gevent.socket.socket(family, kind, proto)
            try:
                sock.setsockopt(gevent.socket.IPPROTO_TCP, gevent.socket.TCP_NODELAY, 1)
                sock.connect(address)
            except OSError as error:
                sock.close()
                failed = error
            except BaseException:
                sock.close()
                raise
            else:
                self.opened_total += 1
                return sock
        raise failed or ConnectionRefusedError(errno.ECONNREFUSED, f"{self.host} has no address")

    def _check(self, address: str) -> None:
        if address not in self._good:
            try:
                check_loopback(self.host, address, self._allowed)
            except SpecError as error:
                raise OffLoopbackError(str(error)) from error
            self._good.add(address)


def _read_answer(sock: Any) -> _Parser:
    parser = _Parser()
    started = False
    while not parser.complete:
        data = sock.recv(_READ_BYTES)
        if not data and not started:
            raise ConnectionResetError(errno.ECONNRESET, "the connection was closed before an answer")
        started = True
        try:
            parser.feed(data)  # an empty read is how llhttp learns the end of a body without length
        except HTTPParseError as error:
            if not data:
                raise ConnectionResetError(errno.ECONNRESET, "the connection was closed inside an answer") from error
            raise MalformedError(str(error)) from error
    return parser
