"""The orchestrator's clock and the entries made before zero."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import trio

from harness.live.clock import RunClock, wall_rfc3339, wall_stamp
from harness.live.log import RunLog
from harness.record.journal import read_journal


async def test_sleeping_until_a_moment_ends_at_that_moment() -> None:
    clock = RunClock(lambda: round(trio.current_time() * 1e9) + 77_000_000_000)
    clock.set_zero(78_000_000_000)
    assert clock.now_s() == -1.0
    await clock.sleep_until_s(0.25)
    assert clock.now_s() == 0.25
    assert trio.current_time() == 1.25


async def test_a_moment_in_the_past_takes_no_time(clock: RunClock) -> None:
    await clock.sleep_until_s(2.0)
    await clock.sleep_until_s(1.0)
    assert clock.now_s() == 2.0


def test_a_run_has_one_zero() -> None:
    clock = RunClock(lambda: 5)
    with pytest.raises(AssertionError, match="not set yet"):
        clock.now_s()
    clock.set_zero(5)
    with pytest.raises(AssertionError, match="already set"):
        clock.set_zero(6)


def test_wall_time_is_rfc_3339_in_utc() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", wall_rfc3339())
    assert re.fullmatch(r"\d{8}-\d{6}", wall_stamp())


def test_entries_made_before_zero_get_negative_times_once_zero_is_known(tmp_path: Path) -> None:
    readings = iter([1_000_000_000, 2_500_000_000, 5_000_000_000])
    clock = RunClock(lambda: next(readings))
    log = RunLog(tmp_path / "journal.jsonl", clock)
    log.write("process", name="kv")
    log.write("process", name="load")
    assert read_journal(tmp_path / "journal.jsonl") == []
    clock.set_zero(4_000_000_000)
    log.flush()
    log.write("phase")
    log.close()
    assert [entry["t_s"] for entry in read_journal(tmp_path / "journal.jsonl")] == [-3.0, -1.5, 1.0]


def test_a_run_that_never_had_a_zero_keeps_its_entries(tmp_path: Path) -> None:
    readings = iter([1_000_000_000, 3_000_000_000])
    clock = RunClock(lambda: next(readings))
    log = RunLog(tmp_path / "journal.jsonl", clock)
    log.write("process", name="kv")
    log.close()
    assert [entry["t_s"] for entry in read_journal(tmp_path / "journal.jsonl")] == [-2.0]
