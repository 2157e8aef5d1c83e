"""The asyncio driver against a scripted server, in virtual time: one Send, one request, one row, exact times."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from harness.flows.wants import Cause, Hedged, Reply, Request, Result, Send, Wait
from harness.record.region import RegionMap
from harness.record.rows import RowWriter, read_rows
from mock_services.clock import LoopClock
from mock_services.driver import Driver
from mock_services.outbound import Outbound
from mock_services.resolver import EmptyNameError, UnresolvedNameError
from mock_services.sockets import BACKLOG, listen
from mock_services.virtual import run_virtually

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Names(AbstractResolver):
    """Resolves everything to one address, or fails as told."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.error: OSError | None = None
        self.delay_s = 0.0
        self.asked = 0

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolveResult]:
        self.asked += 1
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if self.error is not None:
            raise self.error
        return [ResolveResult(hostname=host, host=self.address, port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        pass


class Rig:
    """A driver, its clock, its names, and a server with a scripted handler."""

    def __init__(self, driver: Driver, clock: LoopClock, names: Names) -> None:
        self.driver = driver
        self.clock = clock
        self.names = names
        self.served: list[str] = []

    async def send(self, want: Send | Hedged) -> Reply:
        def flow() -> Generator[Any, Any, Reply]:
            return (yield want)

        reply: Reply = await self.driver.play(flow())
        return reply


def send(attempt: int, timeout_s: float = 0.5, n: int = 0, deadline_s: float = math.inf) -> Send:
    return Send("kv", Request("read", {"key": "x"}), attempt, 7, 3, 1, n, timeout_s, deadline_s)


def play(
    region: RegionMap,
    folder: Path,
    handler: Handler,
    body: Callable[[Rig], Awaitable[None]],
    late_replies: bool = False,
    serve: bool = True,
) -> list[tuple[Any, ...]]:
    """Run `body` with a rig; the attempt rows as (attempt, n, sent_s, ended_s, result, status, cause)."""
    path = folder / "attempt.rows"

    async def main() -> None:
        clock = LoopClock(asyncio.get_running_loop())
        place = region.places["kv"]
        names = Names(place.addresses[0])
        outbound = Outbound(region, names, clock)
        with RowWriter(path, "attempt", "test", 0, {"target": list(region.places)}) as rows:
            driver = Driver(clock, outbound, rows, tuple(region.places), late_replies)
            rig = Rig(driver, clock, names)

            async def counted(request: web.BaseRequest) -> web.StreamResponse:
                rig.served.append(request.headers["X-Blackstart-Attempt"])
                return await handler(request)

            runner = web.ServerRunner(web.Server(counted, access_log=None), shutdown_timeout=0.0)
            await runner.setup()
            if serve:
                await web.SockSite(runner, listen("kv", place.addresses[0], place.port), backlog=BACKLOG).start()
            await body(rig)
            await outbound.close()
            await runner.cleanup()

    run_virtually(main)
    read = read_rows(path)
    assert read.complete
    return [
        (
            int(row["attempt"]), int(row["n"]), row["sent_ns"] / 1e9, row["ended_ns"] / 1e9,
            Result(row["result"]), int(row["status"]), Cause(row["cause"]),
        )
        for row in read.rows
    ]  # fmt: skip


def answering(after_s: float = 0.0, status: int = 200, text: str = "{}", **headers: str) -> Handler:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        await asyncio.sleep(after_s)
        return web.Response(status=status, text=text, headers=headers)

    return handler


def test_a_good_answer_is_one_request_and_one_row(region: RegionMap, tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        reply = await rig.send(send(5))
        assert (reply.result, reply.status, reply.body, reply.ended_s) == (Result.OK, 200, {"item": 1}, 0.25)
        assert rig.served == ["5"]

    rows = play(region, tmp_path, answering(0.25, text='{"item": 1}'), body)
    assert rows == [(5, 0, 0.0, 0.25, Result.OK, 200, Cause.NONE)]


def test_the_timeout_is_kept_exactly_and_giving_up_closes_the_connection(region: RegionMap, tmp_path: Path) -> None:
    gone: list[bool] = []

    async def slow(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        await asyncio.sleep(1.0)
        gone.append(request.transport is None)
        return web.Response()

    async def body(rig: Rig) -> None:
        reply = await rig.send(send(5, timeout_s=0.5))
        assert (reply.result, reply.cause, reply.ended_s) == (Result.TIMEOUT, Cause.TIMEOUT, 0.5)
        await asyncio.sleep(2.0)
        assert gone == [True]

    assert play(region, tmp_path, slow, body) == [(5, 0, 0.0, 0.5, Result.TIMEOUT, 0, Cause.TIMEOUT)]


def test_no_attempt_outlives_its_deadline(region: RegionMap, tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        reply = await rig.send(send(5, timeout_s=0.5, deadline_s=0.2))
        assert reply.ended_s == 0.2

    play(region, tmp_path, answering(1.0), body)


def test_the_timeout_covers_an_answer_that_drips(region: RegionMap, tmp_path: Path) -> None:
    async def drip(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(10):
            await asyncio.sleep(0.1)
            await response.write(b" ")
        return response

    async def body(rig: Rig) -> None:
        assert (await rig.send(send(5, timeout_s=0.55))).ended_s == 0.55

    play(region, tmp_path, drip, body)


@pytest.mark.parametrize(
    ("error", "cause"), [(EmptyNameError("no address"), Cause.DNS_EMPTY), (UnresolvedNameError("?"), Cause.DNS_FAILED)]
)
def test_a_name_without_an_address_is_told_from_one_without_an_answer(
    region: RegionMap, tmp_path: Path, error: OSError, cause: Cause
) -> None:
    async def body(rig: Rig) -> None:
        rig.names.error = error
        await rig.send(send(5))
        assert rig.served == []

    assert play(region, tmp_path, answering(), body) == [(5, 0, 0.0, 0.0, Result.UNSENT, 0, cause)]


def test_time_runs_out_while_the_name_is_looked_up(region: RegionMap, tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        rig.names.delay_s = 9.0
        await rig.send(send(5))

    assert play(region, tmp_path, answering(), body) == [(5, 0, 0.0, 0.5, Result.UNSENT, 0, Cause.DNS_FAILED)]


def test_a_refused_connection_never_left(region: RegionMap, tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        await rig.send(send(5))

    rows = play(region, tmp_path, answering(), body, serve=False)
    assert rows == [(5, 0, 0.0, 0.0, Result.UNSENT, 0, Cause.CONNECT)]


def test_a_connection_that_breaks_is_a_reset_and_is_not_sent_again(region: RegionMap, tmp_path: Path) -> None:
    async def slam(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        if len(request.headers["X-Blackstart-Attempt"]) > 1 and request.transport is not None:
            request.transport.abort()
        return web.Response(text="{}")

    async def body(rig: Rig) -> None:
        await rig.send(send(5))  # warms the pool: repeats happen on pooled connections
        await rig.send(send(55))
        await asyncio.sleep(5.0)
        assert rig.served == ["5", "55"]

    rows = play(region, tmp_path, slam, body)
    assert rows[1] == (55, 0, 0.0, 0.0, Result.ERROR, 0, Cause.RESET)


@pytest.mark.parametrize(
    ("status", "text", "result", "cause"),
    [
        (503, '{"code": "queue_full"}', Result.REFUSED, Cause.QUEUE_FULL),
        (503, '{"code": "dependency"}', Result.ERROR, Cause.DEPENDENCY),
        (500, "not json", Result.ERROR, Cause.SERVER_ERROR),
        (302, "", Result.ERROR, Cause.SERVER_ERROR),
    ],
)
def test_failures_keep_their_meaning_and_redirects_are_not_followed(
    region: RegionMap, tmp_path: Path, status: int, text: str, result: Result, cause: Cause
) -> None:
    async def body(rig: Rig) -> None:
        reply = await rig.send(send(5))
        assert reply.retry_after_s == 1.5
        assert len(rig.served) == 1

    handler = answering(status=status, text=text, Location="/elsewhere", **{"Retry-After": "1.5"})
    assert play(region, tmp_path, handler, body) == [(5, 0, 0.0, 0.0, result, status, cause)]


def test_an_open_connection_does_not_feel_the_name_go_but_a_new_one_does(region: RegionMap, tmp_path: Path) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        response = web.Response(text="{}")
        if request.headers["X-Blackstart-Attempt"] == "2":
            response.force_close()
        return response

    async def body(rig: Rig) -> None:
        assert (await rig.send(send(1))).ok
        rig.names.error = EmptyNameError("gone")
        assert (await rig.send(send(2))).ok
        assert (await rig.send(send(3))).cause is Cause.DNS_EMPTY
        rig.names.error = None
        assert (await rig.send(send(4))).ok
        assert rig.names.asked == 3

    play(region, tmp_path, handler, body)


def test_a_wait_promised_is_a_wait_honoured(region: RegionMap, tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        def flow() -> Generator[Any, Any, list[float]]:
            first = yield Wait(0.3)
            past = yield Wait(0.1)
            return [first, past]

        assert await rig.driver.play(flow()) == [0.3, 0.3]

    assert play(region, tmp_path, answering(), body) == []


def late(rig: Rig) -> Generator[Any, Any, list[Any]]:
    first = yield send(1, timeout_s=0.5)
    woken = yield Wait(5.0)
    return [first, woken]


def test_a_late_reply_ends_a_wait_when_it_counts(region: RegionMap, tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        first, woken = await rig.driver.play(late(rig))
        assert (first.result, first.ended_s) == (Result.TIMEOUT, 0.5)
        assert (woken.result, woken.ended_s) == (Result.OK, 0.8)

    rows = play(region, tmp_path, answering(0.8), body, late_replies=True)
    assert rows == [(1, 0, 0.0, 0.5, Result.TIMEOUT, 0, Cause.TIMEOUT)]


def test_a_late_reply_is_nothing_when_it_does_not_count(region: RegionMap, tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        _, woken = await rig.driver.play(late(rig))
        assert woken == 5.0

    play(region, tmp_path, answering(0.8), body)


def test_a_late_reply_answers_the_send_that_is_open(region: RegionMap, tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        def flow() -> Generator[Any, Any, list[Reply]]:
            first = yield send(1, timeout_s=0.5)
            second = yield send(2, timeout_s=0.5, n=1)
            return [first, second]

        first, second = await rig.driver.play(flow())
        assert (first.result, second.result, second.ended_s) == (Result.TIMEOUT, Result.OK, 0.8)

    rows = play(region, tmp_path, answering(0.8), body, late_replies=True)
    assert rows == [
        (1, 0, 0.0, 0.5, Result.TIMEOUT, 0, Cause.TIMEOUT),
        (2, 1, 0.5, 0.8, Result.TIMEOUT, 0, Cause.NONE),  # given up: nobody needs it any more
    ]


def test_a_hedge_sends_its_copy_after_the_delay_and_the_first_good_answer_wins(
    region: RegionMap, tmp_path: Path
) -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        await asyncio.sleep(1.0 if request.headers["X-Blackstart-Attempt"] == "1" else 0.1)
        return web.Response(text="{}")

    async def body(rig: Rig) -> None:
        reply = await rig.send(Hedged(send(1, 2.0), (send(2, 2.0, n=1), send(3, 2.0, n=2)), 0.2))
        assert (reply.ok, round(reply.ended_s, 9)) == (True, 0.3)
        assert rig.served == ["1", "2"]

    rows = play(region, tmp_path, handler, body)
    assert rows == [
        (2, 1, 0.2, pytest.approx(0.3, abs=1e-9), Result.OK, 200, Cause.NONE),
        (1, 0, 0.0, pytest.approx(0.3, abs=1e-9), Result.TIMEOUT, 0, Cause.NONE),
    ]


def test_a_flow_given_up_leaves_a_row_that_says_indeterminate(region: RegionMap, tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        task = asyncio.create_task(rig.send(send(1)))
        await asyncio.sleep(0.2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert play(region, tmp_path, answering(9.0), body) == [(1, 0, 0.0, 0.2, Result.TIMEOUT, 0, Cause.NONE)]


def test_what_the_end_of_the_run_cuts_is_unfinished(region: RegionMap, tmp_path: Path) -> None:
    async def body(rig: Rig) -> None:
        task = asyncio.create_task(rig.send(send(1)))
        await asyncio.sleep(0.2)
        rig.driver.stopping = True
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert play(region, tmp_path, answering(9.0), body) == [(1, 0, 0.0, -1e-9, Result.UNFINISHED, 0, Cause.NONE)]


def test_hundreds_of_attempts_at_once_do_not_wait_for_each_other(region: RegionMap, tmp_path: Path) -> None:
    """aiohttp's connector would queue above 100, inside itself, where nobody counts."""

    async def body(rig: Rig) -> None:
        replies = await asyncio.gather(*(rig.send(send(n)) for n in range(1, 301)))
        assert {reply.ended_s for reply in replies} == {0.1}

    assert len(play(region, tmp_path, answering(0.1), body)) == 300
