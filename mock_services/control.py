"""The control port: what an operator, or the orchestrator, may ask of one process.

    GET    /_health           {"ready": true, ...}                    no token
    GET    /metrics           the gauges for Prometheus               no token
    GET    /_gauges           {"t_s": 12.3, "gauges": {name: number}}
    GET    /_faults           what is on, and until when
    PUT    /_faults/{name}    {"ttl_s": 5.0, ...}: on, or replaced
    DELETE /_faults/{name}    healed; asking twice is fine
    POST   /_actions/{name}   {...}: an operator's deed
    GET    /_export           the state the audit reads

A fault is a resource with a time to live. If the one who injected it dies, it expires here, so no fault outlives its
run. Everything that changes something wants the run's token in `X-Blackstart-Token`: the port binds loopback, but so
does every other program on the machine, and a page in a browser can post to loopback too.
"""

from __future__ import annotations

import asyncio
import hmac
import inspect
import json
import math
import socket
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from aiohttp import web

from harness.record.exposition import exposition, families
from mock_services.contract import Component, Journalist, Params

TOKEN_HEADER = "X-Blackstart-Token"  # noqa: S105 - a header's name, not a secret
TTL_S_MAX = 90_000.0  # longer than the longest run there may be, which takes a day
_CRASH = "crash"
_OPEN = frozenset({"/_health", "/metrics"})


class RefusedError(Exception):
    """The asker must change something; `status` and the message say what."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _On(NamedTuple):
    params: dict[str, Any]
    until_s: float
    timer: asyncio.TimerHandle


class Faults:
    """The faults that are on in one process, each with its own expiry."""

    def __init__(self, component: Component, journal: Journalist, now_s: Callable[[], float]) -> None:
        self._component = component
        self._journal = journal
        self._now_s = now_s
        self._on: dict[str, _On] = {}

    def put(self, name: str, body: Params) -> dict[str, Any]:
        """Switch fault `name` on for `ttl_s`, or replace it. Raises RefusedError."""
        fault = self._component.faults.get(name)
        if fault is None:
            raise RefusedError(404, f"no fault {name!r} here; there are: {_names(self._component.faults)}")
        ttl_s = body.get("ttl_s")
        if isinstance(ttl_s, bool) or not isinstance(ttl_s, int | float) or not 0.0 < ttl_s <= TTL_S_MAX:
            raise RefusedError(400, f"fault {name!r}: ttl_s is {ttl_s!r}; give seconds, above 0 to {TTL_S_MAX:g}")
        params = {key: value for key, value in body.items() if key != "ttl_s"}
        try:
            fault.on(params)
        except ValueError as error:
            raise RefusedError(400, f"fault {name!r}: {error}") from error
        before = self._on.pop(name, None)
        if before is not None:
            before.timer.cancel()
        timer = asyncio.get_running_loop().call_later(ttl_s, self._expire, name)
        until_s = self._now_s() + ttl_s
        self._on[name] = _On(params, until_s, timer)
        self._journal.write("inject", fault=name, params=params, ttl_s=ttl_s, replaced=before is not None)
        self.note_dead(f"fault {name!r}", name)
        return {"fault": name, "until_s": until_s}

    def heal(self, name: str, why: str) -> dict[str, Any]:
        """Switch fault `name` off; one that is not on stays so. Raises RefusedError for an unknown name."""
        fault = self._component.faults.get(name)
        if fault is None:
            raise RefusedError(404, f"no fault {name!r} here; there are: {_names(self._component.faults)}")
        was = self._on.pop(name, None)
        if was is not None:
            was.timer.cancel()
            fault.off()
            self._journal.write("heal", fault=name, why=why)
        return {"fault": name, "healed": was is not None}

    def note_dead(self, what: str, name: str = "") -> None:
        """Write down what met a process that has crashed: it is done to what the process will be once it is back."""
        if _CRASH in self._on and name != _CRASH:
            text = f"{what} met a dead process (crash is on); what was set is felt once it is back"
            self._journal.write("note", text=text)

    def heal_all(self, why: str) -> None:
        """Switch everything off."""
        for name in list(self._on):
            self.heal(name, why)

    def listing(self) -> dict[str, Any]:
        """What is on, and what could be."""
        on = {name: {"params": entry.params, "until_s": entry.until_s} for name, entry in self._on.items()}
        return {"on": on, "faults": sorted(self._component.faults)}

    def _expire(self, name: str) -> None:
        self.heal(name, "expired")


class ControlPort:
    """Serves the control resources of one component on its own socket."""

    def __init__(
        self,
        name: str,
        component: Component,
        token: str,
        journal: Journalist,
        now_s: Callable[[], float],
        begun: Callable[[], bool],
        own_gauges: Callable[[bool], dict[str, float]],
    ) -> None:
        self._name = name
        self._component = component
        self._token = token.encode()
        self._journal = journal
        self._now_s = now_s
        self._begun = begun
        self._own_gauges = own_gauges  # takes True when the reading may reset "since last read" values
        self.faults = Faults(component, journal, now_s)
        self._runner: web.AppRunner | None = None

    async def open(self, sock: socket.socket) -> None:
        """Begin to serve on `sock`, which is bound already."""
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/_health", self._health)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/_gauges", self._gauges)
        app.router.add_get("/_export", self._export)
        app.router.add_get("/_faults", self._list)
        app.router.add_put("/_faults/{name}", self._put)
        app.router.add_delete("/_faults/{name}", self._delete)
        app.router.add_post("/_actions/{name}", self._act)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.SockSite(self._runner, sock).start()

    async def close(self) -> None:
        """Heal what is on and stop serving."""
        if self._begun():
            self.faults.heal_all("stopping")
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            if request.path not in _OPEN:
                self._admit(request)
            return await handler(request)
        except RefusedError as refusal:
            return web.json_response({"error": str(refusal)}, status=refusal.status)

    def _admit(self, request: web.Request) -> None:
        given = request.headers.get(TOKEN_HEADER, "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, self._token):
            raise RefusedError(403, f"{TOKEN_HEADER} is not the run's token; see the file `token` of the run folder")
        if not self._begun():
            raise RefusedError(409, f"{self._name} waits for the run's zero; ask again once the run has begun")

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"ready": True, "component": self._name, "begun": self._begun()})

    async def _gauges(self, request: web.Request) -> web.Response:
        return web.json_response({"t_s": self._now_s(), "gauges": self._readings(True)})

    async def _metrics(self, request: web.Request) -> web.Response:
        readings = self._readings(False) if self._begun() else {}
        body, content_type = exposition(families({self._name: readings}), request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _export(self, request: web.Request) -> web.Response:
        return web.json_response({"t_s": self._now_s(), "component": self._name, **self._component.export()})

    async def _list(self, request: web.Request) -> web.Response:
        return web.json_response(self.faults.listing())

    async def _put(self, request: web.Request) -> web.Response:
        return web.json_response(self.faults.put(request.match_info["name"], await _body(request)))

    async def _delete(self, request: web.Request) -> web.Response:
        return web.json_response(self.faults.heal(request.match_info["name"], "asked"))

    async def _act(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        action = self._component.actions.get(name)
        if action is None:
            raise RefusedError(404, f"no action {name!r} here; there are: {_names(self._component.actions)}")
        params = await _body(request)
        try:
            result = action(params)
            if inspect.isawaitable(result):
                result = await result
        except ValueError as error:
            raise RefusedError(400, f"action {name!r}: {error}") from error
        self._journal.write("action", action=name, params=params, result=result)
        self.faults.note_dead(f"action {name!r}")
        return web.json_response({"action": name, "result": result})

    def _readings(self, reset: bool) -> dict[str, float]:
        readings = {**self._component.gauges(), **self._own_gauges(reset)}
        return {name: float(value) for name, value in readings.items() if math.isfinite(value)}


async def _body(request: web.Request) -> dict[str, Any]:
    raw = await request.read()
    try:
        value = json.loads(raw) if raw else {}
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, f'the body is not JSON ({error}); send an object, as in {{"ttl_s": 5.0}}') from error
    if not isinstance(value, dict):
        raise RefusedError(400, f'the body is a {type(value).__name__}; send an object, as in {{"ttl_s": 5.0}}')
    return value


def _names(mapping: dict[str, Any]) -> str:
    return ", ".join(sorted(mapping)) or "none"
