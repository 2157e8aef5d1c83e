"""One exchange is one request on the wire, whatever the server does. Real sockets on loopback; no waits but events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import gevent.socket
import pytest
from gevent.event import Event
from gevent.server import StreamServer

from harness.errors import SpecError
from harness.load.connections import ConnectionPool, MalformedError, OffLoopbackError, Stage, Trip, check_loopback

POST = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"
GET = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nRetry-After: 3\r\n\r\nhi"


class Server:
    """Answers each request with what `answer` says: bytes, or None to close without a word."""

    def __init__(self, answer: Callable[[int], bytes | None], close_after: bool = False) -> None:
        self.requests = 0
        self.connections = 0
        self.closed = Event()
        self._answer = answer
        self._close_after = close_after
        self._server = StreamServer(("127.0.0.1", 0), self._serve)
        self._server.start()
        self.port: int = self._server.server_port

    def _serve(self, sock: Any, _: Any) -> None:
        self.connections += 1
        with sock:
            while data := sock.recv(65536):
                assert data in (POST, GET)
                self.requests += 1
                answer = self._answer(self.requests)
                if answer is None:
                    break
                sock.sendall(answer)
                if self._close_after:
                    break
        self.closed.set()

    def stop(self) -> None:
        self._server.stop()


Answers = Callable[[int], bytes | None]


@contextmanager
def serving(answer: Answers, close_after: bool = False) -> Iterator[tuple[Server, ConnectionPool]]:
    server = Server(answer, close_after)
    pool = ConnectionPool("127.0.0.1", server.port, size=4)
    try:
        with gevent.Timeout(5):
            yield server, pool
    finally:
        pool.close()
        server.stop()


@pytest.mark.parametrize("request_", [POST, GET])
def test_a_closing_server_sees_each_request_once(request_: bytes) -> None:
    with serving(lambda n: None) as (server, pool):
        trip = Trip()
        with pytest.raises(ConnectionResetError):
            pool.exchange(request_, trip)
        assert server.requests == 1
        assert trip.stage is Stage.SENT


@pytest.mark.parametrize("request_", [POST, GET])
def test_a_server_that_closes_on_a_reused_connection_sees_each_request_once(request_: bytes) -> None:
    with serving(lambda n: OK if n == 1 else None) as (server, pool):
        assert pool.exchange(request_, Trip()).status == 200
        with pytest.raises(ConnectionResetError):
            pool.exchange(request_, Trip())
        assert (server.requests, server.connections) == (2, 1)


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    with serving(lambda n: b"HTTP/1.1 302 Found\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n") as (server, pool):
        answer = pool.exchange(GET, Trip())
        assert (answer.status, answer.headers["location"]) == (302, "/y")
        assert server.requests == 1


def test_a_connection_is_used_again_and_headers_are_in_lower_case() -> None:
    with serving(lambda n: OK) as (server, pool):
        for _ in range(3):
            answer = pool.exchange(POST, Trip())
            assert answer == (200, {"content-length": "2", "retry-after": "3"}, b"hi")
        assert (server.connections, pool.opened_total, pool.idle) == (1, 1, 1)


def test_connection_close_is_obeyed() -> None:
    with serving(lambda n: b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n") as (server, pool):
        pool.exchange(POST, Trip())
        pool.exchange(POST, Trip())
        assert (server.connections, pool.idle) == (2, 0)


def test_an_idle_connection_the_server_closed_is_replaced_before_anything_is_written() -> None:
    with serving(lambda n: OK, close_after=True) as (server, pool):
        pool.exchange(POST, Trip())
        server.closed.wait()
        gevent.sleep(0.01)  # the end of the connection reaches this side
        pool.exchange(POST, Trip())
        assert (server.requests, server.connections) == (2, 2)


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
    ],
)
def test_chunks_and_interim_answers_are_understood(wire: bytes) -> None:
    with serving(lambda n: wire) as (_, pool):
        answer = pool.exchange(POST, Trip())
        assert (answer.status, answer.body) == (200, b"hi")


def test_a_body_without_length_ends_with_the_connection() -> None:
    with serving(lambda n: b"HTTP/1.1 200 OK\r\n\r\nhi", close_after=True) as (_, pool):
        assert pool.exchange(POST, Trip()).body == b"hi"
        assert pool.idle == 0


def test_an_answer_cut_in_the_middle_is_a_broken_connection() -> None:
    with serving(lambda n: OK[:-1], close_after=True) as (_, pool), pytest.raises(ConnectionResetError):
        pool.exchange(POST, Trip())


@pytest.mark.parametrize("wire", [b"SSH-2.0-OpenSSH\r\n", OK + OK])
def test_what_is_not_one_answer_is_malformed(wire: bytes) -> None:
    with serving(lambda n: wire) as (_, pool):
        with pytest.raises(MalformedError):
            pool.exchange(POST, Trip())
        assert pool.idle == 0


def test_nobody_there_is_told_from_a_broken_connection_by_the_stage() -> None:
    with serving(lambda n: OK) as (server, pool):
        server.stop()
        trip = Trip()
        with pytest.raises(OSError):  # noqa: PT011 - which one depends on the system
            pool.exchange(POST, trip)
        assert trip.stage is Stage.CONNECT


def test_waiting_for_a_slot_is_counted_and_ends_when_one_is_free() -> None:
    go = Event()

    def held(n: int) -> bytes:
        go.wait()
        return OK

    with serving(held) as (server, pool):
        trips = [Trip() for _ in range(6)]
        jobs = [gevent.spawn(pool.exchange, POST, trip) for trip in trips]
        while server.requests < 4:
            gevent.sleep(0)
        assert pool.waiting_slot == 2
        assert sorted(trip.stage for trip in trips) == [Stage.SLOT, Stage.SLOT, *[Stage.SENT] * 4]
        go.set()
        gevent.joinall(jobs, raise_error=True)
        assert (pool.waiting_slot, pool.waited_slot_total, server.requests) == (0, 2, 6)


def test_an_exchange_that_is_given_up_closes_its_connection_and_frees_its_slot() -> None:
    with serving(lambda n: gevent.sleep(5) or OK) as (_, pool):  # type: ignore[func-returns-value]
        for _ in range(8):  # twice the slots
            with pytest.raises(gevent.Timeout), gevent.Timeout(0.01):
                pool.exchange(POST, Trip())
        assert pool.idle == 0
        assert pool.waited_slot_total == 0


def test_instances_behind_one_name_take_turns() -> None:
    with serving(lambda n: OK, close_after=True) as (one, _), serving(lambda n: OK, close_after=True) as (two, _):
        found = [(gevent.socket.AF_INET, gevent.socket.SOCK_STREAM, 6, "", ("127.0.0.1", s.port)) for s in (one, two)]
        pool = ConnectionPool("kv.region.test", 1, resolve=lambda *_: found)
        for _ in range(6):
            pool.exchange(POST, Trip())
            pool.close()
        assert (one.requests, two.requests) == (3, 3)


def test_a_name_that_leads_off_loopback_is_refused_before_connecting() -> None:
    found = [(gevent.socket.AF_INET, gevent.socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))]
    pool = ConnectionPool("kv.region.test", 80, resolve=lambda *_: found)
    with pytest.raises(OffLoopbackError, match=r"192\.0\.2\.1, which is not on loopback"):
        pool.exchange(POST, Trip())


@pytest.mark.parametrize("address", ["127.0.0.1", "127.250.3.1", "::1"])
def test_loopback_addresses_are_targets(address: str) -> None:
    check_loopback("kv", address)


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "::", "example.org", ""])
def test_other_addresses_are_targets_only_when_allowed(address: str) -> None:
    with pytest.raises(SpecError, match=r"kv: its address is .* not on loopback.*unless the experiment allows"):
        check_loopback("kv", address)
    check_loopback("kv", address, frozenset({address}))
