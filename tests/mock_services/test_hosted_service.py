"""A hosted component on real sockets, in virtual time: it crashes with work in it, and it is asked one thing twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from harness.flows import wire
from harness.flows.client import worth_repeating
from harness.flows.wants import Reply, Result
from harness.live.net import claim
from harness.record.region import RegionMap
from harness.record.rows import read_rows
from mock_services import functions, kv
from mock_services.clock import LoopClock
from mock_services.local import LocalContext
from mock_services.virtual import run_virtually

SERVICE = {"mean": "500ms", "distribution": "fixed"}
MODULES: dict[str, Any] = {"functions": functions, "kv": kv}
SPECS: dict[str, dict[str, Any]] = {
    # Neither a queue, and so no poller, nor a fleet that would launch hosts.
    "functions": {"depends_on": ["kv"], "hosts": 1, "slots_per_host": 2, "keep_warm": "none", "service": SERVICE},
    "kv": {"slots": 2, "service": SERVICE},
}
ASKED = {"functions": ("invoke", {"function": "f"}), "kv": ("read", {"table": "t", "key": "a"})}


@pytest.fixture
def pair() -> Iterator[RegionMap]:
    with claim({"kv": 1, "functions": 1}) as claimed:
        yield claimed.region


def serve(region: RegionMap, folder: Path, name: str, body: Any) -> np.ndarray[Any, Any]:
    """Run `body(service, ask)` against one component, where `ask(attempt)` gives status and body; its served rows."""
    contexts: list[LocalContext] = []

    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop())
        contexts.append(LocalContext(name, region, folder, clock, SPECS[name], seed=7))
        service = await MODULES[name].build(contexts[0])
        await service.start()
        operation, params = ASKED[name]
        url = f"http://{region.places[name].addresses[0]}:8000/{operation}"
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:

            async def ask(attempt: int) -> tuple[int, Any]:
                headers = {"X-Blackstart-Attempt": str(attempt), "X-Blackstart-Context": f"op={attempt};n=0"}
                async with client.post(url, json=params, headers=headers) as response:
                    return response.status, await response.json()

            await body(service, ask)
        await service.stop()
        contexts[0].close()

    run_virtually(main)
    file = read_rows(contexts[0].rows_path("served"))
    assert file.complete
    return file.rows


def test_functions_without_a_poller_crash_with_work_in_them_and_come_back_whole(
    pair: RegionMap, tmp_path: Path
) -> None:
    async def body(service: Any, ask: Any) -> None:
        cut_off = [asyncio.create_task(ask(attempt)) for attempt in (1, 2)]
        await asyncio.sleep(0.2)
        seen = service.gauges()
        assert (seen["in_service"], seen["environments_busy"], seen["down"]) == (2.0, 2.0, 0.0)
        service.faults["crash"].on({})
        await asyncio.sleep(0.3)
        ends = await asyncio.gather(*cut_off, return_exceptions=True)
        assert [isinstance(end, aiohttp.ClientConnectionError) for end in ends] == [True, True]
        with pytest.raises(aiohttp.ClientConnectorError):
            await ask(3)
        seen = service.gauges()
        assert (seen["in_service"], seen["environments_busy"], seen["down"]) == (0.0, 0.0, 1.0)
        service.faults["crash"].off()
        await asyncio.sleep(0.1)
        assert [status for status, _ in await asyncio.gather(ask(4), ask(5))] == [200, 200]
        seen = service.gauges()
        assert (seen["in_service"], seen["environments_busy"], seen["down"]) == (0.0, 0.0, 0.0)
        assert seen["served_total"] == 2.0

    rows = serve(pair, tmp_path, "functions", body)
    assert [(row["attempt"], row["service_ns"]) for row in rows] == [
        (1, 0), (2, 0), (4, 500_000_000), (5, 500_000_000)
    ]  # fmt: skip
    assert rows["ended_ns"].tolist()[:2] == [200_000_000, 200_000_000]


@pytest.mark.parametrize("name", MODULES)
def test_an_attempt_that_comes_twice_is_served_once_and_the_second_is_told(
    pair: RegionMap, tmp_path: Path, name: str
) -> None:
    async def body(service: Any, ask: Any) -> None:
        first = asyncio.create_task(ask(7))
        await asyncio.sleep(0.2)
        status, said = await ask(7)
        assert asyncio.get_running_loop().time() == pytest.approx(0.2, abs=1e-9)  # at once
        assert (status, said) == (
            409, {"code": "duplicate_attempt", "message": "attempt 7 is being served already"}
        )  # fmt: skip
        result, cause = wire.classify(status, said["code"])
        assert result is Result.ERROR
        assert not worth_repeating(Reply(result, status, cause, 0.2))  # the caller leaves it at that
        assert (await first)[0] == 200
        assert service.gauges()["duplicate_attempts_total"] == 1.0
        assert service.gauges()["served_total"] == 1.0

    rows = serve(pair, tmp_path, name, body)
    assert [(row["attempt"], row["ended_ns"]) for row in rows] == [(7, 500_000_000)]
