"""A hosted component in virtual time: flows that park, crashes, partitions, and the valve at the door."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.flows.wants import Cause, Flow, Gate, Park, Reply, Request, Result, Send, Wait
from harness.models.apps.base import AppRequest, Response
from harness.models.component import Brain
from harness.models.dns_cache import Answer, DnsCache
from harness.models.valve import Valve
from harness.policies.resolver import FOUND, ResolverSpec
from harness.record.rows import RowWriter, read_rows
from harness.sim.heap import Heap
from harness.sim.host import Host
from harness.sim.network import Caller, Delays, Server

SLOW_S = 1.0


class Diary(Brain):
    """`slow` takes a second, `park` waits for the next `open`, and every half second something is done unasked."""

    def __init__(self) -> None:
        super().__init__()
        self.gates: list[Gate] = []
        self.lines: list[str] = []
        self._next_s = 0.5

    def handle(self, request: AppRequest, now_s: float) -> Flow:
        try:
            if request.operation == "slow":
                now_s = yield Wait(now_s + SLOW_S)
            elif request.operation == "park":
                gate = Gate()
                self.gates.append(gate)
                answer = yield Park(gate)
                return Response(200, "", answer)
            else:
                for gate in self.gates:
                    gate.open("opened")
        except GeneratorExit:
            self.lines.append(f"closed {request.operation}")
            raise
        return Response(200, "", {"now_s": now_s})

    def background(self, now_s: float) -> list[Flow]:
        if now_s < self._next_s:
            return []
        self._next_s += 0.5
        return [self._unasked(now_s)]

    def _unasked(self, now_s: float) -> Flow:
        self.lines.append(f"unasked {now_s:g}")
        yield Wait(now_s)

    def wake_s(self) -> float:
        return self._next_s

    def crashed(self, now_s: float) -> None:
        self.lines.append(f"crashed {now_s:g}")

    def restarted(self, now_s: float) -> None:
        self._next_s = now_s + 0.5
        self.lines.append(f"restarted {now_s:g}")


class Stage:
    """One host and one caller, with all delays zero."""

    def __init__(self, folder: Path) -> None:
        self.heap = Heap()
        self.brain = Diary()
        self.served = RowWriter(folder / "served.rows", "served", "app-served", 0, {"component": ["app"]})
        self.attempts = RowWriter(folder / "attempt.rows", "attempt", "load", 0, {"target": ["app"]})
        self.inner = RowWriter(folder / "inner.rows", "attempt", "app", 0, {"target": ["app"]})
        self.folder = folder
        self.host = Host(self.heap, self.brain, Valve(7, 0.0), math.inf, False, False, False, self.served)
        self.host.caller = self.caller_of(self.inner)
        self.caller = self.caller_of(self.attempts)
        self.heap.at(0.0, self.host.stepped)
        self.replies: dict[int, Reply] = {}

    def caller_of(self, rows: RowWriter) -> Caller:
        targets: dict[str, tuple[int, str, Server]] = {"app": (0, "app.region.test", self.host)}
        known = Answer(FOUND, ("127.0.0.1",), math.inf)
        return Caller(self.heap, Delays(0.0, 0.0, 0.0), 7, DnsCache(ResolverSpec()), lambda name: known, targets, rows)

    def ask(self, at_s: float, attempt: int, operation: str, timeout_s: float = 5.0, criticality: int = 0) -> None:
        want = Send("app", Request(operation, {}), attempt, 0, attempt, 0, 0, timeout_s, math.inf, criticality)

        def send() -> None:
            self.caller.send(want, lambda reply: self.replies.update({attempt: reply}))

        self.heap.at(at_s, send)

    def fault(self, at_s: float, name: str, until_s: float, **params: Any) -> None:
        inject, heal = self.host.faults[name]
        self.heap.at(at_s, lambda: inject(params))
        self.heap.at(until_s, heal)

    def operate(self, action: str, **params: Any) -> Callable[[], None]:
        def act() -> None:
            self.host.actions[action](params)

        return act

    def play(self, until_s: float) -> dict[int, tuple[str, str, float]]:
        self.heap.run(until_s)
        self.host.close()
        for rows in (self.served, self.attempts, self.inner):
            rows.close()
        return {n: (reply.result.name, reply.cause.name, reply.ended_s) for n, reply in sorted(self.replies.items())}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_a_parked_flow_goes_on_when_another_opens_its_gate(stage: Stage) -> None:
    stage.ask(0.1, 1, "park")
    stage.ask(0.3, 2, "open")
    stage.ask(0.4, 3, "park")
    assert stage.play(1.0) == {1: ("OK", "NONE", 0.3), 2: ("OK", "NONE", 0.3)}
    assert stage.replies[1].body == "opened"


def test_a_crash_breaks_what_is_open_refuses_what_comes_and_ends_with_a_restart(stage: Stage) -> None:
    stage.ask(0.1, 1, "open")  # leaves an idle connection, which is dead afterwards
    stage.ask(0.2, 2, "slow")
    stage.fault(0.7, "crash", 1.6)
    stage.ask(1.0, 3, "slow")
    stage.ask(2.0, 4, "slow")
    assert stage.play(4.0) == {
        1: ("OK", "NONE", 0.1),
        2: ("ERROR", "RESET", 0.7),
        3: ("UNSENT", "CONNECT", 1.0),
        4: ("OK", "NONE", 3.0),
    }
    assert stage.brain.lines[:5] == ["unasked 0.5", "closed slow", "crashed 0.7", "restarted 1.6", "unasked 2.1"]
    served = read_rows(stage.folder / "served.rows").rows
    assert [(row["attempt"], row["began_ns"], row["ended_ns"]) for row in served] == [
        (1, 100_000_000, 100_000_000), (2, -1, 700_000_000), (4, 2_000_000_000, 3_000_000_000),
    ]  # fmt: skip


def test_a_partition_swallows_requests_until_it_heals(stage: Stage) -> None:
    stage.fault(0.1, "partition", 1.0)
    stage.ask(0.2, 1, "open", timeout_s=0.3)
    stage.ask(1.1, 2, "open")
    assert stage.play(2.0) == {1: ("TIMEOUT", "TIMEOUT", 0.5), 2: ("OK", "NONE", 1.1)}


def test_a_partition_towards_one_component_keeps_what_is_sent_there_from_leaving(stage: Stage) -> None:
    stage.fault(0.1, "partition", 1.0, to="app")
    seen: list[Reply] = []
    want = Send("app", Request("open", {}), 9, 0, 0, 1, 0, 0.25, math.inf)

    def send() -> None:
        stage.host.caller.send(want, seen.append)

    stage.heap.at(0.2, send)
    stage.heap.at(1.2, send)
    stage.ask(0.3, 1, "open")  # what comes in still comes
    assert stage.play(2.0) == {1: ("OK", "NONE", 0.3)}
    assert [(reply.result, reply.cause, reply.ended_s) for reply in seen] == [
        (Result.UNSENT, Cause.CONNECT, 0.45), (Result.OK, Cause.NONE, 1.2),
    ]  # fmt: skip


def test_the_valve_stands_before_the_brain(stage: Stage) -> None:
    stage.heap.at(0.1, stage.operate("shed", above=1))
    stage.ask(0.2, 1, "open", criticality=1)
    stage.ask(0.2, 2, "open", criticality=2)
    stage.heap.at(0.3, stage.operate("open_intake"))
    stage.fault(0.4, "errors", 0.6, share="100%")
    stage.ask(0.35, 3, "open", criticality=2)
    stage.ask(0.5, 4, "open")
    assert stage.play(1.0) == {
        1: ("OK", "NONE", 0.2),
        2: ("REFUSED", "THROTTLED", 0.2),
        3: ("OK", "NONE", 0.35),
        4: ("ERROR", "INJECTED", 0.5),
    }
