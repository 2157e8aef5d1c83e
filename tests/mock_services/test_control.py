"""The control port: faults that end by themselves, actions, and who may ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from harness.record.region import RegionMap
from mock_services.clock import LoopClock
from mock_services.contract import Component, Fault, Params
from mock_services.control import ControlPort, Faults, RefusedError
from mock_services.local import Notebook
from mock_services.sockets import listen
from mock_services.virtual import run_virtually

TOKEN = {"X-Blackstart-Token": "secret"}


class Dial(Component):
    """A component with one fault, and actions of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self.level: object = None
        self.faults = {"level": Fault(self._on, self._off)}
        self.actions = {"add": lambda params: {"sum": sum(params["of"])}, "slow": self._slow, "never": self._never}

    def gauges(self) -> dict[str, float]:
        return {"waiting_queue": 3.0, "served_total": 7.0, "undefined": float("nan")}

    def export(self) -> dict[str, Any]:
        return {"tables": {}}

    def _on(self, params: Params) -> None:
        if "to" not in params:
            raise ValueError("to is missing")
        self.level = params["to"]

    def _off(self) -> None:
        self.level = None

    async def _slow(self, params: Params) -> str:
        await asyncio.sleep(1.0)
        return "done"

    def _never(self, params: Params) -> None:
        raise ValueError("not like this")


def with_faults(body: Callable[[Faults, Dial, Notebook], Awaitable[None]]) -> list[tuple[Any, ...]]:
    """Run `body` in virtual time; the journal as (t_s, kind, why)."""

    async def main() -> list[tuple[Any, ...]]:
        clock = LoopClock(asyncio.get_running_loop())
        dial, notebook = Dial(), Notebook(clock)
        await body(Faults(dial, notebook, clock.now_s), dial, notebook)
        return [(entry["t_s"], entry["kind"], entry.get("why")) for entry in notebook.entries]

    return run_virtually(main)


def test_a_fault_expires_by_itself_at_its_time() -> None:
    async def body(faults: Faults, dial: Dial, notebook: Notebook) -> None:
        assert faults.put("level", {"ttl_s": 5.0, "to": 9}) == {"fault": "level", "until_s": 5.0}
        await asyncio.sleep(4.999)
        assert dial.level == 9
        await asyncio.sleep(0.001)
        await asyncio.sleep(0.001)
        assert dial.level is None
        assert faults.listing() == {"on": {}, "faults": ["level"]}

    assert with_faults(body) == [(0.0, "inject", None), (5.0, "heal", "expired")]


def test_a_fault_put_again_is_replaced_with_its_time() -> None:
    async def body(faults: Faults, dial: Dial, notebook: Notebook) -> None:
        faults.put("level", {"ttl_s": 5.0, "to": 1})
        await asyncio.sleep(4.0)
        faults.put("level", {"ttl_s": 5.0, "to": 2})
        await asyncio.sleep(4.0)
        assert dial.level == 2
        assert notebook.entries[-1]["replaced"] is True
        await asyncio.sleep(2.0)

    assert with_faults(body) == [(0.0, "inject", None), (4.0, "inject", None), (9.0, "heal", "expired")]


def test_healing_twice_is_fine_and_cancels_the_expiry() -> None:
    async def body(faults: Faults, dial: Dial, notebook: Notebook) -> None:
        faults.put("level", {"ttl_s": 5.0, "to": 1})
        await asyncio.sleep(1.0)
        assert faults.heal("level", "asked") == {"fault": "level", "healed": True}
        assert faults.heal("level", "asked") == {"fault": "level", "healed": False}
        await asyncio.sleep(10.0)

    assert with_faults(body) == [(0.0, "inject", None), (1.0, "heal", "asked")]


@pytest.mark.parametrize(
    ("name", "body", "status", "says"),
    [
        ("nosuch", {"ttl_s": 1.0}, 404, "there are: level"),
        ("level", {"to": 1}, 400, "ttl_s is None"),
        ("level", {"ttl_s": 0, "to": 1}, 400, "above 0"),
        ("level", {"ttl_s": True, "to": 1}, 400, "ttl_s is True"),
        ("level", {"ttl_s": float("nan"), "to": 1}, 400, "ttl_s is nan"),
        ("level", {"ttl_s": 1e9, "to": 1}, 400, "90000"),
        ("level", {"ttl_s": 1.0}, 400, "to is missing"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_and_changes_nothing(
    name: str, body: dict[str, Any], status: int, says: str
) -> None:
    async def ask(faults: Faults, dial: Dial, notebook: Notebook) -> None:
        faults.put("level", {"ttl_s": 50.0, "to": "before"})
        with pytest.raises(RefusedError, match=says) as refusal:
            faults.put(name, body)
        assert refusal.value.status == status
        assert dial.level == "before"
        assert list(faults.listing()["on"]) == ["level"]

    assert [kind for _, kind, _ in with_faults(ask)] == ["inject"]


def test_the_port_over_http(region: RegionMap) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        clock, dial = LoopClock(loop), Dial()
        notebook = Notebook(clock)
        begun = False
        port = ControlPort(
            "kv", dial, "secret", notebook, clock.now_s, lambda: begun, lambda reset: {"loop_lag_s": float(reset)}
        )
        base = region.places["kv"].control
        await port.open(listen("kv", urlsplit(base).hostname or "", urlsplit(base).port or 0))
        async with aiohttp.ClientSession() as client:

            async def ask(method: str, path: str, headers: Any = TOKEN, **body: Any) -> tuple[int, Any]:
                async with client.request(method, base + path, headers=headers, **body) as response:
                    is_json = response.content_type == "application/json"
                    return response.status, (await response.json() if is_json else await response.text())

            assert await ask("GET", "/_health", {}) == (200, {"ready": True, "component": "kv", "begun": False})
            assert await ask("GET", "/metrics", {}) == (200, "")
            assert (await ask("GET", "/_gauges"))[0] == 409
            begun = True
            for headers in ({}, {"X-Blackstart-Token": "wrong"}):
                for method, path in (("GET", "/_gauges"), ("PUT", "/_faults/level"), ("POST", "/_actions/add")):
                    assert (await ask(method, path, headers))[0] == 403
            gauges = {"waiting_queue": 3.0, "served_total": 7.0, "loop_lag_s": 1.0}  # nan is left out
            assert await ask("GET", "/_gauges") == (200, {"t_s": 0.0, "gauges": gauges})
            assert await ask("GET", "/_export") == (200, {"t_s": 0.0, "component": "kv", "tables": {}})
            assert await ask("POST", "/_actions/add", json={"of": [1, 2]}) == (
                200,
                {"action": "add", "result": {"sum": 3}},
            )
            assert await ask("POST", "/_actions/slow") == (200, {"action": "slow", "result": "done"})
            assert clock.now_s() == 1.0
            status, said = await ask("POST", "/_actions/never")
            assert (status, said) == (400, {"error": "action 'never': not like this"})
            assert (await ask("POST", "/_actions/nosuch"))[0] == 404
            for text in ("[1]", "{"):
                assert (await ask("PUT", "/_faults/level", data=text))[0] == 400
            assert (await ask("PUT", "/_faults/level", json={"ttl_s": 100, "to": 4}))[0] == 200
            assert (await ask("GET", "/_faults"))[1]["on"] == {"level": {"params": {"to": 4}, "until_s": 101.0}}
            assert await ask("DELETE", "/_faults/level") == (200, {"fault": "level", "healed": True})
            assert (await ask("PUT", "/_faults/level", json={"ttl_s": 100, "to": 4}))[0] == 200
        await port.close()
        assert dial.level is None
        assert notebook.entries[-1]["why"] == "stopping"

    run_virtually(main)
