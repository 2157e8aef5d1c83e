"""Where somebody's locustfile may send load: this machine, the region that is served, and hosts allowed by name.

A locustfile carries a host, and a copied one carries somebody else's: `-H` forgotten, and a test of a laptop becomes a
flood on a service in use. So hosts are looked at twice. Before the load, the host of every user class; a wrong one ends
the process. During it, whatever name or address a request is about to connect to, because a task may name any URL: a
wrong one fails that request before a packet leaves, as a failed look-up does.

    this machine            127.0.0.0/8, ::1, localhost
    *.region.test           the region of `blackstart serve`, asked from its own DNS with TTLs honoured
    anything else           only if `--blackstart-allow-host` or the experiment's `allow_hosts` names it

Leaves out: sockets that are opened without looking a name up (raw sockets in a task), and other processes.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import gevent
from gevent.resolver import AbstractResolver

from harness.errors import SpecError
from harness.load.resolver import SUFFIX, Refused, RegionResolver
from harness.spec.checks import loopback

_HOW = "allow it with --blackstart-allow-host, or under `allow_hosts` of the experiment"


def host_of(url: str | None) -> str:
    """The host of a base URL, "" when there is none to be read."""
    try:
        return urlsplit(url or "").hostname or ""
    except ValueError:
        return ""


def in_region(host: str) -> bool:
    """Whether a host is a name of a region."""
    return host.rstrip(".").lower().endswith(SUFFIX)


def check_hosts(urls: Iterable[tuple[str, str | None]], allowed: frozenset[str]) -> list[str]:
    """The hosts of (user class, base URL), each once; raises SpecError for one that is not allowed."""
    found: dict[str, None] = {}
    for name, url in urls:
        host = host_of(url)
        if url and not host:
            raise SpecError(f"{name}: its host {url!r} is no URL; write it as in http://127.0.0.1:8080")
        if host and not (loopback(host) or in_region(host) or host in allowed):
            raise SpecError(f"{name}: its host {host} is not this machine, and load may not go there; {_HOW}")
        if url and host:
            found.setdefault(urlsplit(url).netloc)
    return list(found)


class Guard(AbstractResolver):
    """The hub's resolver during a run: refuses what may not be reached, and knows the names of the served region."""

    def __init__(self, under: Any, allowed: frozenset[str], region: RegionResolver | None) -> None:
        self.refused: dict[str, int] = {}  # host -> look-ups refused
        self._under = under
        self._allowed = allowed
        self._region = region

    def getaddrinfo(
        self, host: Any, port: Any, family: int = 0, socktype: int = 0, proto: int = 0, flags: int = 0
    ) -> list[Any]:
        """As socket.getaddrinfo; raises gaierror for a host that is not allowed."""
        name = host.decode("ascii", "replace") if isinstance(host, bytes | bytearray) else host
        if isinstance(name, str) and self._region is not None and in_region(name):
            return self._region.getaddrinfo(name, port, family, socktype, proto, flags)
        found: list[Any] = self._under.getaddrinfo(host, port, family, socktype, proto, flags)
        if name in (None, "") or name in self._allowed:
            return found
        kept = [entry for entry in found if _is_here(entry[4][0]) or entry[4][0] in self._allowed]
        if found and not kept:
            self.refused[str(name)] = self.refused.get(str(name), 0) + 1
            raise Refused(socket.EAI_NONAME, f"{name}: not this machine, and not allowed; {_HOW}")
        return kept

    def _getnameinfo(self, address_bytes: bytes, port: int, sockaddr: Any, flags: int) -> Any:
        return self._under.getnameinfo(sockaddr, flags)

    def _gethostbyaddr(self, ip_address_bytes: bytes) -> Any:
        return self._under.gethostbyaddr(ip_address_bytes.decode("ascii", "replace"))


def install(allowed: frozenset[str], region: RegionResolver | None) -> Guard:
    """Put a guard before the hub's resolver; a guard that is there already is replaced."""
    hub = gevent.get_hub()
    under = hub.resolver
    guard = Guard(under._under if isinstance(under, Guard) else under, allowed, region)
    hub.resolver = guard
    return guard


def _is_here(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return found.is_loopback or found.is_unspecified
