"""The outside probe: what it asks, when, and what it writes down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from harness.flows.wants import Cause, Request, Result
from harness.live.canary import LAYER, Canary, Target, target_of
from harness.live.clock import RunClock
from harness.live.events import Event, Probed
from harness.plan import Plan, make_plan
from harness.record.region import lay_out
from harness.record.rows import read_rows
from harness.spec import load_experiment, parse_experiment

TARGET = Target("kv", (Request("read", {"key": "1"}, write=False),), period_s=0.5, patience_s=0.5)
REGION = lay_out(99, {"kv": 1})  # no dns component: addresses come from the region map


def plan_of(load: str) -> Plan:
    text = f"""
title: t
load: {load}
timeline:
  - {{at: outage.start, do: kv.latency, with: {{factor: 2, for: 1s}}}}
  - {{at: outage.end, do: dns.restore, fix: true}}
"""
    return make_plan(parse_experiment(text), "base", 1)


def test_it_asks_for_reads_of_the_first_story_only() -> None:
    target = target_of(plan_of("{mobile_banking: {arrivals: {rate: 100/s}}}"))
    assert target is not None
    assert target.component == "mobile_banking"
    assert {request.operation for request in target.requests} == {"balance"}


def test_a_read_is_sent_to_whom_the_story_sends_it_and_not_to_the_storys_app(experiments: Path) -> None:
    target = target_of(make_plan(load_experiment(experiments / "cascade.yaml"), "as_operated", 7))
    assert target is not None
    assert target.component == "kv"  # the story's app is identity, which has no operation of that name
    assert {request.operation for request in target.requests} == {"read"}


@pytest.mark.parametrize(("rate", "period_s"), [("50/s", 1.0), ("100/s", 0.5), ("200/s", 0.25), ("2000/s", 0.25)])
def test_it_is_at_most_two_per_cent_of_the_load_and_four_a_second(rate: str, period_s: float) -> None:
    target = target_of(plan_of(f"{{kv_reads: {{arrivals: {{rate: {rate}}}}}}}"))
    assert target is not None
    assert target.period_s == period_s


def test_a_story_without_reads_has_no_canary() -> None:
    assert target_of(plan_of("{mobile_banking: {arrivals: {rate: 100/s}, mix: {transfer: 1.0}}}")) is None


async def probed(
    answer: Any, clock: RunClock, logged: Any, path: Path, until_s: float
) -> tuple[list[Any], list[Event]]:
    """Rows as (sent_s, ended_s, result, cause) and events of a canary that runs to `until_s`."""
    events: list[Event] = []
    canary = Canary(TARGET, REGION, path, clock, logged.log, httpx.MockTransport(answer))
    await canary.run(until_s, events.append)
    canary.close()
    file = read_rows(path / "canary-attempt.rows")
    assert file.complete
    assert set(file.rows["layer"].tolist()) <= {LAYER}
    assert set(file.rows["op"].tolist()) <= {0}
    assert len(set(file.rows["attempt"].tolist())) == len(file.rows)
    order = file.rows[file.rows["sent_ns"].argsort()]
    rows = [(r["sent_ns"] / 1e9, r["ended_ns"] / 1e9, Result(r["result"]), Cause(r["cause"])) for r in order]
    return rows, events


async def test_only_changes_are_journal_entries_but_every_probe_is_a_row(
    clock: RunClock, logged: Any, tmp_path: Path
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        sick = 1.0 <= trio.current_time() < 2.0
        return httpx.Response(503, json={"code": "dependency"}) if sick else httpx.Response(200, json={})

    rows, events = await probed(answer, clock, logged, tmp_path, 3.0)
    good, bad = (Result.OK, Cause.NONE), (Result.ERROR, Cause.DEPENDENCY)
    assert rows == [(t, t, *(bad if 1.0 <= t < 2.0 else good)) for t in (0.0, 0.5, 1.0, 1.5, 2.0, 2.5)]
    assert logged.entries("ok", "detail") == [
        (0.0, "probe", True, "answered 200"),
        (1.0, "probe", False, "answered 503"),
        (2.0, "probe", True, "answered 200"),
        (2.5, "note", None, None),
    ]
    good_one, bad_one = Probed(0.0, True, "answered 200"), Probed(1.0, False, "answered 503")
    assert events == [good_one, bad_one, good_one._replace(t_s=2.0)]


async def test_a_probe_gives_up_after_its_patience_and_the_next_is_on_time(
    clock: RunClock, logged: Any, tmp_path: Path
) -> None:
    async def never(request: httpx.Request) -> httpx.Response:
        await trio.sleep_forever()
        raise AssertionError

    rows, _ = await probed(never, clock, logged, tmp_path, 1.0)
    assert rows == [(0.0, 0.5, Result.TIMEOUT, Cause.TIMEOUT), (0.5, 1.0, Result.TIMEOUT, Cause.TIMEOUT)]


async def test_a_refused_connection_never_left(clock: RunClock, logged: Any, tmp_path: Path) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    rows, _ = await probed(refuse, clock, logged, tmp_path, 0.5)
    assert rows == [(0.0, 0.0, Result.UNSENT, Cause.CONNECT)]


async def test_an_empty_record_is_told_from_a_failing_name_server(
    clock: RunClock, logged: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Any] = [[], OSError("unreachable")]

    async def resolve(self: Canary) -> list[str]:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return list(found)

    monkeypatch.setattr(Canary, "resolve", resolve)
    rows, _ = await probed(lambda request: httpx.Response(200), clock, logged, tmp_path, 1.0)
    assert [row[2:] for row in rows] == [(Result.UNSENT, Cause.DNS_EMPTY), (Result.UNSENT, Cause.DNS_FAILED)]


async def test_a_probe_cut_off_by_the_end_of_the_run_is_unfinished(
    clock: RunClock, logged: Any, tmp_path: Path
) -> None:
    async def never(request: httpx.Request) -> httpx.Response:
        await trio.sleep_forever()
        raise AssertionError

    canary = Canary(TARGET, REGION, tmp_path, clock, logged.log, httpx.MockTransport(never))
    with trio.move_on_after(0.2):
        await canary.run(5.0, lambda event: None)
    canary.close()
    rows = read_rows(tmp_path / "canary-attempt.rows").rows
    assert rows["result"].tolist() == [Result.UNFINISHED]
    assert rows["ended_ns"].tolist() == [-1]


async def test_it_asks_like_a_client_of_the_region(clock: RunClock, logged: Any, tmp_path: Path) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={})

    await probed(answer, clock, logged, tmp_path, 0.5)
    (request,) = seen
    assert (request.method, str(request.url)) == ("POST", "http://127.99.2.1:8000/read")
    assert request.content == b'{"key":"1"}'
    assert request.headers["Host"] == "kv.region.test:8000"
    assert request.headers["X-Blackstart-Context"] == "op=0;layer=255;n=0;deadline_ns=500000000;criticality=0"
