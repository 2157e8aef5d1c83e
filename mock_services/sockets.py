"""Sockets bound before anybody is told that a service is ready, and what to say when one cannot be."""

from __future__ import annotations

import errno
import resource
import socket

from harness.errors import RunError

BACKLOG = 4096  # thousands of new connections a second arrive when a storm starts; the kernel's cap may be lower


def bind(component: str, kind: socket.SocketKind, address: str, port: int) -> socket.socket:
    """A bound, non-blocking IPv4 socket. Raises RunError, naming the component and why, when it cannot be bound."""
    sock = socket.socket(socket.AF_INET, kind)
    try:
        if kind is socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # else a port rests a minute after a run
        sock.setblocking(False)
        sock.bind((address, port))
    except OSError as error:
        sock.close()
        raise RunError(_why_not(component, address, port, error)) from error
    return sock


def listen(component: str, address: str, port: int) -> socket.socket:
    """A listening, non-blocking TCP socket. Raises RunError as `bind` does."""
    sock = bind(component, socket.SOCK_STREAM, address, port)
    try:
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise RunError(_why_not(component, address, port, error)) from error
    return sock


def raise_file_limit() -> None:
    """Allow as many open files as the system lets us: every connection is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _why_not(component: str, address: str, port: int, error: OSError) -> str:
    where = f"{component}: cannot listen on {address}:{port}"
    if error.errno == errno.EADDRINUSE:
        return f"{where}: the port is in use; another region holds this network, or a process of an earlier run is left"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{where}: the address is not on this machine; the region needs all of 127.0.0.0/8, as on Linux"
    return f"{where}: {error.strerror}"
