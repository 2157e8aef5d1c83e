"""A run's own network: claim one 127.R.0.0/16, and check every port in it before anything starts.

On Linux all of 127.0.0.0/8 is loopback, so each run can have 65,536 addresses and no two runs need share a port. Fixed
addresses collide as soon as two runs stand side by side, and a check without a lock is a race between them. So a run
first binds 127.R.0.1:7999 and holds it for the life of the process: the kernel lets one process win and frees the lock
whatever way that process ends. Then every port of the region map is tried; an R with a port in use (a stray service)
is passed over, and the last refusal is reported when none is left.

Leaves out: systems whose loopback is 127.0.0.1 alone; the refusal says so.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from harness.errors import RunError
from harness.record.region import DNS_PORT, LOCK_PORT, RegionMap, lay_out

NETS = range(10, 251)


class Endpoint(NamedTuple):
    """One address and port that a run will listen on."""

    address: str
    port: int
    kind: socket.SocketKind
    what: str

    def __str__(self) -> str:
        protocol = "UDP" if self.kind == socket.SOCK_DGRAM else "TCP"
        return f"{protocol} port {self.port} on {self.address} ({self.what})"


class Claim:
    """A held 127.R.0.0/16; a context manager that releases it."""

    def __init__(self, region: RegionMap, lock: socket.socket) -> None:
        self.region = region
        self._lock = lock

    def release(self) -> None:
        """Let another run have this network."""
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def endpoints(region: RegionMap) -> list[Endpoint]:
    """Every address and port the region will listen on, in the order of its components."""
    found = []
    for place in region.places.values():
        control = urlsplit(place.control)
        assert control.hostname is not None
        assert control.port is not None
        found.append(Endpoint(control.hostname, control.port, socket.SOCK_STREAM, f"{place.component}, control"))
        if place.component == "dns":
            found.append(Endpoint(region.dns_address, DNS_PORT, socket.SOCK_DGRAM, "dns, queries"))
        else:
            found += [Endpoint(address, place.port, socket.SOCK_STREAM, place.component) for address in place.addresses]
    return found


def claim(instances: Mapping[str, int], nets: Iterable[int] = NETS) -> Claim:
    """Claim the first free network of `nets` for `instances` (component -> how many).

    Raises RunError, naming the port that is in use and what to do, when no network is free.
    """
    refusal = "no network was asked for"
    for net in nets:
        lock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        wanted = Endpoint(f"127.{net}.0.1", LOCK_PORT, socket.SOCK_STREAM, "the run's lock")
        try:
            lock.bind((wanted.address, wanted.port))
            lock.listen(1)  # shown by `ss -l`, and exclusive even among binders that reuse addresses
        except OSError as error:
            lock.close()
            if error.errno == errno.EADDRNOTAVAIL:
                raise RunError(
                    f"{wanted.address} cannot be bound: a run needs all of 127.0.0.0/8 as loopback, as Linux has it; "
                    "run it on Linux or in a Linux container"
                ) from error
            refusal = _refusal(wanted, error)
            continue
        region = lay_out(net, dict(instances))
        taken = [(place, found) for place in endpoints(region) if (found := _in_use(place)) is not None]
        if not taken:
            return Claim(region, lock)
        lock.close()
        refusal = _refusal(*taken[0])
    raise RunError(refusal)


def _in_use(place: Endpoint) -> OSError | None:
    with socket.socket(socket.AF_INET, place.kind) as probe:
        if place.kind == socket.SOCK_STREAM:  # as the services bind: closed connections of an earlier run do not count
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((place.address, place.port))
        except OSError as error:
            return error
    return None


def _refusal(place: Endpoint, error: OSError) -> str:
    if error.errno != errno.EADDRINUSE:
        return f"{place}: cannot be bound: {error.strerror}; run `blackstart doctor` to see what this machine allows"
    flag = "-lunp" if place.kind == socket.SOCK_DGRAM else "-ltnp"
    return (
        f"{place}: already in use, and so was a port in every other network tried (127.R.0.0/16); "
        f"see who listens with `ss {flag} 'sport = :{place.port}'` and stop it, then run again"
    )
