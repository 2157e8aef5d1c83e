"""Each operation that is due has exactly one row, whatever happened to it."""

from __future__ import annotations

import math
from collections.abc import Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest

from harness.flows.call import CallResult, Client
from harness.flows.stories.base import Story, StoryContext, make_context
from harness.flows.wants import Answer, Cause, Reply, Result, Wait, Want
from harness.load.clock import RunClock, monotonic_ns
from harness.load.driver import Driver
from harness.load.operations import Operations, Playing, judge
from harness.load.pacer import Arrival
from harness.load.recorder import Recorder
from harness.policies.client import ClientSpec
from harness.record.folder import RunFolder
from harness.record.layouts import Outcome
from harness.record.rows import read_rows

STORY = Story("test", "kv", ("read",))


def ended(result: Result, ended_s: float, limited: bool = False) -> CallResult:
    return CallResult(result is Result.OK, Reply(result, 0, Cause.NONE, ended_s), 1, ended_s, limited)


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        (ended(Result.OK, 1.5), Outcome.GOOD),
        (ended(Result.OK, 1.500001), Outcome.LATE),
        (ended(Result.REFUSED, 0.1), Outcome.THROTTLED),
        (ended(Result.UNSENT, 0.1, limited=True), Outcome.THROTTLED),
        (ended(Result.UNSENT, 0.1), Outcome.FAILED),
        (ended(Result.TIMEOUT, 0.1), Outcome.FAILED),
        (ended(Result.ERROR, 0.1), Outcome.FAILED),
    ],
)
def test_an_ended_call_is_judged_as_its_user_would(result: CallResult, outcome: Outcome) -> None:
    assert judge(result, 1.5) is outcome


class Bench:
    """Operations over a story that is a function of the operation's number."""

    def __init__(self, tmp_path: Path, operation: Any, in_flight_max: int = 100) -> None:
        folder = RunFolder(tmp_path)
        folder.rows.mkdir()
        self.folder = folder
        self.clock = RunClock(monotonic_ns())
        self.recorder = Recorder(folder, 0, self.clock.zero_ns, ["test"], ["dns", "kv"], ["dns", "kv"], ["in_flight"])
        context = make_context(STORY, Client(ClientSpec(1.5, 0.5, 1), 1, "load/test", 0.0), 1, 10, {"read": 1.0}, 1.5)
        module: Any = SimpleNamespace(STORY=STORY, operation=operation)
        driver = Driver(self.clock, {}, self.recorder.attempts)
        self.operations = Operations(driver, self.recorder, [Playing(module, context, 1)], in_flight_max)

    def rows(self) -> list[dict[str, Any]]:
        self.recorder.close({})
        found = read_rows(self.folder.rows / "load-0-operation.rows")
        assert found.complete
        return [{name: row[name].item() for name in row.dtype.names} for row in found.rows]


def waits(wait_s: float) -> Any:
    """A story whose operations wait that long and are then good."""

    def operation(
        ctx: StoryContext, op: int, now_s: float, deadline_s: float | None = None
    ) -> Generator[Want, Answer, CallResult]:
        woken_s = yield Wait(now_s + wait_s)
        return ended(Result.OK, woken_s)

    return operation


def test_an_operation_has_a_row_with_its_times(tmp_path: Path) -> None:
    bench = Bench(tmp_path, waits(0.01))
    bench.operations.start(Arrival(9, 0, -0.25))
    assert (bench.operations.in_flight, bench.operations.started) == (1, 1)
    assert bench.operations.drain(2.0)
    (row,) = bench.rows()
    assert row["deadline_ns"] == 1_250_000_000  # from the intended start, although it began later
    assert row["intended_ns"] == -250_000_000
    assert 0 < row["started_ns"] < row["finished_ns"]
    assert (row["op"], row["story"], row["app"], row["worker"], row["outcome"]) == (9, 0, 1, 0, Outcome.GOOD)
    assert bench.operations.lateness.late == 1


def test_starting_never_blocks_and_what_finds_no_room_is_dropped(tmp_path: Path) -> None:
    bench = Bench(tmp_path, waits(0.02), in_flight_max=3)
    for op in range(1, 6):
        bench.operations.start(Arrival(op, 0, 0.0))
    assert (bench.operations.started, bench.operations.dropped) == (3, 2)
    assert bench.operations.drain(2.0)
    rows = {row["op"]: row for row in bench.rows()}
    assert sorted(rows) == [1, 2, 3, 4, 5]
    assert [rows[op]["outcome"] for op in (4, 5)] == [Outcome.DROPPED] * 2
    assert (rows[5]["started_ns"], rows[5]["finished_ns"], rows[5]["attempts"]) == (-1, -1, 0)


def test_a_drain_has_a_bound_and_what_is_cut_is_unfinished(tmp_path: Path) -> None:
    bench = Bench(tmp_path, waits(60.0))
    bench.operations.start(Arrival(1, 0, 0.0))
    assert not bench.operations.drain(0.01)
    bench.operations.start(Arrival(2, 0, 0.0))  # this one is cut before it sends anything
    assert bench.operations.cut() == 2
    assert bench.operations.in_flight == 0
    rows = {row["op"]: row for row in bench.rows()}
    assert [rows[op]["outcome"] for op in (1, 2)] == [Outcome.UNFINISHED] * 2
    assert [rows[op]["attempts"] for op in (1, 2)] == [0, 0]
    assert [rows[op]["finished_ns"] for op in (1, 2)] == [-1, -1]


def test_nothing_open_is_drained_at_once_and_cut_to_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, waits(0.0))
    assert bench.operations.drain(-1.0)
    assert bench.operations.cut() == 0
    assert bench.rows() == []


def test_a_story_that_breaks_is_counted_as_our_fault_and_has_a_row(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(ctx: StoryContext, op: int, now_s: float, deadline_s: float | None = None) -> Any:
        raise ZeroDivisionError
        yield

    bench = Bench(tmp_path, broken)
    for op in (1, 2):
        bench.operations.start(Arrival(op, 0, 0.0))
    bench.operations.drain(2.0)
    assert bench.operations.errors == 2
    assert [row["outcome"] for row in bench.rows()] == [Outcome.FAILED] * 2
    assert caplog.text.count("this is a fault of ours") == 1


def test_a_story_without_a_deadline_has_none_in_its_rows(tmp_path: Path) -> None:
    bench = Bench(tmp_path, waits(0.0))
    playing = bench.operations._stories[0]
    bench.operations._stories[0] = playing._replace(context=playing.context._replace(deadline_s=math.inf))
    bench.operations.start(Arrival(1, 0, 0.0))
    bench.operations.drain(2.0)
    (row,) = bench.rows()
    assert (row["deadline_ns"], row["outcome"]) == (-1, Outcome.GOOD)


def test_closing_twice_keeps_the_first_summary(tmp_path: Path) -> None:
    bench = Bench(tmp_path, waits(0.0))
    bench.recorder.close({"first": 1})
    bench.recorder.close({"second": 2})
    assert bench.folder.read_json(bench.recorder.summary_path) == {"first": 1}


def test_drained_operations_leave_the_hub_idle(tmp_path: Path) -> None:
    bench = Bench(tmp_path, waits(0.0))
    for op in range(1, 50):
        bench.operations.start(Arrival(op, 0, 0.0))
    with gevent.Timeout(2):
        assert bench.operations.drain(2.0)
    assert len(bench.rows()) == 49
