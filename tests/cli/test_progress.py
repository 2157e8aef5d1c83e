"""What is shown while a run runs, without a terminal."""

from __future__ import annotations

import io
from pathlib import Path

from harness.cli.progress import ProgressLine, Watcher
from harness.live.events import Began, Edge, Ending, PhaseBegan, Probed, Starting, Tick
from harness.plan import Plan, make_plan
from harness.record.layouts import Outcome
from harness.record.region import lay_out
from harness.record.rows import RowWriter
from harness.spec import parse_experiment


def plan() -> Plan:
    text = """
title: t
load: {kv_reads: {arrivals: {rate: 20/s, process: even}}}
timeline:
  - {at: outage.start, do: kv.latency, with: {factor: 2, for: 1s}}
  - {at: outage.end, do: dns.restore, fix: true}
"""
    return make_plan(parse_experiment(text), "base", 1)


def write_load(rows: Path, until_s: float) -> None:
    """20 operations a second, each good after 10 ms and two attempts."""
    rows.mkdir()
    with (
        RowWriter(rows / "load-0-operation.rows", "operation", "load-0", 0) as operations,
        RowWriter(rows / "load-0-attempt.rows", "attempt", "load-0-attempt", 0, {"target": ["kv"]}) as attempts,
    ):
        for number in range(round(20 * until_s)):
            at_ns = number * 50_000_000
            operations.add(number + 1, 0, 0, 0, at_ns, at_ns, at_ns + 10_000_000, -1, Outcome.GOOD, 2)
            for n in range(2):
                attempts.add(number + 1, 0, 0, 2 * number + n + 1, n, 0, at_ns, at_ns + 5_000_000, 0, 200, 0)


def test_the_moving_numbers_are_those_of_the_rows(tmp_path: Path) -> None:
    write_load(tmp_path / "rows", 5.0)
    watcher = Watcher(plan())
    watcher.follow(tmp_path)
    now = watcher.look(Tick(4.0, {("kv", "waiting_queue"): 3.0, ("app", "waiting_outbox"): 4.0, ("kv", "slots"): 5.0}))
    assert (now.t_s, now.offered_per_s, now.goodput_per_s, now.attempts_per_s, now.amplification, now.waiting) == (
        3.5, 20.0, 20.0, 40.0, 2.0, 7.0,
    )  # fmt: skip


def test_without_a_terminal_every_event_is_a_line(tmp_path: Path) -> None:
    write_load(tmp_path / "rows", 6.0)
    out = io.StringIO()
    with ProgressLine(plan(), "x / base, seed 1", out) as line:
        for event in (
            Starting(tmp_path, lay_out(42, {"kv": 1}), ("kv", "load")),
            Began(1.0),
            PhaseBegan("warm_up", 0.0, 2.0),
            Probed(0.25, True, "answered 200"),
            Tick(5.0, {("kv", "waiting_queue"): 2.0}),
            Tick(5.25, {}),
            Edge(10.0, "kv.latency", False),
            Edge(22.0, "dns.restore", True),
            Ending("the plan is done"),
        ):
            line.emit(event)
    assert out.getvalue() == (
        "x / base, seed 1: starting kv, load in 127.42.0.0/16\n"
        "everything is ready\n"
        "   0.00 s  warm_up (2 s)\n"
        "   0.25 s  outside probe answered: answered 200\n"
        "   5.00 s  warm_up  offered   20/s good   20/s attempts   40/s (2.00x) waiting 2\n"
        "  10.00 s  kv.latency\n"
        "  22.00 s  dns.restore  <- fix\n"
        "ending: the plan is done\n"
    )
