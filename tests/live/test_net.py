"""Networks of runs on real loopback sockets; high R, so that runs beside the tests are not met."""

from __future__ import annotations

import socket

import pytest

from harness.errors import RunError
from harness.live.net import claim, endpoints
from harness.record.region import LOCK_PORT, lay_out

SMALL = {"dns": 1, "kv": 2}


def listening(address: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    sock = socket.socket(socket.AF_INET, kind)
    sock.bind((address, port))
    if kind == socket.SOCK_STREAM:
        sock.listen()
    return sock


def test_two_runs_never_share_a_network() -> None:
    with claim(SMALL, range(240, 243)) as first, claim(SMALL, range(240, 243)) as second:
        assert (first.region.net, second.region.net) == (240, 241)
    with claim(SMALL, range(240, 243)) as third:
        assert third.region.net == 240


def test_the_region_map_is_laid_out_in_the_claimed_network() -> None:
    with claim(SMALL, [243]) as held:
        assert held.region == lay_out(243, SMALL)


def test_every_port_a_region_listens_on_is_checked() -> None:
    found = {(place.address, place.port, place.kind) for place in endpoints(lay_out(243, SMALL))}
    tcp, udp = socket.SOCK_STREAM, socket.SOCK_DGRAM
    assert found == {
        ("127.243.0.2", 7900, tcp),
        ("127.243.0.2", 7953, udp),
        ("127.243.0.3", 7900, tcp),
        ("127.243.3.1", 8000, tcp),
        ("127.243.3.2", 8000, tcp),
    }


@pytest.mark.parametrize(
    ("address", "port", "kind", "said"),
    [
        ("127.244.3.2", 8000, socket.SOCK_STREAM, r"TCP port 8000 on 127\.244\.3\.2 \(kv\)"),
        ("127.244.0.2", 7953, socket.SOCK_DGRAM, r"UDP port 7953 on 127\.244\.0\.2 \(dns, queries\)"),
        ("127.244.0.1", LOCK_PORT, socket.SOCK_STREAM, r"TCP port 7999 on 127\.244\.0\.1 \(the run's lock\)"),
    ],
)
def test_a_port_in_use_is_named_with_what_to_do(address: str, port: int, kind: socket.SocketKind, said: str) -> None:
    with listening(address, port, kind):
        with pytest.raises(RunError, match=rf"^{said}: already in use.*see who listens with `ss ") as caught:
            claim(SMALL, [244])
        assert f"sport = :{port}" in str(caught.value)


def test_a_network_with_a_port_in_use_is_passed_over_and_its_lock_let_go() -> None:
    with listening("127.244.3.1", 8000), claim(SMALL, [244, 245]) as held:
        assert held.region.net == 245
        listening("127.244.0.1", LOCK_PORT).close()
