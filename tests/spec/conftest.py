"""A small correct experiment, and a way to spoil one line of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.errors import SpecError
from harness.spec import ExperimentFile, parse_experiment

TEXT = """\
title: A store turns slow
description: Does it come back?
seed: 7
region:
  kv: {slots: 4, service: {mean: 25ms, distribution: fixed}}
client: {deadline: 800ms, timeout: 200ms, attempts: 4, backoff: none}
load:
  mobile_banking: {arrivals: {rate: 50/s, process: poisson}, users: 100}
phases: {warm_up: 1s, baseline: 6s, outage: 2s, recovery: 20s, drain: 3s}
timeline:
  - {at: outage.start, do: kv.latency, with: {mean: 100ms}}
  - {at: outage.end, do: kv.heal, with: {fault: latency}, fix: true}
steady_state: {goodput: ">= 95% of due", for: 3s}
variants:
  plain: {}
  budget: {client: {retry_budget: {ratio: 0.1, burst: 100}, backoff: {kind: exponential, base: 50ms}}}
stop_when: {orchestrator_cpu: "> 95% for 10s"}
expect:
  - {variant: budget, measure: time_to_recover, is: "<= 15s"}
  - {compare: [budget, plain], measure: recovered, is: better}
"""


@pytest.fixture
def text() -> str:
    """The experiment as written."""
    return TEXT


@pytest.fixture
def spoilt() -> Callable[..., str]:
    """`spoilt(old, new)`: the complaints about the experiment with `old` replaced once by `new`."""

    def complaints(old: str, new: str) -> str:
        assert TEXT.count(old) >= 1, old
        with pytest.raises(SpecError) as caught:
            parse_experiment(TEXT.replace(old, new, 1), "slow")
        return str(caught.value)

    return complaints


@pytest.fixture
def place() -> Callable[[str, str, str], str]:
    """`place(old, new, culprit)`: line:column of `culprit` in the experiment with `old` replaced once by `new`."""

    def found(old: str, new: str, culprit: str) -> str:
        text = TEXT.replace(old, new, 1)
        at = text.index(culprit, text.rfind("\n", 0, text.index(new)) + 1)
        line = text.count("\n", 0, at) + 1
        return f"{line}:{at - (text.rfind(chr(10), 0, at) + 1) + 1}"

    return found


@pytest.fixture
def changed() -> Callable[..., ExperimentFile]:
    """`changed(old, new)`: the experiment with `old` replaced once by `new`, which must be correct."""

    def file(old: str = "", new: str = "") -> ExperimentFile:
        assert old in TEXT, old
        return parse_experiment(TEXT.replace(old, new, 1) if old else TEXT, "slow")

    return file
