"""Edges, the ledger, and performing on time."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import trio

from harness.errors import RunError
from harness.live.clock import RunClock
from harness.live.control import Control, Refused
from harness.live.events import Edge, Event
from harness.live.timeline import UNDO_S_MAX, Ledger, perform, undo
from harness.plan import Plan, make_plan
from harness.record.region import lay_out
from harness.spec import parse_experiment
from harness.timeline import Due, edges

REGION = lay_out(99, {"dns": 1, "kv": 1})
INJECT = Due(1.0, "inject", "1", "kv", "latency", {"mean": "100ms"}, 7.0, False, "kv.latency")
HEAL = Due(3.0, "heal", "2", "kv", "latency", {}, 0.0, True, "kv.heal")
RESTORE = Due(4.0, "action", "3", "dns", "restore", {}, 0.0, False, "dns.restore")


def plan(timeline: str) -> Plan:
    text = f"""
title: t
load: {{mobile_banking: {{arrivals: {{rate: 10/s}}}}}}
phases: {{warm_up: 1s, baseline: 9s, outage: 10s, recovery: 20s, drain: 1s}}
timeline:
{timeline}
"""
    return make_plan(parse_experiment(text), "base", 1)


def brief(found: tuple[Due, ...]) -> list[tuple[object, ...]]:
    return [(due.at_s, due.deed, due.name, due.params, due.ttl_s, due.fix) for due in found]


def test_a_fault_with_a_length_is_an_injection_and_a_healing() -> None:
    found = edges(
        plan("""
  - {at: outage.start, do: dns.stall_enactor, with: {enactor: az1, for: 2s}}
  - {at: outage.end, do: dns.restore, fix: true}""")
    )
    assert brief(found) == [
        (10.0, "inject", "stall_enactor", {"enactor": "az1"}, 2.0, False),
        (12.0, "heal", "stall_enactor", {}, 0.0, False),
        (20.0, "action", "restore", {}, 0.0, True),
    ]


def test_a_fault_that_a_later_line_heals_lives_until_then_and_a_margin() -> None:
    found = edges(
        plan("""
  - {at: outage.start, do: kv.latency, with: {mean: 100ms}}
  - {at: outage.end, do: kv.heal, with: {fault: latency}, fix: true}""")
    )
    assert brief(found) == [
        (10.0, "inject", "latency", {"mean": "100ms"}, 15.0, False),
        (20.0, "heal", "latency", {}, 0.0, True),
    ]


def test_a_fault_injected_anew_is_not_ended_by_its_first_length() -> None:
    found = edges(
        plan("""
  - {at: 10s, do: kv.latency, with: {factor: 2, for: 5s}}
  - {at: 12s, do: kv.latency, with: {factor: 4, for: 5s}}
  - {at: 17s, do: dns.restore, fix: true}""")
    )
    moments = [(due.at_s, due.deed) for due in found]
    assert moments == [(10.0, "inject"), (12.0, "inject"), (17.0, "heal"), (17.0, "action")]


def test_a_fault_healed_before_its_length_is_healed_once() -> None:
    found = edges(
        plan("""
  - {at: 10s, do: kv.latency, with: {factor: 2, for: 5s}}
  - {at: 12s, do: kv.heal, with: {fault: latency}, fix: true}""")
    )
    assert [(due.at_s, due.deed) for due in found] == [(10.0, "inject"), (12.0, "heal")]


def test_the_ledger_gives_back_what_was_injected_newest_first() -> None:
    ledger = Ledger()
    ledger.enter("kv", "latency", "1")
    ledger.enter("dns", "empty_record", "2")
    ledger.enter("kv", "capacity", "3")
    ledger.enter("kv", "latency", "4")  # injected anew, so now the newest
    ledger.strike("dns", "empty_record")
    ledger.strike("dns", "never_injected")
    assert ledger.outstanding() == [("kv", "latency", "4"), ("kv", "capacity", "3")]


class Service:
    """A control port that answers after `takes_s`, and keeps what it was asked: (t_s, method, path, body)."""

    def __init__(self, status: int = 200, takes_s: float = 0.0) -> None:
        self.asked: list[tuple[float, str, str, Any]] = []
        self.status = status
        self.takes_s = takes_s

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content or b"null")
        self.asked.append((trio.current_time(), request.method, request.url.path, body))
        await trio.sleep(self.takes_s)
        return httpx.Response(self.status, json={"error": "slots is 0", "healed": True, "result": "done"})

    def control(self) -> Control:
        return Control(REGION, "t0ken", httpx.MockTransport(self))


async def test_everything_happens_at_its_moment_and_is_written_down(clock: RunClock, logged: Any) -> None:
    service, ledger, events = Service(takes_s=0.25), Ledger(), list[Event]()
    async with service.control() as control:
        await perform([INJECT, HEAL, RESTORE], clock, control, ledger, logged.log, events.append)
    assert service.asked == [
        (1.0, "PUT", "/_faults/latency", {"mean": "100ms", "ttl_s": 7.0}),
        (3.0, "DELETE", "/_faults/latency", None),
        (4.0, "POST", "/_actions/restore", {}),
    ]
    assert logged.entries("id", "asked_s") == [
        (1.25, "inject", "1", 1.0),
        (3.25, "heal", "2", 3.0),
        (3.25, "fix", "2", None),
        (4.25, "action", "3", 4.0),
    ]
    assert events == [Edge(1.25, "kv.latency", False), Edge(3.25, "kv.heal", True), Edge(4.25, "dns.restore", False)]
    assert ledger.outstanding() == []


async def test_a_service_that_refuses_ends_the_run_and_leaves_nothing_to_undo(clock: RunClock, logged: Any) -> None:
    ledger = Ledger()
    async with Service(status=400).control() as control:
        with pytest.raises(Refused, match=r"kv: PUT /_faults/latency: refused with 400: slots is 0"):
            await perform([INJECT], clock, control, ledger, logged.log, lambda event: None)
    assert ledger.outstanding() == []


async def test_a_request_that_was_cut_off_may_have_arrived_and_is_undone(clock: RunClock, logged: Any) -> None:
    ledger, service = Ledger(), Service(takes_s=30.0)
    async with service.control() as control:
        with trio.move_on_after(2.0):
            await perform([INJECT], clock, control, ledger, logged.log, lambda event: None)
        assert ledger.outstanding() == [("kv", "latency", "1")]
        service.takes_s = 0.0
        assert await undo(ledger, control, logged.log) == []
    assert service.asked[-1] == (2.0, "DELETE", "/_faults/latency", None)
    assert ledger.outstanding() == []


async def test_undoing_is_not_cancelled_with_the_run(clock: RunClock, logged: Any) -> None:
    ledger, service = Ledger(), Service(takes_s=0.5)
    ledger.enter("kv", "latency", "1")
    ledger.enter("kv", "errors", "2")
    async with service.control() as control:
        with trio.CancelScope() as scope:
            scope.cancel()
            await undo(ledger, control, logged.log)
    assert [(t_s, path) for t_s, _, path, _ in service.asked] == [(0.0, "/_faults/errors"), (0.5, "/_faults/latency")]


async def test_undoing_is_bounded_and_says_what_it_could_not_heal(clock: RunClock, logged: Any) -> None:
    ledger = Ledger()
    ledger.enter("kv", "latency", "1")
    ledger.enter("kv", "errors", "2")
    async with Service(takes_s=100.0).control() as control:
        left = await undo(ledger, control, logged.log)
    assert trio.current_time() == UNDO_S_MAX
    assert len(left) == 2
    assert left[0].startswith("kv.errors: kv: DELETE http://127.99.0.3:7900/_faults/errors: no reply within 5 s")
    assert left[1] == "kv.latency: out of time"


async def test_an_unknown_component_is_named_with_those_there_are() -> None:
    async with Service().control() as control:
        with pytest.raises(RunError, match=r"no component 'queue' in this region; there are: dns, kv"):
            await control.act("queue", "purge", {})


async def test_a_token_goes_with_every_demand() -> None:
    def see(request: httpx.Request) -> httpx.Response:
        assert request.headers["X-Blackstart-Token"] == "t0ken"
        return httpx.Response(200, json={"t_s": 1.5, "gauges": {"waiting_queue": 3}})

    async with Control(REGION, "t0ken", httpx.MockTransport(see)) as control:
        found = await control.gauges("kv", 1.0)
    assert found is not None
    assert (found.t_s, found.gauges) == (1.5, {"waiting_queue": 3.0})


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(409, json={"error": "not begun"}),
        httpx.Response(200, content=b"<html>"),
        httpx.Response(200, json=["t_s"]),
        httpx.Response(200, json={"t_s": 1.0}),
    ],
)
async def test_an_observation_that_fails_is_none_not_an_error(answer: httpx.Response) -> None:
    async with Control(REGION, "", httpx.MockTransport(lambda request: answer)) as control:
        assert await control.gauges("kv", 1.0) is None


async def test_patience_bounds_an_observation() -> None:
    async with Service(takes_s=60.0).control() as control:
        assert await control.healthy("kv", patience_s=1.5) is False
    assert trio.current_time() == 1.5
