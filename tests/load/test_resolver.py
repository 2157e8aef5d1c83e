"""Names under .test from the region's DNS under a policy; nothing else leaves this machine."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import gevent
import pytest
from gevent.server import DatagramServer

from harness.load.resolver import EmptyAnswer, NoAnswer, Refused, RegionResolver, WireQuery, read_message
from harness.models.dns_cache import Answer
from harness.policies.resolver import FOUND, NO_REPLY, NODATA, NXDOMAIN, SERVFAIL, ResolverSpec

KV = "kv.region.test"
GOOD = Answer(FOUND, ("127.9.3.1", "127.9.3.2"), 1.0)


class Fake:
    """A DNS that answers from a variable, and a clock."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked = 0
        self.t_s = 0.0

    def __call__(self, name: str) -> Answer:
        self.asked += 1
        return self.answer

    def resolver(self, spec: ResolverSpec | None = None) -> RegionResolver:
        return RegionResolver(spec or ResolverSpec(), self, lambda: self.t_s)


def test_a_name_is_asked_for_once_per_ttl() -> None:
    fake = Fake(GOOD)
    resolver = fake.resolver()
    for t_s, asked in ((0.0, 1), (0.999, 1), (1.0, 2)):
        fake.t_s = t_s
        assert resolver.addresses(KV) == ("127.9.3.1", "127.9.3.2")
        assert fake.asked == asked


def test_getaddrinfo_gives_every_address_with_port_and_kind() -> None:
    found = Fake(GOOD).resolver().getaddrinfo("KV.region.test.", "8000", 0, socket.SOCK_STREAM)
    assert found == [
        (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, 8000)) for address in GOOD.addresses
    ]


@pytest.mark.parametrize("kind", [NODATA, NXDOMAIN])
def test_an_empty_answer_is_told_from_no_answer(kind: int) -> None:
    with pytest.raises(EmptyAnswer, match="without an address"):
        Fake(Answer(kind)).resolver().addresses(KV)


@pytest.mark.parametrize("kind", [SERVFAIL, NO_REPLY])
def test_a_failure_or_silence_is_no_answer(kind: int) -> None:
    with pytest.raises(NoAnswer, match="no usable answer"):
        Fake(Answer(kind)).resolver().addresses(KV)


def test_who_asks_meanwhile_joins_the_query_in_flight() -> None:
    fake = Fake(GOOD)
    go = gevent.event.Event()

    def slow(name: str) -> Answer:
        fake.asked += 1
        go.wait()
        return GOOD

    resolver = RegionResolver(ResolverSpec(), slow, lambda: 0.0)
    jobs = [gevent.spawn(resolver.addresses, KV) for _ in range(5)]
    gevent.sleep(0)
    jobs[0].kill()  # the first to ask gives up: the others get their answer all the same
    go.set()
    gevent.joinall(jobs[1:], raise_error=True)
    assert [job.value for job in jobs[1:]] == [GOOD.addresses] * 4
    assert fake.asked == 1
    assert resolver.gauges()["resolver_joined_total"] == 4.0


@pytest.mark.filterwarnings("ignore")
def test_a_query_that_breaks_answers_those_who_wait(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(name: str) -> Answer:
        raise ZeroDivisionError

    resolver = RegionResolver(ResolverSpec(), broken, lambda: 0.0)
    with gevent.Timeout(2), pytest.raises(NoAnswer):
        resolver.addresses(KV)
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["127.0.0.1", "127.44.3.2", b"127.0.0.2", "::1", "localhost", "0.0.0.0", None])
def test_loopback_and_unspecified_are_taken_as_they_are(host: Any) -> None:
    fake = Fake(GOOD)
    assert fake.resolver().getaddrinfo(host, 80, 0, socket.SOCK_STREAM)
    assert fake.asked == 0


@pytest.mark.parametrize("host", ["example.org", "192.0.2.1", "169.254.169.254", "region.test.example.org", "test"])
def test_everything_else_is_refused_without_a_query(host: str) -> None:
    fake = Fake(GOOD)
    with pytest.raises(Refused, match=r"loopback addresses only"):
        fake.resolver().getaddrinfo(host, 80)
    assert fake.asked == 0


def test_ipv6_alone_is_an_empty_answer() -> None:
    with pytest.raises(EmptyAnswer, match="IPv4"):
        Fake(GOOD).resolver().getaddrinfo(KV, 80, socket.AF_INET6)


def reply_to(query: dns.message.Message, rcode: dns.rcode.Rcode, *rrsets: dns.rrset.RRset) -> dns.message.Message:
    reply = dns.message.make_response(query)
    reply.set_rcode(rcode)
    for rrset in rrsets:
        (reply.authority if rrset.rdtype.name == "SOA" else reply.answer).append(rrset)
    return reply


def soa(minimum: int) -> dns.rrset.RRset:
    return dns.rrset.from_text("region.test.", 5, "IN", "SOA", f"ns.region.test. root.region.test. 1 1 1 1 {minimum}")


def test_a_reply_is_read_with_its_ttls() -> None:
    query = dns.message.make_query(KV, "A")
    found = dns.rrset.from_text(f"{KV}.", 3, "IN", "A", "127.9.3.1", "127.9.3.2")
    answer = read_message(reply_to(query, dns.rcode.NOERROR, found))
    assert (answer.kind, answer.addresses, answer.ttl_s) == (FOUND, ("127.9.3.1", "127.9.3.2"), 3.0)
    empty = read_message(reply_to(query, dns.rcode.NOERROR, soa(2)))
    assert (empty.kind, empty.negative_ttl_s) == (NODATA, 2.0)
    assert read_message(reply_to(query, dns.rcode.NXDOMAIN, soa(2))).kind == NXDOMAIN
    assert read_message(reply_to(query, dns.rcode.SERVFAIL)).kind == SERVFAIL


class WireServer(DatagramServer):
    """A real DNS server on loopback whose datagrams are made by `respond`."""

    def __init__(self, respond: Callable[[dns.message.Message, int], list[bytes]]) -> None:
        super().__init__(("127.0.0.1", 0))
        self.asked = 0
        self._respond = respond

    def handle(self, data: bytes, address: Any) -> None:
        self.asked += 1
        for datagram in self._respond(dns.message.from_wire(data), self.asked):
            self.socket.sendto(datagram, address)


def ask(respond: Callable[[dns.message.Message, int], list[bytes]]) -> tuple[Answer, int]:
    server = WireServer(respond)
    server.start()
    try:
        with gevent.Timeout(5):
            return WireQuery("127.0.0.1", server.server_port, seed=1)(KV), server.asked
    finally:
        server.stop()


def found_wire(query: dns.message.Message) -> bytes:
    found = dns.rrset.from_text(f"{KV}.", 1, "IN", "A", "127.9.3.1")
    return reply_to(query, dns.rcode.NOERROR, found).to_wire()


def test_a_query_goes_over_the_wire_and_comes_back() -> None:
    answer, asked = ask(lambda query, n: [found_wire(query)])
    assert (answer.addresses, asked) == (("127.9.3.1",), 1)


def test_rubbish_and_answers_to_other_questions_are_passed_over() -> None:
    other = dns.message.make_query("other.region.test", "A")
    answer, asked = ask(lambda query, n: [b"rubbish", found_wire(other), found_wire(query)])
    assert (answer.addresses, asked) == (("127.9.3.1",), 1)


def test_a_lost_datagram_is_asked_for_again() -> None:
    answer, asked = ask(lambda query, n: [] if n == 1 else [found_wire(query)])
    assert (answer.addresses, asked) == (("127.9.3.1",), 2)


def test_silence_is_no_reply_after_two_tries() -> None:
    answer, asked = ask(lambda query, n: [])
    assert (answer.kind, asked) == (NO_REPLY, 2)
