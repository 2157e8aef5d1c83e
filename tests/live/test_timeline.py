"""Edges, the ledger, and performing on time."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import httpx
import pytest
import trio

from harness.errors import RunError
from harness.live.clock import RunClock
from harness.live.control import Control, Refused
from harness.live.events import Edge, Event
from harness.live.timeline import UNDO_S_MAX, Ledger, Operators, undo
from harness.plan import Plan, make_plan
from harness.record.region import lay_out
from harness.sim.heap import Heap
from harness.sim.operators import Operators as SimOperators
from harness.spec import parse_experiment
from harness.timeline import Due, edges

REGION = lay_out(99, {"dns": 1, "kv": 1})
SPELL = """
  - {at: 1s, do: kv.latency, with: {mean: 100ms}}
  - {at: 3s, do: kv.heal, with: {fault: latency}, fix: true}
  - {at: 4s, do: dns.restore}"""


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


def operators(of: str, clock: RunClock, ledger: Ledger, log: Any, events: list[Event] | None = None) -> Operators:
    return Operators(plan(of), clock, ledger, log, ([] if events is None else events).append)


async def test_everything_happens_at_its_moment_and_is_written_down(clock: RunClock, logged: Any) -> None:
    service, ledger, events = Service(takes_s=0.25), Ledger(), list[Event]()
    async with service.control() as control:
        await operators(SPELL, clock, ledger, logged.log, events).perform(control)
    assert service.asked == [
        (1.0, "PUT", "/_faults/latency", {"mean": "100ms", "ttl_s": 7.0}),
        (3.0, "DELETE", "/_faults/latency", None),
        (4.0, "POST", "/_actions/restore", {}),
    ]
    assert logged.entries("id", "asked_s") == [
        (1.25, "inject", "1-kv-latency", 1.0),
        (3.25, "heal", "2-kv-heal", 3.0),
        (3.25, "fix", "2-kv-heal", None),
        (4.25, "action", "3-dns-restore", 4.0),
    ]
    assert events == [Edge(1.25, "kv.latency", False), Edge(3.25, "kv.heal", True), Edge(4.25, "dns.restore", False)]
    assert ledger.outstanding() == []


async def test_a_service_that_refuses_ends_the_run_and_leaves_nothing_to_undo(clock: RunClock, logged: Any) -> None:
    ledger = Ledger()
    async with Service(status=400).control() as control:
        with pytest.raises(RunError, match=r"timeline: kv.latency \(1-kv-latency\) could not be done: kv") as caught:
            await operators(SPELL, clock, ledger, logged.log).perform(control)
    assert "/_faults/latency: refused with 400: slots is 0" in str(caught.value)
    assert isinstance(caught.value.__cause__, Refused)
    assert ledger.outstanding() == []
    assert logged.entries("id", "error") == [
        (1.0, "inject_failed", "1-kv-latency", "kv: PUT /_faults/latency: refused with 400: slots is 0")
    ]


async def test_a_request_that_was_cut_off_may_have_arrived_and_is_undone(clock: RunClock, logged: Any) -> None:
    ledger, service = Ledger(), Service(takes_s=30.0)
    async with service.control() as control:
        with trio.move_on_after(2.0):
            await operators(SPELL, clock, ledger, logged.log).perform(control)
        assert ledger.outstanding() == [("kv", "latency", "1-kv-latency")]
        service.takes_s = 0.0
        assert await undo(ledger, control, logged.log) == []
    assert service.asked[-1] == (2.0, "DELETE", "/_faults/latency", None)
    assert ledger.outstanding() == []


async def test_a_process_that_hangs_is_told_of_in_the_journal_and_ends_the_run(clock: RunClock, logged: Any) -> None:
    ledger = Ledger()
    async with Service(takes_s=60.0).control() as control:
        with pytest.raises(RunError, match=r"kv.latency \(1-kv-latency\) could not be done: .* no reply within 5 s"):
            await operators(SPELL, clock, ledger, logged.log).perform(control)
    ((t_s, kind, what, due_s, asked_s),) = logged.entries("what", "due_s", "asked_s")
    assert (t_s, kind, what, due_s, asked_s) == (6.0, "inject_failed", "kv.latency", 1.0, 1.0)
    assert ledger.outstanding() == [("kv", "latency", "1-kv-latency")]  # it may have arrived all the same


async def test_a_process_that_is_gone_is_told_of_likewise(clock: RunClock, logged: Any) -> None:
    def gone(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("All connection attempts failed")

    async with Control(REGION, "t0ken", httpx.MockTransport(gone)) as control:
        with pytest.raises(RunError, match=r"could not be done: kv: PUT .*; has the process ended\?"):
            await operators(SPELL, clock, Ledger(), logged.log).perform(control)
    assert logged.entries("id")[0] == (1.0, "inject_failed", "1-kv-latency")


async def test_a_plan_is_not_done_while_a_deed_of_it_waits_for_an_answer(clock: RunClock, logged: Any) -> None:
    service, ends_s = Service(takes_s=1.5), list[float]()
    of = operators(SPELL, clock, Ledger(), logged.log)
    async with service.control() as control, trio.open_nursery() as nursery:
        nursery.start_soon(of.perform, control)
        for at_s in (0.5, 1.25, 4.0):  # before anything; while the first is asked; at the third, with the second open
            await clock.sleep_until_s(at_s)
            await of.at_rest()
            ends_s.append(trio.current_time())
    assert ends_s == [0.5, 2.5, 6.0]


RUNBOOK = """
  - {at: 10s, do: kv.latency, with: {factor: 8, for: 9s}}
  - {at: 20s, do: dns.restore, fix: true}
  - {at: 12s, do: load.surge, with: {factor: 2, for: 2s}}
  - {when: {gauge: kv.waiting_queue, above: 5, for: 500ms, delay: 300ms}, do: kv.drop_queue, id: drop}
  - {when: {after_event: drop}, do: pause, with: {for: 1s}, id: wait}
  - {when: {after_event: drop}, do: kv.errors, with: {share: 5%, for: 3s}, square: {on: 1s, off: 500ms}, id: square}
  - {when: {after_event: drop}, do: kv.throttle_intake, with: {rate: 9/s}, id: shut}
  - {when: {gauge: kv.waiting_queue, below: 3, after_event: shut}, do: kv.heal, with: {fault: errors}, id: healed}
  - {when: {gauge: kv.waiting_queue, above: 99}, do: kv.add_capacity, with: {slots: 2}, id: never}"""
READINGS = [(10.0 + k / 4, 9.0 if k < 10 else 2.0) for k in range(60)]


async def test_live_and_world_carry_the_same_runbook_out_at_the_same_moments(clock: RunClock, logged: Any) -> None:
    the_plan, heap, told = plan(RUNBOOK), Heap(), list[tuple[float, str, Any, Any]]()
    world = SimOperators(
        the_plan,
        heap,
        lambda due: None,
        lambda kind, **f: told.append((round(heap.now_s, 6), kind, f.get("id"), f.get("fired_by"))),
    )
    world.begin()
    for at_s, value in READINGS:
        heap.at(at_s, partial(world.read, {"kv": {"waiting_queue": value}}))
    heap.run(41.0)
    world.end()

    service = Service()
    live = Operators(the_plan, clock, Ledger(), logged.log, lambda event: None)
    async with service.control() as control, trio.open_nursery() as nursery:
        nursery.start_soon(live.perform, control)
        for at_s, value in READINGS:
            await clock.sleep_until_s(at_s)
            live.read(at_s, {("kv", "waiting_queue"): value, ("kv", "cpu_share"): 0.5})
        await clock.sleep_until_s(41.0)
        nursery.cancel_scope.cancel()
    live.end()
    assert logged.entries("id", "fired_by") == told
    assert [(t_s, kind, name) for t_s, kind, name, _ in told if name in ("square", "healed", "shut", "never")] == [
        (10.8, "inject", "square"), (11.8, "heal", "square"), (11.8, "action", "shut"), (12.3, "inject", "square"),
        (12.5, "heal", "healed"), (41.0, "note", "never"),
    ]  # fmt: skip
    paths = [(method, path) for _, method, path, _ in service.asked]
    assert not any("surge" in path or "pause" in path for _, path in paths)
    assert len(paths) == len([entry for entry in told if entry[1] in ("inject", "heal", "action")]) - 3


async def test_nothing_is_said_of_a_timeline_that_nobody_was_to_carry_out(clock: RunClock, logged: Any) -> None:
    operators(RUNBOOK, clock, Ledger(), logged.log).end()
    assert logged.entries() == []


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
