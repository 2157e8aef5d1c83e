"""The load process as it is run: real Locust, real sockets, real DNS packets, a real plan."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.record.folder import RunFolder
from harness.record.layouts import Outcome
from harness.record.rows import RowFile, read_rows

Bare = Callable[[RunFolder], None]
PERIOD_S = 0.25
EVERY_S = 0.010  # an operation of the even story is due this often, so no longer sleep goes unnoticed


def rows_of(load: Any, kind: str) -> RowFile:
    found = read_rows(load.folder.rows / f"load-0-{kind}.rows")
    assert found.complete
    assert found.writer == f"load-0-{kind}"
    return found


@pytest.fixture(scope="module")
def played(make_load: Any, bare_region: Bare, patient: str) -> Any:
    """One run of two stories, played to its end."""
    load = make_load(patient)
    bare_region(load.folder)
    load.start("mobile_banking", "kv_reads")
    load.until_ready()
    assert not list(load.folder.rows.iterdir())  # nothing is recorded before there is a zero
    load.fix_zero()
    assert load.wait() == 0, load.log()
    return load


def test_every_operation_of_the_plan_is_started_when_the_plan_says(played: Any) -> None:
    schedule = played.plan.schedule()
    rows = np.sort(rows_of(played, "operation").rows, order="op")
    assert np.array_equal(rows["op"], schedule.op)
    assert np.array_equal(rows["story"], schedule.story)
    assert np.array_equal(rows["intended_ns"], np.round(schedule.intended_s * 1e9).astype(np.int64))
    assert (rows["started_ns"] >= rows["intended_ns"]).all()


def test_one_pacer_plays_both_stories(played: Any) -> None:
    found = rows_of(played, "operation")
    assert found.names == {
        "story": ["mobile_banking", "kv_reads"], "app": ["dns", "kv", "mobile_banking"], "worker": ["load-0"],
    }  # fmt: skip
    assert {(int(row["story"]), int(row["app"])) for row in found.rows} == {(0, 2), (1, 1)}


def test_attempts_in_rows_statistics_and_summary_are_the_same(played: Any) -> None:
    attempts = rows_of(played, "attempt").rows
    operations = rows_of(played, "operation").rows
    assert set(attempts["layer"]) == {0}
    assert len(set(attempts["attempt"].tolist())) == attempts.size
    assert operations["attempts"].sum() == attempts.size  # all of them left: the region was up
    assert played.summary()["attempts"] == attempts.size
    aggregated = next(line for line in played.log().splitlines() if "Aggregated" in line and "%" in line)
    assert int(aggregated.split()[1]) == attempts.size


def test_the_summary_accounts_for_every_operation(played: Any) -> None:
    summary = played.summary()
    planned = played.plan.schedule().op.size
    assert summary["scheduled"] == planned
    assert summary["scheduled"] == summary["started"] + summary["dropped"]
    assert sum(summary["outcomes"].values()) == planned
    assert (summary["unfinished"], summary["errors"], summary["waited_for_slot"]) == (0, 0, 0)
    assert 0 < summary["lag_p50_s"] <= summary["lag_p99_s"] <= summary["lag_max_s"]
    assert summary["resolver"]["resolver_queries_total"] >= 2


def test_gauges_are_read_four_times_a_second(played: Any) -> None:
    found = rows_of(played, "gauge")
    assert found.names["component"] == ["load"]
    wanted = {"in_flight", "waiting_orbit", "waiting_slot", "started", "late", "dropped"}
    assert wanted <= set(found.names["gauge"])
    read_s = np.unique(found.rows["t_ns"]) * 1e-9
    woken_s = played.summary()["lag_max_s"] + EVERY_S  # how late this process woke for anything else, and how often
    assert np.diff(read_s[read_s < played.plan.load_end_s]).max() <= PERIOD_S + woken_s
    assert read_s[-1] >= played.plan.schedule().intended_s[-1]
    started = found.rows[found.rows["gauge"] == found.names["gauge"].index("started")]
    assert (np.diff(started["value"]) >= 0).all()
    assert started["value"][-1] == played.summary()["started"]


def test_an_outage_is_no_reason_to_exit_with_a_failure(make_load: Any) -> None:
    load = make_load()  # nobody answers: not even the DNS
    load.start("kv_reads", "mobile_banking")
    load.until_ready()
    load.fix_zero()
    assert load.wait() == 0, load.log()
    summary = load.summary()
    assert summary["outcomes"]["failed"] == summary["scheduled"] == load.plan.schedule().op.size
    assert set(summary["causes"]) == {"dns_failed"}
    assert set(rows_of(load, "operation").rows["attempts"]) == {0}


@pytest.fixture(scope="module")
def interrupted(make_load: Any, patient: str) -> dict[str, Any]:
    """Two runs with operations open, one told to end by a signal and one by the end of its standard input."""
    loads = {"sigterm": make_load(patient), "parent": make_load(patient)}
    for load in loads.values():
        load.start("kv_reads", "mobile_banking")
    for load in loads.values():
        load.until_ready()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:  # a DNS that never answers: everything waits
        silent.bind((f"127.{loads['sigterm'].folder.read_json(loads['sigterm'].folder.region)['net']}.0.2", 7953))
        for load in loads.values():
            load.fix_zero(0.0)
        for load in loads.values():
            path = load.folder.rows / "load-0-gauge.rows"
            while not path.exists() or not (read_rows(path).rows["value"] > 20).any():
                assert load.process.poll() is None, load.log()
        loads["sigterm"].process.send_signal(signal.SIGTERM)
        loads["parent"].process.stdin.close()
        for load in loads.values():
            load.wait()
    return loads


@pytest.mark.parametrize(("way", "status"), [("sigterm", 0), ("parent", 143)])
def test_a_run_that_is_cut_accounts_for_what_was_open(interrupted: dict[str, Any], way: str, status: int) -> None:
    load = interrupted[way]
    assert load.process.returncode == status, load.log()
    rows = rows_of(load, "operation").rows
    summary = load.summary()
    open_ = rows[rows["outcome"] == Outcome.UNFINISHED]
    assert summary["unfinished"] == open_.size > 0
    assert set(open_["finished_ns"]) == {-1}
    assert summary["scheduled"] == rows.size == summary["started"] + summary["dropped"]
    assert rows.size < load.plan.schedule().op.size
    rows_of(load, "attempt")
    rows_of(load, "gauge")


def test_bad_input_ends_with_its_message_and_code_before_any_load(make_load: Any, tmp_path: Path) -> None:
    absent, abroad, nowhere = make_load(), make_load(), make_load()
    absent.start("kv_reads")
    region = abroad.folder.read_json(abroad.folder.region)
    region["components"]["kv"]["addresses"] = ["192.0.2.7"]
    abroad.folder.write_json(abroad.folder.region, region)
    abroad.start("kv_reads", "mobile_banking")
    nowhere.start("kv_reads", environ={}, cwd=tmp_path)
    assert (absent.wait(), abroad.wait(), nowhere.wait()) == (2, 2, 4)
    assert "load has mobile_banking, but no locustfile given plays it; start Locust with -f" in absent.log()
    assert "kv: its address is 192.0.2.7, which is not on loopback" in abroad.log()
    assert "no region is being served (none was ever served here); start one with `blackstart serve" in nowhere.log()
    for load in (absent, abroad, nowhere):
        assert "Traceback" not in load.log()
        assert not list(load.folder.rows.iterdir())


def test_a_served_region_is_found_and_loaded_until_stopped(make_load: Any, bare_region: Bare, tmp_path: Path) -> None:
    load = make_load(root=tmp_path / "runs" / "serve")
    served = tmp_path / "runs" / "serve" / "alone"
    served.rename(tmp_path / "runs" / "moved")
    (tmp_path / "runs" / "serve").rmdir()
    (tmp_path / "runs" / "moved").rename(tmp_path / "runs" / "serve")
    load.folder = RunFolder(next((tmp_path / "runs" / "serve").iterdir()))
    load.fix_zero(-5.0)  # the region has been up for a while
    net = load.folder.read_json(load.folder.region)["net"]
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as lock:
        lock.bind((f"127.{net}.0.1", 7999))
        bare_region(load.folder)
        load.start("mobile_banking", "kv_reads", environ={}, cwd=tmp_path)
        path = load.folder.rows / "load-0-gauge.rows"
        planned = load.plan.schedule().op.size
        while not path.exists() or not (read_rows(path).rows["value"] > planned).any():  # into the second round
            assert load.process.poll() is None, load.log()
        load.process.send_signal(signal.SIGTERM)
        assert load.wait() == 0
    rows = rows_of(load, "operation").rows
    assert len(set(rows["op"].tolist())) == rows.size > planned
    assert rows["op"].min() > 1 << 40  # no id of the plan itself: a repeated id would be a repeated payment
    assert rows["intended_ns"].min() > 5_000_000_000
