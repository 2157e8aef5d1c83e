"""The table store over real sockets, in virtual time: when it answers, what it records, who pays for the impatient."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from harness import seeds
from harness.errors import RunError, SpecError
from harness.record.region import RegionMap
from harness.record.rows import read_rows
from mock_services import kv
from mock_services.clock import LoopClock
from mock_services.local import LocalContext
from mock_services.virtual import run_virtually

FIXED = {"slots": 2, "service": {"mean": "100ms", "distribution": "fixed"}}
TRANSFER = {"writes": [{"table": "t", "key": "a", "put": {"n": 1}, "if": {"absent": True}}], "token": "once"}


def serve(region: RegionMap, folder: Path, spec: dict[str, Any], body: Any, conventions: Any = None) -> LocalContext:
    """Run `body(service, client, url)` against a started store in virtual time; rows are closed after."""
    contexts: list[LocalContext] = []

    async def main() -> None:
        experiment = {"conventions": conventions or {}}
        context = LocalContext("kv", region, folder, LoopClock(asyncio.get_running_loop()), spec, experiment, seed=7)
        contexts.append(context)
        service = await kv.build(context)
        assert isinstance(service, kv.KvService)
        await service.start()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
            await body(service, client, f"http://{region.places['kv'].addresses[0]}:8000")
        await service.stop()
        context.close()

    run_virtually(main)
    return contexts[0]


async def ask(client: aiohttp.ClientSession, url: str, attempt: int, params: Any, **extra: str) -> tuple[int, Any]:
    headers = {"X-Blackstart-Attempt": str(attempt), **extra}
    async with client.post(url, json=params, headers=headers) as response:
        return response.status, await response.json()


def test_capacity_is_slots_over_service_time_whatever_the_number_of_callers(region: RegionMap, tmp_path: Path) -> None:
    ended: list[float] = []

    async def body(service: kv.KvService, client: aiohttp.ClientSession, url: str) -> None:
        async def one(attempt: int) -> None:
            status, _ = await ask(client, f"{url}/read", attempt, {"key": "x"})
            assert status == 200
            ended.append(asyncio.get_running_loop().time())

        await asyncio.gather(*(one(attempt) for attempt in range(1, 7)))

    context = serve(region, tmp_path, FIXED, body)
    assert ended == pytest.approx([0.1, 0.1, 0.2, 0.2, 0.3, 0.3], abs=1e-12)
    rows = read_rows(context.rows_path("served"))
    assert rows.complete
    assert sorted(rows.rows["ended_ns"].tolist()) == [n * 100_000_000 for n in (1, 1, 2, 2, 3, 3)]
    assert rows.rows["service_ns"].tolist() == [100_000_000] * 6
    assert (rows.rows["ended_ns"] - rows.rows["began_ns"]).tolist() == [100_000_000] * 6


def test_both_addresses_lead_to_one_station(region: RegionMap, tmp_path: Path) -> None:
    async def body(service: kv.KvService, client: aiohttp.ClientSession, url: str) -> None:
        urls = [f"http://{address}:8000/read" for address in region.places["kv"].addresses]
        await asyncio.gather(*(ask(client, urls[n % 2], n + 1, {"key": "x"}) for n in range(4)))
        assert asyncio.get_running_loop().time() == pytest.approx(0.2, abs=1e-12)

    serve(region, tmp_path, FIXED, body)


def test_the_work_is_done_and_recorded_though_the_caller_has_gone(region: RegionMap, tmp_path: Path) -> None:
    async def body(service: kv.KvService, client: aiohttp.ClientSession, url: str) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await ask(client, f"{url}/write", 11, TRANSFER)
        assert service.gauges()["in_service"] == 1.0
        await asyncio.sleep(0.1)
        assert service.store.read("t", "a").body["item"] == {"n": 1}
        assert service.gauges()["abandoned_total"] == 1.0

    context = serve(region, tmp_path, FIXED, body)
    (row,) = read_rows(context.rows_path("served")).rows
    assert (row["attempt"], row["abandoned"], row["ended_ns"]) == (11, 1, 100_000_000)


def test_with_cancellation_the_work_goes_with_the_caller(region: RegionMap, tmp_path: Path) -> None:
    async def body(service: kv.KvService, client: aiohttp.ClientSession, url: str) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await ask(client, f"{url}/write", 11, TRANSFER)
        await asyncio.sleep(0.2)
        assert service.store.read("t", "a").body["item"] is None
        assert service.gauges()["cancelled_total"] == 1.0

    context = serve(region, tmp_path, FIXED, body, {"cancellation": True})
    (row,) = read_rows(context.rows_path("served")).rows
    assert (row["attempt"], row["abandoned"], row["service_ns"]) == (11, 1, 50_000_000)


def test_a_repeated_token_changes_nothing_twice(region: RegionMap, tmp_path: Path) -> None:
    async def body(service: kv.KvService, client: aiohttp.ClientSession, url: str) -> None:
        first = await ask(client, f"{url}/write", 1, TRANSFER)
        again = await ask(client, f"{url}/write", 2, TRANSFER)
        assert first == (200, {"versions": [1], "replayed": False})
        assert again == (200, {"versions": [1], "replayed": True})
        other = {**TRANSFER, "token": "another"}
        status, said = await ask(client, f"{url}/write", 3, other)
        assert (status, said["code"]) == (409, "conflict")
        assert [row[1] for row in service.export()["effects"]["rows"]] == [1]

    serve(region, tmp_path, FIXED, body)


def test_a_full_line_refuses_with_its_code_and_a_row(region: RegionMap, tmp_path: Path) -> None:
    async def body(service: kv.KvService, client: aiohttp.ClientSession, url: str) -> None:
        replies = await asyncio.gather(*(ask(client, f"{url}/read", n, {"key": "x"}) for n in range(1, 4)))
        assert sorted(status for status, _ in replies) == [200, 200, 503]
        assert [said["code"] for status, said in replies if status == 503] == ["queue_full"]

    context = serve(region, tmp_path, {**FIXED, "admission": {"kind": "concurrency", "limit": 2}}, body)
    rows = read_rows(context.rows_path("served")).rows
    assert sorted(rows["began_ns"].tolist()) == [-1, 0, 0]


def test_a_silent_refusal_leaves_the_caller_to_its_timeout(region: RegionMap, tmp_path: Path) -> None:
    async def body(service: kv.KvService, client: aiohttp.ClientSession, url: str) -> None:
        holders = [asyncio.create_task(ask(client, f"{url}/read", n, {"key": "x"})) for n in (1, 2)]
        await asyncio.sleep(0.01)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5.0):
                await ask(client, f"{url}/read", 3, {"key": "x"})
        assert asyncio.get_running_loop().time() == pytest.approx(5.01, abs=1e-9)
        await asyncio.gather(*holders)

    spec = {**FIXED, "admission": {"kind": "concurrency", "limit": 2}}
    serve(region, tmp_path, spec, body, {"refusal": "silent"})


def test_a_connection_over_its_age_is_closed_after_the_reply(region: RegionMap, tmp_path: Path) -> None:
    async def body(service: kv.KvService, client: aiohttp.ClientSession, url: str) -> None:
        async def connection_header(attempt: int) -> str | None:
            headers = {"X-Blackstart-Attempt": str(attempt)}
            async with client.post(f"{url}/read", json={"key": "x"}, headers=headers) as response:
                return response.headers.get("Connection")

        age_s = 0.9 + 0.2 * seeds.draw(7, seeds.stream_id("connection_age"), 1)
        assert await connection_header(1) is None
        await asyncio.sleep(age_s - 0.1 - 0.1 - 0.001)  # the next reply comes just before the age is reached
        assert await connection_header(2) is None
        assert await connection_header(3) == "close"
        assert service.gauges()["connections_aged_total"] == 1.0
        assert await connection_header(4) is None  # on a new connection

    serve(region, tmp_path, {**FIXED, "connection": {"max_age": "1s"}}, body)


def test_a_request_is_served_once_however_the_connection_ends(region: RegionMap, tmp_path: Path) -> None:
    """aiohttp repeats idempotent requests on a broken pooled connection; ours are POST: the server sees one each."""

    async def body(service: kv.KvService, client: aiohttp.ClientSession, url: str) -> None:
        await ask(client, f"{url}/read", 1, {"key": "x"})
        seen = 0

        async def slam(request: Any) -> Any:
            nonlocal seen
            seen += 1
            request.transport.abort()
            raise asyncio.CancelledError

        service._life.face._handler = slam
        with pytest.raises(aiohttp.ClientConnectionError):
            await ask(client, f"{url}/read", 2, {"key": "x"})
        await asyncio.sleep(1.0)
        assert seen == 1

    serve(region, tmp_path, {**FIXED, "connection": {"max_age": "100s"}}, body)


def test_latency_capacity_and_errors_come_and_go(region: RegionMap, tmp_path: Path) -> None:
    async def body(service: kv.KvService, client: aiohttp.ClientSession, url: str) -> None:
        async def takes_s(attempt: int) -> float:
            began_s = asyncio.get_running_loop().time()
            await ask(client, f"{url}/read", attempt, {"key": "x"})
            return round(asyncio.get_running_loop().time() - began_s, 9)

        service.faults["latency"].on({"factor": 4})
        assert await takes_s(1) == 0.4
        service.faults["latency"].on({"mean": "1s"})  # replaced, not added
        assert await takes_s(2) == 1.0
        service.faults["latency"].off()
        assert await takes_s(3) == 0.1
        service.faults["capacity"].on({"slots": 0})
        waiting = asyncio.create_task(takes_s(4))
        await asyncio.sleep(2.0)
        service.actions["add_capacity"]({"slots": 1})
        assert service.gauges()["slots"] == 0.0  # the fault goes on
        service.faults["capacity"].off()
        assert service.gauges()["slots"] == 3.0
        assert await waiting == 2.1
        service.faults["errors"].on({"share": "100%"})
        assert await ask(client, f"{url}/read", 5, {"key": "x"}) == (500, {"code": "injected"})
        service.faults["errors"].off()
        assert await takes_s(6) == 0.1

    serve(region, tmp_path, FIXED, body)


@pytest.mark.parametrize(
    ("fault", "params", "reason"),
    [
        ("latency", {}, "either mean"),
        ("latency", {"mean": "1s", "factor": 2}, "either mean"),
        ("latency", {"mean": 100}, "not a duration"),
        ("latency", {"factor": -1}, "above 0"),
        ("capacity", {"slots": 1.5}, "whole number"),
        ("errors", {"share": "150%"}, "between"),
        ("errors", {}, "not a share"),
    ],
)
def test_a_bad_fault_is_refused_with_the_reason(
    region: RegionMap, tmp_path: Path, fault: str, params: dict[str, Any], reason: str
) -> None:
    async def body(service: kv.KvService, client: aiohttp.ClientSession, url: str) -> None:
        with pytest.raises(ValueError, match=reason):
            service.faults[fault].on(params)

    serve(region, tmp_path, FIXED, body)


def test_dropping_the_queue_answers_those_who_waited(region: RegionMap, tmp_path: Path) -> None:
    async def body(service: kv.KvService, client: aiohttp.ClientSession, url: str) -> None:
        asked = [asyncio.create_task(ask(client, f"{url}/read", n, {"key": "x"})) for n in range(1, 6)]
        await asyncio.sleep(0.01)
        assert service.actions["drop_queue"]({}) == {"dropped": 3}
        replies = await asyncio.gather(*asked)
        assert sorted(status for status, _ in replies) == [200, 200, 503, 503, 503]
        assert asyncio.get_running_loop().time() == pytest.approx(0.1, abs=1e-9)

    serve(region, tmp_path, FIXED, body)


def test_what_is_open_at_the_end_is_written_as_unfinished(region: RegionMap, tmp_path: Path) -> None:
    tasks = []

    async def body(service: kv.KvService, client: aiohttp.ClientSession, url: str) -> None:
        tasks.append(asyncio.create_task(ask(client, f"{url}/read", 1, {"key": "x"})))
        await asyncio.sleep(0.05)
        tasks[0].cancel()

    context = serve(region, tmp_path, FIXED, body)
    (row,) = read_rows(context.rows_path("served")).rows
    assert (row["attempt"], row["ended_ns"]) == (1, -1)


@pytest.mark.parametrize(
    ("path", "headers", "text", "status", "code"),
    [
        ("/read", {}, "[1]", 400, "bad_request"),
        ("/read", {}, "{", 400, "bad_request"),
        ("/read", {"X-Blackstart-Attempt": "-1"}, "{}", 400, "bad_request"),
        ("/read", {"X-Blackstart-Context": "op=x"}, "{}", 400, "bad_request"),
        ("/read", {}, "{}", 400, "bad_request"),
        ("/write", {}, '{"writes": []}', 400, "bad_request"),
        ("/scan", {}, "{}", 404, "unknown_operation"),
    ],
)
def test_bad_requests_are_told_what_is_wrong(
    region: RegionMap, tmp_path: Path, path: str, headers: dict[str, str], text: str, status: int, code: str
) -> None:
    async def body(service: kv.KvService, client: aiohttp.ClientSession, url: str) -> None:
        async with client.post(url + path, data=text, headers=headers) as response:
            said = await response.json()
            assert (response.status, said["code"]) == (status, code)
            assert said["message"]

    serve(region, tmp_path, FIXED, body)


def test_a_port_in_use_is_said_before_anybody_waits(region: RegionMap, tmp_path: Path) -> None:
    async def body(service: kv.KvService, client: aiohttp.ClientSession, url: str) -> None:
        context = LocalContext("kv", region, tmp_path, LoopClock(asyncio.get_running_loop()), FIXED)
        with pytest.raises(RunError, match=r"kv: cannot listen on 127\.\d+\.3\.1:8000: the port is in use"):
            await kv.build(context)

    serve(region, tmp_path, FIXED, body)


def test_a_bad_mapping_names_the_component(region: RegionMap, tmp_path: Path) -> None:
    async def main() -> None:
        context = LocalContext("kv", region, tmp_path, LoopClock(asyncio.get_running_loop()), {"slots": 0})
        with pytest.raises(SpecError, match=r"region\.kv"):
            await kv.build(context)

    run_virtually(main)
