"""Hands that answer from a rule instead of running anything, and a small experiment for those that do run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from harness.study.crew import Done, Job
from harness.study.engine import Told

SMALL = """\
title: A slow spell
region:
  kv: {instances: 1, slots: 4, service: {mean: 25ms, distribution: fixed}, connection: {max_age: none}}
  mobile_banking: null
client: {deadline: 800ms, timeout: 200ms, attempts: 4, backoff: none}
load: {kv_reads: {arrivals: {rate: 50/s, process: even}}}
phases: {warm_up: 0s, baseline: 4s, outage: 400ms, recovery: 8s, drain: 1s}
timeline:
  - {at: outage.start, do: kv.latency, with: {mean: 100ms}}
  - {at: outage.end, do: kv.heal, with: {fault: latency}, fix: true}
steady_state: {p99: none, for: 2s}
variants:
  naive: {}
  budget: {client: {retry_budget: {ratio: 0.1, burst: 10}}}
"""


def told(recovered: bool | None, verdict: str | None = None, ttr_s: float = 1.0) -> Told:
    """An answer as a run would give it."""
    word = verdict or {None: "invalid", True: "recovered", False: "metastable"}[recovered]
    return Told("kernel", word, recovered, ttr_s if recovered else None, 20.0, 1.5, 2.0, 10.0, 50.0, 7.0, None)


class Answering:
    """Hands that do every job at once by a rule: settings and seed in, an answer out. `done` lists what was asked."""

    def __init__(self, rule: Callable[[dict[str, object], int], Told]) -> None:
        self._rule = rule
        self.done: list[tuple[tuple[object, ...], int]] = []

    def run(self, jobs: Iterable[Job]) -> Iterator[Done]:
        for job in jobs:
            self.done += [(job.values, seed) for seed in job.seeds]
            yield Done(job, tuple(self._rule(dict(job.settings()), seed) for seed in job.seeds))
