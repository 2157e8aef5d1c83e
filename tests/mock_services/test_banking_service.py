"""The banking app with the real store and the real DNS behind it, all in one loop and in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp

from harness.record.region import RegionMap
from harness.record.rows import read_rows
from mock_services import dns, kv
from mock_services.apps import mobile_banking
from mock_services.clock import LoopClock
from mock_services.local import LocalContext
from mock_services.virtual import run_virtually

CLIENT = {"deadline": "1500ms", "timeout": "500ms", "attempts": 3}
DNS = {"ttl": "1s", "negative_ttl": "1s"}
KV = {"slots": 5, "service": {"mean": "20ms", "distribution": "fixed"}, "connection": {"max_age": "1s"}}
BANKING = {"client": CLIENT, "sessions": {"ttl": "1000s"}, "outbox": {"senders": 35}}
Body = Callable[[Any, Any, Callable[..., Awaitable[tuple[int, Any]]]], Awaitable[None]]


def serve(region: RegionMap, folder: Path, body: Body, banking: Any = None, **experiment: Any) -> dict[str, Any]:
    """Run `body(services, gauges, ask)` against the whole region; the row files by name, closed."""
    contexts: dict[str, LocalContext] = {}

    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop())
        services: dict[str, Any] = {}
        for module, name, spec in ((dns, "dns", DNS), (kv, "kv", KV), (mobile_banking, "mobile_banking", BANKING)):
            patch = banking or {} if name == "mobile_banking" else {}
            contexts[name] = LocalContext(name, region, folder, clock, {**spec, **patch}, experiment, seed=7)
            services[name] = await module.build(contexts[name])
            await services[name].start()
        await asyncio.sleep(3.0)  # the first plans are applied

        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
            address = region.places["mobile_banking"].addresses[0]

            async def ask(operation: str, op: int, attempt: int, **params: Any) -> tuple[int, Any]:
                headers = {"X-Blackstart-Attempt": str(attempt), "X-Blackstart-Context": f"op={op};n=0"}
                url = f"http://{address}:8000/{operation}"
                async with client.post(url, json=params, headers=headers) as response:
                    return response.status, await response.json()

            await body(services, services["mobile_banking"].gauges, ask)
        for service in reversed(services.values()):
            await service.stop()
        for context in contexts.values():
            context.close()

    run_virtually(main)
    return {
        "attempt": read_rows(contexts["mobile_banking"].rows_path("attempt")).rows,
        "served": read_rows(contexts["mobile_banking"].rows_path("served")).rows,
        "kv": read_rows(contexts["kv"].rows_path("served")).rows,
    }


def pay(op: int) -> dict[str, int]:
    return {"user": op % 400, "to": (op + 1) % 400, "amount": 1, "key": op}


def test_a_transfer_crosses_the_region_and_every_row_finds_its_other_half(region: RegionMap, tmp_path: Path) -> None:
    async def body(services: Any, gauges: Any, ask: Any) -> None:
        began_s = asyncio.get_running_loop().time()
        assert await ask("transfer", 5, 99, **pay(5)) == (200, {"transfer": 5})
        assert round(asyncio.get_running_loop().time() - began_s, 9) == 0.02
        assert await ask("balance", 6, 100, user=6) == (200, {"balance": 100_001})
        assert services["kv"].export()["tables"]["accounts"] == {"5": {"balance": -1}, "6": {"balance": 1}}

    rows = serve(region, tmp_path, body)
    assert rows["attempt"]["parent"].tolist() == [99, 100]
    assert rows["attempt"]["attempt"].tolist() == rows["kv"]["attempt"].tolist()
    assert rows["served"]["attempt"].tolist() == [99, 100]
    assert rows["attempt"]["layer"].tolist() == [1, 1]


def test_an_empty_record_is_felt_as_connections_age_and_the_outbox_replays_after_it(
    region: RegionMap, tmp_path: Path
) -> None:
    async def body(services: Any, gauges: Any, ask: Any) -> None:
        for op in range(1, 6):
            assert (await ask("transfer", op, op + 100, **pay(op)))[0] == 200
        services["dns"].faults["empty_record"].on({})
        failed = []
        for op in range(6, 46):  # for 4 s, one transfer each 0.1 s
            status, said = await ask("transfer", op, op + 100, **pay(op))
            if status == 503:
                assert said == {"code": "dependency"}
                failed.append(op)
            await asyncio.sleep(0.1)
        assert 20 <= len(failed) < 40  # open connections and cached addresses go on for about two seconds
        assert failed == list(range(failed[0], 46))
        seen = gauges()
        assert seen["waiting_outbox"] == float(len(failed))
        assert seen["resolver_empties_total"] >= 1.0
        services["dns"].faults["empty_record"].off()
        await asyncio.sleep(2.0)  # the negative answer is forgotten; the outbox probes nothing by itself
        assert gauges()["waiting_outbox"] == float(len(failed))
        assert (await ask("balance", 99, 999, user=4))[0] == 200
        await asyncio.sleep(1.0)
        seen = gauges()
        assert (seen["waiting_outbox"], seen["outbox_sent_total"]) == (0.0, float(len(failed)))
        assert {int(key) for key in services["kv"].export()["tables"]["transfers"]} == set(range(1, 46))

    rows = serve(region, tmp_path, body)
    causes = rows["attempt"]["cause"]
    assert set(causes.tolist()) == {0, 1}  # nothing, or an empty name
    sent = rows["attempt"][rows["attempt"]["result"] == 0]["attempt"]
    assert sorted(sent.tolist()) == sorted(rows["kv"]["attempt"].tolist())


def test_a_pace_holds_the_replay_back(region: RegionMap, tmp_path: Path) -> None:
    async def body(services: Any, gauges: Any, ask: Any) -> None:
        services["dns"].faults["empty_record"].on({})
        await asyncio.sleep(1.5)
        for op in range(1, 41):
            assert (await ask("transfer", op, op + 100, **pay(op)))[0] == 503
        services["dns"].faults["empty_record"].off()
        await asyncio.sleep(1.5)
        assert (await ask("balance", 99, 999, user=4))[0] == 200
        await asyncio.sleep(1.0)
        assert gauges()["outbox_sent_total"] == 20.0  # one each 50 ms, the first at once

    serve(region, tmp_path, body, {"outbox": {"senders": 35, "pace": "20/s"}})


def test_an_unnamed_request_is_served_and_marked_as_nobodys(region: RegionMap, tmp_path: Path) -> None:
    async def body(services: Any, gauges: Any, ask: Any) -> None:
        assert (await ask("transfer", 5, 0, user=5, to=6, amount=1))[0] == 200
        assert (await ask("transfer", 5, 0, user=5, to=6, amount=1))[0] == 200
        assert len(services["kv"].export()["tables"]["transfers"]) == 2  # operation numbers of their own

    rows = serve(region, tmp_path, body)
    assert rows["served"]["attempt"].tolist() == [0, 0]
    assert rows["attempt"]["parent"].tolist() == [0, 0]
    assert min(rows["attempt"]["op"].tolist()) > 1 << 32


def test_with_cancellation_giving_up_reaches_the_store(region: RegionMap, tmp_path: Path) -> None:
    async def body(services: Any, gauges: Any, ask: Any) -> None:
        services["kv"].faults["latency"].on({"mean": "400ms"})
        try:
            async with asyncio.timeout(0.1):
                await ask("balance", 5, 99, user=5)
        except TimeoutError:
            pass
        await asyncio.sleep(0.1)
        assert services["kv"].gauges()["cancelled_total"] == 1.0
        seen = gauges()
        assert (seen["in_flight"], seen["kv_in_flight"]) == (0.0, 0.0)

    rows = serve(region, tmp_path, body, conventions={"cancellation": True})
    assert rows["served"]["abandoned"].tolist() == [1]
    assert rows["attempt"]["result"][0] == 3


def test_at_the_end_what_is_open_is_written_as_unfinished(region: RegionMap, tmp_path: Path) -> None:
    async def body(services: Any, gauges: Any, ask: Any) -> None:
        services["kv"].faults["latency"].on({"mean": "400ms"})
        task = asyncio.create_task(ask("transfer", 5, 99, **pay(5)))
        await asyncio.sleep(0.1)
        await services["mobile_banking"].stop()
        await asyncio.gather(task, return_exceptions=True)
        services["mobile_banking"].stop = _nothing

    async def _nothing() -> None: ...

    rows = serve(region, tmp_path, body)
    assert [(row["result"], row["ended_ns"]) for row in rows["attempt"]] == [(5, -1)]
    assert [(row["attempt"], row["ended_ns"]) for row in rows["served"]] == [(99, -1)]
