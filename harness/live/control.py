"""Speaks to the control ports of a region: health, gauges, faults, operator actions, the state the audit reads.

Two kinds of question need two manners. Gauges and health are observations: no answer is an answer, so they return None
and the run goes on. A fault or an action is part of the plan: if it cannot be done the run is not the run that was
planned, so anything but success is a RunError with the service's own words. Patience is a scope around each exchange,
not a socket option, so a reply that drips is bounded too. Proxies of the environment are ignored: control ports are
loopback.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx
import trio

from harness.errors import RunError
from harness.record.region import RegionMap

TOKEN_HEADER = "X-Blackstart-Token"  # noqa: S105 - the header's name, not a token
ASK_S_MAX = 5.0  # a service under a storm still answers its control port well within this
EXPORT_S_MAX = 20.0  # a store after an outage holds tens of thousands of records


class Refused(RunError):
    """A service answered that it will not: nothing was changed."""


class Readings(NamedTuple):
    """One component's gauges and when it read them (seconds from zero)."""

    t_s: float
    gauges: dict[str, float]


class Control:
    """An httpx client for all control ports of one region. `transport` is for tests."""

    def __init__(self, region: RegionMap, token: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._region = region
        self._client = httpx.AsyncClient(
            headers={TOKEN_HEADER: token}, trust_env=False, timeout=None, transport=transport  # noqa: S113 - scopes bound it
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with trio.CancelScope(shield=True):
            await self._client.aclose()

    async def healthy(self, component: str, patience_s: float = 1.0) -> bool:
        """True when the component says it is ready."""
        reply = await self._observe(component, "/_health", patience_s)
        return reply is not None and reply.get("ready") is True

    async def gauges(self, component: str, patience_s: float) -> Readings | None:
        """The component's gauges; None when it does not answer in time or has not begun."""
        reply = await self._observe(component, "/_gauges", patience_s)
        try:
            if reply is None:
                return None
            return Readings(float(reply["t_s"]), {name: float(value) for name, value in reply["gauges"].items()})
        except (KeyError, TypeError, ValueError, AttributeError):
            return None

    async def put_fault(self, component: str, fault: str, ttl_s: float, params: Mapping[str, Any]) -> None:
        """Switch a fault on for at most `ttl_s`. Raises RunError."""
        await self._demand("PUT", component, f"/_faults/{fault}", {**params, "ttl_s": ttl_s})

    async def delete_fault(self, component: str, fault: str) -> bool:
        """Heal a fault; False when it had gone by itself. Raises RunError."""
        return bool((await self._demand("DELETE", component, f"/_faults/{fault}", None)).get("healed", True))

    async def act(self, component: str, action: str, params: Mapping[str, Any]) -> object:
        """Do an operator's action; its result. Raises RunError."""
        return (await self._demand("POST", component, f"/_actions/{action}", dict(params))).get("result")

    async def export(self, component: str) -> dict[str, Any]:
        """The state the audit reads. Raises RunError."""
        return await self._demand("GET", component, "/_export", None, EXPORT_S_MAX)

    def _url(self, component: str, path: str) -> str:
        place = self._region.places.get(component)
        if place is None:
            known = ", ".join(self._region.places)
            raise RunError(f"timeline: no component {component!r} in this region; there are: {known}")
        return place.control + path

    async def _observe(self, component: str, path: str, patience_s: float) -> dict[str, Any] | None:
        with trio.move_on_after(patience_s):
            try:
                reply = await self._client.get(self._url(component, path))
                value = reply.json() if reply.status_code == httpx.codes.OK else None
            except (httpx.HTTPError, ValueError):
                return None
            return value if isinstance(value, dict) else None
        return None

    async def _demand(
        self, method: str, component: str, path: str, body: object, patience_s: float = ASK_S_MAX
    ) -> dict[str, Any]:
        url = self._url(component, path)
        try:
            with trio.fail_after(patience_s):
                reply = await self._client.request(method, url, json=body)
        except trio.TooSlowError as error:
            raise RunError(f"{component}: {method} {url}: no reply within {patience_s:g} s") from error
        except httpx.HTTPError as error:
            what = str(error) or type(error).__name__
            raise RunError(f"{component}: {method} {url}: {what}; has the process ended?") from error
        try:
            value = json.loads(reply.content or b"{}")
        except ValueError:
            value = {"error": reply.text[:200]}
        if not reply.is_success or not isinstance(value, dict):
            said = value.get("error", value) if isinstance(value, dict) else value
            raise Refused(f"{component}: {method} {path}: refused with {reply.status_code}: {said}")
        return value
