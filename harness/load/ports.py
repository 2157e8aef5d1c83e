"""The control ports of a region, asked from the load process: by its timeline, or by a person who presses a button.

The orchestrator has its own client for them, in a process that never meets gevent. Here a question waits in the
greenlet that asks it, and users go on meanwhile. Patience is bounded around each exchange, so a service that hangs
costs its asker five seconds and nobody else anything. A refusal is a RunError with the service's own words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import gevent

from harness.errors import RunError
from harness.load.connections import ConnectionPool, MalformedError, Trip
from harness.record.folder import RunFolder
from harness.record.region import RegionMap
from harness.timeline import Due

ASK_S_MAX = 5.0
_OK = 200


class Ports:
    """The control ports of a served region. Calls wait for the answer, in the calling greenlet."""

    def __init__(self, region: RegionMap, token: str) -> None:
        self.components = tuple(region.places)
        self._token = token
        self._pools: dict[str, ConnectionPool] = {}
        for name, place in region.places.items():
            parts = urlsplit(place.control)
            self._pools[name] = ConnectionPool(parts.hostname or "", parts.port or 80, size=4)

    def ask(self, method: str, component: str, path: str, body: object = None) -> dict[str, Any]:
        """One question. Raises RunError with the service's own words."""
        pool = self._pools[component]
        text = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {pool.host}:{pool.port}\r\nX-Blackstart-Token: {self._token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
        )
        try:
            with gevent.Timeout(ASK_S_MAX):
                answer = pool.exchange(head.encode() + text, Trip())
            value = json.loads(answer.body or b"{}")
        except gevent.Timeout as error:
            raise RunError(f"{component}: {method} {path}: no reply within {ASK_S_MAX:g} s") from error
        except (OSError, MalformedError, ValueError) as error:
            raise RunError(f"{component}: {method} {path}: {error}; has the process ended?") from error
        if answer.status != _OK or not isinstance(value, dict):
            said = value.get("error", value) if isinstance(value, dict) else value
            raise RunError(f"{component}: {method} {path}: refused with {answer.status}: {said}")
        return value

    def do(self, due: Due) -> object:
        """Inject, heal or act. Raises RunError."""
        match due.deed:
            case "inject":
                return self.ask("PUT", due.component, f"/_faults/{due.name}", {**due.params, "ttl_s": due.ttl_s})
            case "heal":
                return self.ask("DELETE", due.component, f"/_faults/{due.name}").get("healed", True)
            case "action":
                return self.ask("POST", due.component, f"/_actions/{due.name}", due.params).get("result")

    def gauges(self, component: str) -> Mapping[str, float]:
        """A component's gauges; empty when it does not answer."""
        try:
            found = self.ask("GET", component, "/_gauges").get("gauges", {})
        except RunError:
            return {}
        return {str(name): float(value) for name, value in found.items()}


def ports_of(folder: RunFolder, region: RegionMap) -> Ports:
    """The control ports of a served region, with its token. Raises RunError when the token cannot be read."""
    try:
        return Ports(region, folder.token.read_text().strip())
    except OSError as error:
        raise RunError(f"{folder.token}: cannot be read: {error.strerror}; is the region still served?") from error
