"""The policy benchmark times what it says: every kind of the catalogue, led through its branches."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.policies.catalogue import entries

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SIZE = 1500


@pytest.fixture(scope="module")
def walks() -> Any:
    """benchmarks/support/policy_walks.py, found as the benchmarks find it."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        from support import policy_walks
    finally:
        sys.path.remove(str(BENCHMARKS))
    return policy_walks


def test_every_kind_of_the_catalogue_is_walked(walks: Any) -> None:
    walked = [(case.slot, case.kind) for case in walks.cases()]
    assert walked == [(entry.slot, entry.kind) for entry in entries()]
    assert set(walks.PARAMS) <= {f"{slot}/{kind}" for slot, kind in walked}


def test_every_step_is_called_often_enough_to_be_timed(walks: Any) -> None:
    for case in walks.cases():
        calls, _, _ = walks.record(case, SIZE)
        assert list(calls) == [step.name for step in case.steps]
        for name, arguments in calls.items():
            assert len(arguments) >= SIZE // 20, f"{case.slot}/{case.kind}.{name}"


def test_the_walk_takes_deciding_steps_through_yes_and_no(walks: Any) -> None:
    always_yes = {"envoy", "envoy_max_retries"}  # attempts open and close in step here, so there is always room
    for case in walks.cases():
        if case.steps and case.slot in ("breaker", "limiter", "admission", "drop", "retry_budget"):
            step = case.steps[0]
            calls, _, _ = walks.record(case, SIZE)
            said = {step.function(*arguments)[1] for arguments in calls[step.name]}
            assert (len(said) > 1) == (case.kind not in always_yes), f"{case.slot}/{case.kind}"


@pytest.mark.parametrize("kind", ["finagle_equal", "hystrix", "sre", "seda"])
def test_the_compiled_walk_makes_the_calls_of_the_plain_one(walks: Any, kind: str) -> None:
    case = next(case for case in walks.cases() if case.kind == kind)
    calls, answers, state = walks.record(case, SIZE)
    fast = np.zeros(SIZE)
    once = tuple(int(at < len(case.steps)) for at in range(walks.STEPS_MAX))
    gated = case.slot in walks.GATED
    end, counts = walks.walk_of(case)(case.spec, case.state, walks.tape(SIZE), SIZE, once, gated, fast)
    assert counts[: len(case.steps)] == tuple(len(arguments) for arguments in calls.values())
    assert fast.tolist() == answers
    assert end == state


def test_calling_a_step_three_times_a_moment_triples_its_calls(walks: Any) -> None:
    case = next(case for case in walks.cases() if case.kind == "retry_rate")
    walk, columns, out = walks.walk_of(case), walks.tape(SIZE + 3), np.zeros(SIZE)
    for step in range(4):
        times = tuple(3 if at == step else 1 for at in range(4))
        _, counts = walk(case.spec, case.state, columns, SIZE, times, False, out)
        assert counts == tuple(SIZE * calls for calls in times)
