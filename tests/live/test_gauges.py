"""Gauge rows on an absolute grid, in virtual time with components that are functions."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import trio

from harness.live import gauges
from harness.live.clock import RunClock
from harness.live.control import Readings
from harness.live.events import Event, Tick
from harness.record.rows import read_rows

Read = Callable[[str, float], Awaitable[Readings | None]]


class NoMeter(gauges.CpuMeter):
    """A meter without processes, so that only components are read."""

    def __init__(self) -> None:
        super().__init__({}, 0.0)

    def read(self, now_s: float) -> dict[tuple[str, str], float]:
        return {}


async def sampled(
    read: Read, clock: RunClock, logged: Any, path: Path, until_s: float, components: tuple[str, ...]
) -> tuple[list[tuple[float, str, str, float]], list[Event]]:
    """Rows without the orchestrator's own, and events, of a sampler that runs from 0 to `until_s`."""
    file, events = gauges.GaugeFile(path, 0, logged.log), list[Event]()
    with trio.move_on_after(until_s):
        await gauges.sample(components, read, NoMeter(), file, clock, 0.0, events.append)
    file.close()
    found = read_rows(path)
    assert found.complete
    names = [(found.names["component"][r["component"]], found.names["gauge"][r["gauge"]]) for r in found.rows]
    rows = [(int(r["t_ns"]) / 1e9, *name, float(r["value"])) for r, name in zip(found.rows, names, strict=True)]
    return [row for row in rows if row[1] != "orchestrator"], events


async def test_readings_are_taken_four_times_a_second_and_do_not_drift(
    clock: RunClock, logged: Any, tmp_path: Path
) -> None:
    async def read(component: str, patience_s: float) -> Readings:
        await trio.sleep(0.1)  # the time a reading takes must not move the next one
        return Readings(clock.now_s(), {"waiting_queue": 7.0})

    rows, events = await sampled(read, clock, logged, tmp_path / "g.rows", 1.3, ("kv",))
    assert rows == [(t, "kv", "waiting_queue", 7.0) for t in (0.1, 0.35, 0.6, 0.85, 1.1)]
    assert [event.t_s for event in events if isinstance(event, Tick)] == [0.25, 0.5, 0.75, 1.0, 1.25]


async def test_a_slow_component_costs_the_others_no_rows(clock: RunClock, logged: Any, tmp_path: Path) -> None:
    async def read(component: str, patience_s: float) -> Readings:
        if component == "slow" and clock.now_s() > 0.0:
            await trio.sleep(0.9)
        return Readings(clock.now_s(), {"loop_lag_s": 0.0})

    rows, _ = await sampled(read, clock, logged, tmp_path / "g.rows", 2.1, ("fast", "slow"))
    assert [t for t, component, _, _ in rows if component == "fast"] == [0.25 * k for k in range(9)]
    assert [t for t, component, _, _ in rows if component == "slow"] == [0.0, 1.15]  # asked at 0.25, next at 1.25


async def test_a_reading_that_did_not_come_is_a_row_that_is_not_there(
    clock: RunClock, logged: Any, tmp_path: Path
) -> None:
    async def read(component: str, patience_s: float) -> Readings | None:
        return None if 0.4 < clock.now_s() < 0.9 else Readings(clock.now_s(), {"slots": 5.0})

    rows, _ = await sampled(read, clock, logged, tmp_path / "g.rows", 1.3, ("kv",))
    assert [t for t, _, _, _ in rows] == [0.0, 0.25, 1.0, 1.25]


async def test_a_tick_shows_the_latest_reading_while_fresh(clock: RunClock, logged: Any, tmp_path: Path) -> None:
    async def read(component: str, patience_s: float) -> Readings | None:
        return None if clock.now_s() > 0.0 else Readings(0.0, {"waiting_queue": 9.0})

    _, events = await sampled(read, clock, logged, tmp_path / "g.rows", 3.0, ("kv",))
    shown = [event.t_s for event in events if isinstance(event, Tick) and ("kv", "waiting_queue") in event.readings]
    assert shown == [0.25 * k for k in range(1, 9)]  # up to PATIENCE_S
    assert shown[-1] == gauges.PATIENCE_S


async def test_the_header_waits_for_a_component_that_begins_late(clock: RunClock, logged: Any, tmp_path: Path) -> None:
    async def read(component: str, patience_s: float) -> Readings | None:
        if component == "late" and clock.now_s() < 0.3:
            return None
        return Readings(clock.now_s(), {f"of_{component}": 1.0})

    rows, _ = await sampled(read, clock, logged, tmp_path / "g.rows", 0.8, ("early", "late"))
    assert {name for _, _, name, _ in rows} == {"of_early", "of_late"}
    assert next(t for t, component, _, _ in rows if component == "late") == pytest.approx(0.3, abs=1e-9)


async def test_a_gauge_that_appears_later_is_named_once_in_the_journal(
    clock: RunClock, logged: Any, tmp_path: Path
) -> None:
    async def read(component: str, patience_s: float) -> Readings:
        return Readings(clock.now_s(), {"slots": 5.0} | ({"new": 1.0} if clock.now_s() > 0.4 else {}))

    rows, _ = await sampled(read, clock, logged, tmp_path / "g.rows", 1.3, ("kv",))
    assert {name for _, _, name, _ in rows} == {"slots"}
    notes = [entry[1:] for entry in logged.entries("text")]
    assert notes == [("note", "gauge kv.new appeared after the first reading and is not recorded")]


def test_processor_shares_are_processor_time_over_wall_time(monkeypatch: pytest.MonkeyPatch) -> None:
    used = {"value": 10.0}
    monkeypatch.setattr(gauges, "_used_s", lambda process: used["value"])
    meter = gauges.CpuMeter({"kv": os.getpid()}, 100.0)
    used["value"] = 10.5
    assert meter.read(102.0)["kv", "cpu_share"] == 0.25
    assert meter.read(102.0) == {}  # no time has passed, so there is no share


def test_a_process_that_has_ended_has_no_share(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = gauges.CpuMeter({"me": os.getpid()}, 0.0)

    def gone(self: psutil.Process) -> None:
        raise psutil.NoSuchProcess(self.pid)

    monkeypatch.setattr(psutil.Process, "cpu_times", gone)
    assert ("me", "cpu_share") not in meter.read(1.0)
