"""What makes a record worthless is said in words, each with what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.analyse import analyse
from harness.flows.wants import Cause, Result
from harness.plan import make_plan
from harness.record.folder import RunFolder
from harness.record.journal import Journal
from harness.record.layouts import Outcome
from harness.record.rows import RowWriter
from harness.spec import parse_experiment

ZERO_NS = 1_000_000_000
REMEDIES = ("run it again", "lower the rate", "lengthen", "raise the rate", "give one timeline entry", "run again")
EXPERIMENT = """
title: short
region: {{preset: small, mobile_banking: null}}
client: {{deadline: 1s, timeout: 400ms, attempts: 1}}
load: {{kv_reads: {{arrivals: {{rate: 300/s, process: even}}}}}}
phases: {{warm_up: 1s, baseline: {baseline}, outage: 1s, recovery: 8s, drain: 1s}}
timeline:
  - {{at: outage.start, do: kv.latency, with: {{mean: 100ms}}}}
  - {{at: outage.end, do: kv.heal, with: {{fault: latency}}, fix: true}}
"""


class Made:
    """A healthy run of one short experiment, with one thing spoilt."""

    def __init__(self, root: Path, baseline: str = "1s") -> None:
        plan = make_plan(parse_experiment(EXPERIMENT.format(baseline=baseline), "short"), "base", 1).at_zero(ZERO_NS)
        self.plan = plan
        self.folder = RunFolder.create(root, "short", "base", 1, "t")
        self.folder.write_json(self.folder.plan, plan.to_json())
        self.gauges: dict[tuple[str, str], float] = {("host", "steal_share"): 0.0, ("kv", "loop_lag_s"): 0.001}
        self.bad: list[tuple[float, float]] = []  # due in these: refused at once
        self.late_s = 0.0
        self.dropped = 0
        self.rows_missing = 0
        self.outage = plan.phase("outage")
        self.fixed = True

    def measures(self) -> Any:
        journal = Journal(self.folder.journal, "orchestrator")
        journal.write(self.outage.start_s, "inject", id="e1", what="kv.latency")
        if self.fixed:
            journal.write(self.outage.end_s, "fix", id="e2", what="kv.heal")
        journal.close()
        components = sorted({component for component, _ in self.gauges})
        names = {"component": components, "gauge": [gauge for _, gauge in self.gauges]}
        with RowWriter(self.folder.gauges, "gauge", "orchestrator", ZERO_NS, names) as gauges:
            for t_s in np.arange(0.1, self.plan.end_s, 0.25).tolist():
                for number, ((component, _), value) in enumerate(self.gauges.items()):
                    gauges.add(round(t_s * 1e9), components.index(component), number, value)
        self._rows()
        return analyse(self.folder)

    def _rows(self) -> None:
        schedule = self.plan.schedule()
        names = {"story": ["kv_reads"], "app": ["kv"], "worker": ["0"]}
        rows = self.folder.rows
        with (
            RowWriter(rows / "load-0-operation.rows", "operation", "load-0", ZERO_NS, names) as operations,
            RowWriter(rows / "load-0-attempt.rows", "attempt", "load-0", ZERO_NS, {"target": ["kv"]}) as attempts,
        ):
            for op, due_s in zip(schedule.op.tolist(), schedule.intended_s.tolist(), strict=True):
                due = round(due_s * 1e9)
                if op <= self.rows_missing:
                    continue
                if op <= self.dropped:
                    operations.add(op, 0, 0, 0, due, -1, -1, due + 10**9, Outcome.DROPPED, 0)
                    continue
                start = due + round(self.late_s * 1e9)
                refused = any(start_s <= due_s < end_s for start_s, end_s in self.bad)
                result = Result.REFUSED if refused else Result.OK
                outcome = Outcome.THROTTLED if refused else Outcome.GOOD
                cause = Cause.THROTTLED if refused else Cause.NONE
                attempts.add(op, 0, 0, op, 0, 0, start, start + 2_000_000, result, 503 if refused else 200, cause)
                operations.add(op, 0, 0, 0, due, start, start + 2_000_000, due + 10**9, outcome, 1)


def reasons(made: Made) -> list[str]:
    measures = made.measures()
    found: list[str] = measures["validity"]["reasons"]
    assert (measures["verdict"] == "invalid") == bool(found), "validity is decided before the verdict"
    return found


def test_a_healthy_record_has_no_reason_against_it(tmp_path: Path) -> None:
    assert reasons(Made(tmp_path)) == []


@pytest.mark.parametrize("baseline", ["1s", "500ms", "4s"])
def test_a_sick_baseline_is_seen_however_short_it_is(tmp_path: Path, baseline: str) -> None:
    made = Made(tmp_path, baseline)
    phase = made.plan.phase("baseline")
    made.bad = [(phase.start_s, phase.start_s + 0.1 * (phase.end_s - phase.start_s))]
    (reason,) = reasons(made)
    assert "of what was due in the baseline was good, at least 99% is needed" in reason


def test_what_a_fault_met_under_way_is_not_held_against_a_short_baseline(tmp_path: Path) -> None:
    made = Made(tmp_path)
    made.bad = [(made.outage.start_s, made.outage.end_s)]
    assert reasons(made) == []


def _spoilt(made: Made, what: str) -> None:
    match what:
        case "steal":
            made.gauges["host", "steal_share"] = 0.06
        case "lag":
            made.gauges["kv", "loop_lag_s"] = 0.026
        case "late":
            made.late_s = 0.011
        case "dropped":
            made.dropped = 1
        case "missing":
            made.rows_missing = 1
        case "core":
            made.gauges["kv", "cpu_share"] = 0.81
            made.bad = [(made.outage.start_s, made.plan.load_end_s)]
        case "unfixed":
            made.fixed = False
        case _:
            raise AssertionError(what)


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("steal", "other guests of this machine's host took 6% of its processor time, at most 5% is allowed"),
        ("lag", "kv: event loop lag p99 26 ms, at most 25 ms is allowed"),
        ("late", "the load generator started operations late: lag p99 11 ms, at most 10 ms is allowed"),
        ("dropped", "the load generator dropped 1 operations it had no room to start"),
        ("missing", "1 of 3300 scheduled operations have no row"),
        ("core", "kv: used 81% of a core while not steady, at most 80% is allowed"),
        ("unfixed", "a fault was injected and never fixed"),
    ],
)
def test_every_reason_says_what_was_found_and_what_to_do(tmp_path: Path, what: str, told: str) -> None:
    made = Made(tmp_path)
    _spoilt(made, what)
    found = reasons(made)
    assert told in found[0]
    assert all(any(remedy in reason for remedy in REMEDIES) for reason in found), found


def test_a_little_steal_and_lag_are_every_machines(tmp_path: Path) -> None:
    made = Made(tmp_path)
    made.gauges["host", "steal_share"] = 0.05
    made.gauges["kv", "loop_lag_s"] = 0.025
    made.late_s = 0.009
    assert reasons(made) == []
