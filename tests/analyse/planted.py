"""Run folders whose truth was planted: what happened is decided first, and the rows are written to say it.

Phases are fixed (warm-up 1 s, baseline 5 s, outage 2 s, then recovery), so the fault is at 6 s and the fix at 8 s. One
story sends one request per operation to `kv`. Everything is a function of the truth: which operations are refused,
how many attempts each takes, how long each waits in the queue, and how much work waits when.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from harness.flows.wants import Cause, Result
from harness.plan import Plan, make_plan
from harness.record.folder import RunFolder
from harness.record.journal import Journal
from harness.record.layouts import Outcome
from harness.record.rows import RowWriter
from harness.spec import ExperimentFile, parse_experiment

FAULT_S, FIX_S = 6.0, 8.0
ZERO_NS = 1_000_000_000_000
SERVICE_MEAN_S = 0.020
_YAML = """
title: planted
region:
  preset: small
  kv: {{instances: 1, slots: {slots}, service: {{mean: 20ms, distribution: exponential}}}}
  mobile_banking: null
client: {{deadline: 1500ms, timeout: 500ms, attempts: 4, backoff: none}}
load: {{kv_reads: {{arrivals: {{rate: {rate}/s, process: {process}}}}}}}
phases: {{warm_up: 1s, baseline: 5s, outage: 2s, recovery: {recovery}s, drain: 1s}}
timeline:
  - {{at: outage.start, do: kv.latency, with: {{mean: 100ms}}}}
  - {{at: outage.end, do: kv.heal, with: {{fault: latency}}, fix: true}}
steady_state: {{for: 3s}}
variants: {{{names}}}
"""


class Truth(NamedTuple):
    """What is to be found. Spans are half-open, in seconds from the run's zero."""

    rate: float = 100.0
    process: str = "even"
    slots: int = 5
    recovery_s: float = 20.0
    seed: int = 1
    variant: str = "one"
    refused: tuple[tuple[float, float], ...] = ()  # operations due in these fail at once, with one attempt
    refused_share: float = 1.0  # of the operations in those spans
    times_out: bool = False  # they fail by timeouts instead, while kv works on them far too late
    copies: int = 1  # attempts of every good operation due after the fault
    waits: tuple[tuple[float, float, float], ...] = ()  # (start, end, queue delay) of good operations
    waiting: tuple[tuple[float, float], ...] = ()  # (time, items) joined by straight lines
    dropped: int = 0  # operations the generator never started, the last ones of the baseline
    lag_s: float = 0.0  # every start is this late
    loop_lag_s: float = 0.002
    cpu_share: float = 0.3
    queueing: bool = False  # good operations wait as in a first-come-first-served line of `slots` servers
    fault: str = "kv.latency"
    fixed: bool = True


@lru_cache(maxsize=64)
def experiment(rate: float, process: str, slots: int, recovery_s: float, names: tuple[str, ...]) -> ExperimentFile:
    """The experiment file of planted runs."""
    variants = ", ".join(f"{name}: {{}}" for name in names)
    text = _YAML.format(rate=f"{rate:g}", process=process, slots=slots, recovery=f"{recovery_s:g}", names=variants)
    return parse_experiment(text, "planted")


def plan_of(truth: Truth) -> Plan:
    """The plan of a planted run."""
    file = experiment(truth.rate, truth.process, truth.slots, truth.recovery_s, (truth.variant,))
    return make_plan(file, truth.variant, truth.seed).at_zero(ZERO_NS)


def plant(root: Path, truth: Truth) -> RunFolder:
    """Write the run folder that tells this truth."""
    folder = RunFolder.create(root, "planted", truth.variant, truth.seed, "t")
    plan = plan_of(truth)
    folder.write_json(folder.plan, plan.to_json())
    _journal(folder, truth)
    _gauges(folder, truth, plan)
    schedule = plan.schedule()
    due_ns = np.round(schedule.intended_s * 1e9).astype(np.int64)
    bad = inside(schedule.intended_s, truth.refused) & (schedule.op * 7919 % 1000 < truth.refused_share * 1000)
    wait_s = np.zeros(due_ns.size)
    for start_s, end_s, delay_s in truth.waits:
        wait_s[inside(schedule.intended_s, ((start_s, end_s),))] = delay_s
    service_s = np.clip(np.random.default_rng(truth.seed).exponential(SERVICE_MEAN_S, due_ns.size), 0.001, 0.2)
    if truth.queueing:
        wait_s = _line(schedule.intended_s, service_s, truth.slots)
    copies = np.where(schedule.intended_s >= FAULT_S, truth.copies, 1)
    before = np.flatnonzero(schedule.intended_s < FAULT_S)
    dropped = set(before[before.size - truth.dropped :].tolist())
    with (
        RowWriter(folder.rows / "load-0-operation.rows", "operation", "load-0", ZERO_NS,
                  {"story": ["kv_reads"], "app": ["kv"], "worker": ["0"]}) as operations,
        RowWriter(folder.rows / "load-0-attempt.rows", "attempt", "load-0", ZERO_NS, {"target": ["kv"]}) as attempts,
        RowWriter(folder.rows / "kv-served.rows", "served", "kv", ZERO_NS, {"component": ["kv"]}) as served,
    ):  # fmt: skip
        lag_ns = round(truth.lag_s * 1e9)
        rows = zip(
            schedule.op.tolist(),
            due_ns.tolist(),
            bad.tolist(),
            wait_s.tolist(),
            service_s.tolist(),
            copies.tolist(),
            strict=True,
        )
        for i, (op, due, is_bad, wait, service, tries) in enumerate(rows):
            deadline = due + 1_500_000_000
            if i in dropped:
                operations.add(op, 0, 0, 0, due, -1, -1, deadline, Outcome.DROPPED, 0)
                continue
            start = due + lag_ns
            if is_bad and truth.times_out:
                end = _timed_out(attempts, served, op, start, round(service * 1e9))
                operations.add(op, 0, 0, 0, due, start, end, deadline, Outcome.FAILED, 3)
            elif is_bad:
                end = _refused(attempts, served, op, 0, start)
                operations.add(op, 0, 0, 0, due, start, end, deadline, Outcome.THROTTLED, 1)
            else:
                at = start
                for n in range(tries - 1):
                    at = _refused(attempts, served, op, n, at)
                began = at + 500_000 + round(wait * 1e9)
                done = began + round(service * 1e9)
                attempts.add(op, 0, 0, op * 8 + tries - 1, tries - 1, 0, at, done + 500_000, Result.OK, 200, Cause.NONE)
                served.add(op * 8 + tries - 1, 0, at + 500_000, began, done, round(service * 1e9), 0)
                operations.add(op, 0, 0, 0, due, start, done + 500_000, deadline, Outcome.GOOD, tries)
    return folder


def inside(times_s: np.ndarray, spans: Sequence[tuple[float, float]]) -> np.ndarray:
    """Which times lie in any of the half-open spans."""
    found = np.zeros(times_s.size, dtype=bool)
    for start_s, end_s in spans:
        found |= (times_s >= start_s) & (times_s < end_s)
    return found


def _line(arrived_s: np.ndarray, service_s: np.ndarray, slots: int) -> np.ndarray:
    """Waits of a first-come-first-served line with several servers, by the times they become free."""
    free = [0.0] * slots
    waits = []
    for at, service in zip(arrived_s.tolist(), service_s.tolist(), strict=True):
        began = max(at, heapq.heappop(free))
        heapq.heappush(free, began + service)
        waits.append(began - at)
    return np.array(waits)


def _refused(attempts: RowWriter, served: RowWriter, op: int, n: int, at: int) -> int:
    """One attempt refused by a full queue, 2 ms in all."""
    attempts.add(op, 0, 0, op * 8 + n, n, 0, at, at + 2_000_000, Result.REFUSED, 503, Cause.QUEUE_FULL)
    served.add(op * 8 + n, 0, at + 500_000, -1, at + 1_000_000, 0, 0)
    return at + 2_000_000


def _timed_out(attempts: RowWriter, served: RowWriter, op: int, at: int, service: int) -> int:
    """Three attempts of 0.5 s each, worked on 0.6 s after they came."""
    for n in range(3):
        attempts.add(op, 0, 0, op * 8 + n, n, 0, at, at + 500_000_000, Result.TIMEOUT, 0, Cause.TIMEOUT)
        began = at + 600_000_000
        served.add(op * 8 + n, 0, at + 500_000, began, began + service, service, 0)
        at += 500_000_000
    return at


def _journal(folder: RunFolder, truth: Truth) -> None:
    journal = Journal(folder.journal, "orchestrator")
    journal.write(FAULT_S, "inject", id="e1", what=truth.fault)
    if truth.fixed:
        journal.write(FIX_S, "fix", id="e2", what="kv.heal")
    journal.close()


def _gauges(folder: RunFolder, truth: Truth, plan: Plan) -> None:
    points = truth.waiting or ((0.0, 0.0), (plan.end_s, 0.0))
    at, items = np.array([p[0] for p in points]), np.array([p[1] for p in points])
    names = {"component": ["kv"], "gauge": ["waiting_queue", "loop_lag_s", "cpu_share"]}
    with RowWriter(folder.gauges, "gauge", "orchestrator", ZERO_NS, names) as gauges:
        for t_s in np.arange(0.1, plan.end_s, 0.25).tolist():
            gauges.add(round(t_s * 1e9), 0, 0, float(np.interp(t_s, at, items)))
            gauges.add(round(t_s * 1e9), 0, 1, truth.loop_lag_s)
            gauges.add(round(t_s * 1e9), 0, 2, truth.cpu_share)
