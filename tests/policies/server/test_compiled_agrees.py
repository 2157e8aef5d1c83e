"""Plain and compiled steps decide alike, bit for bit: same source, two speeds, one behaviour.

Each case is a policy with its steps; a jitted loop and a plain loop walk the same random life of a server. Compared are
every decision and every number of the final state, which in a feedback law remembers any difference made on the way.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numba import njit

from harness.policies import priority
from harness.policies.catalogue import entries
from harness.policies.server import admission_steps, compose, drop_steps

PARAMS: dict[str, dict[str, Any]] = {
    "queue": {"limit": 20},
    "concurrency": {"limit": 16, "queue": 4},
    "token_bucket": {"rate": 90.0, "burst": 5},
    "aimd": {"timeout": 0.2, "lowest": 2},
    "vegas": {"probe": 3.0},
    "gradient2": {"window": 50, "lowest": 5},
    "envoy_gradient": {"lowest": 6, "probe_every": 2.0, "update": 0.05, "probe_results": 12},
    "seda": {"target": 0.2, "results": 20, "every": 0.3},
    "breakwater": {"target": 0.1, "clients": 50},
    "backlog_rate": {"rate": 120.0, "high": 30},
    "ramp": {"every": 0.5, "errors": 0.3},
    "expired": {},
    "deadline": {"reserve": 0.02},
    "codel": {},
    "folly_codel": {},
    "facebook_codel": {},
}
ADMISSIONS = [entry.kind for entry in entries("server", "admission")]
DROPS = [entry.kind for entry in entries("server", "drop")]


def compiled(step: Callable[..., Any]) -> Callable[..., Any]:
    """`njit(step)`, with the few functions of ours that it calls compiled first."""
    scope = {
        name: compiled(value) if isinstance(value, types.FunctionType) else value
        for name, value in step.__globals__.items()
        if name in step.__code__.co_names
    }
    return njit(types.FunctionType(step.__code__, scope | {"__builtins__": __builtins__}, step.__name__))


def life(steps: int, seed: int) -> tuple[np.ndarray, ...]:
    """Random facts of a server that is calm and congested by turns; times in seconds."""
    rng = np.random.default_rng(seed)
    heat = np.repeat(rng.choice([0.02, 0.3, 1.0, 6.0], steps // 50 + 1), 50)[:steps]
    now = np.cumsum(rng.exponential(0.01, steps))
    queued = (heat * rng.integers(0, 12, steps)).astype(np.int64)
    wait = np.where(queued > 0, heat * rng.exponential(0.05, steps), 0.0)
    service = rng.exponential(0.02, steps)
    remaining = rng.normal(0.5, 0.5, steps)
    return now, queued, wait, service, remaining, rng.random(steps), rng.random(steps) < 0.1


def admission_loop(admit: Callable[..., Any], on_done: Callable[..., Any], learns: bool) -> Callable[..., Any]:
    def loop(spec, state, now, queued, wait, service, remaining, u, dropped, let_in):
        for i in range(now.size):
            state, let_in[i] = admit(spec, state, now[i], 4, queued[i], wait[i], u[i])
            if learns and let_in[i]:
                state = on_done(spec, state, now[i], wait[i], service[i], 5 + queued[i], dropped[i])
        return state

    return loop


def drop_loop(on_dequeue: Callable[..., Any], on_enqueue: Callable[..., Any], joins: bool) -> Callable[..., Any]:
    def loop(spec, state, now, queued, wait, service, remaining, u, dropped, answers):
        for i in range(now.size):
            if joins:
                state = on_enqueue(spec, state, now[i], queued[i])
            state, answers[i] = on_dequeue(spec, state, now[i], wait[i], remaining[i], service[i], queued[i])
        return state

    return loop


def both(slot: str, kind: str, steps: int, seed: int) -> None:
    spec = getattr(compose({slot: (kind, PARAMS[kind])}), slot)
    if slot == "admission":
        policy: Any = admission_steps(spec)
        learns = policy.on_done is not None
        used = (policy.admit, policy.on_done if learns else policy.admit)
        make: Any = admission_loop
    else:
        policy = drop_steps(spec)
        learns = policy.on_enqueue is not None
        used = (policy.on_dequeue, policy.on_enqueue if learns else policy.on_dequeue)
        make = drop_loop
    fast = njit(make(*(compiled(step) for step in used), learns))
    facts = life(steps, seed)
    plain_answers, fast_answers = np.zeros(steps, np.bool_), np.zeros(steps, np.bool_)
    plain_facts = [column.tolist() for column in facts]
    plain_state = make(*used, learns)(
        spec, policy.start(spec, 0.0), _Sized(plain_facts[0]), *plain_facts[1:], plain_answers
    )
    fast_state = fast(spec, policy.start(spec, 0.0), *facts, fast_answers)
    assert (plain_answers == fast_answers).all()
    assert plain_state == fast_state  # tuples of numbers: equality of every bit
    assert plain_answers.any(), "a life in which everybody gets the same answer compares nothing"
    assert not plain_answers.all()


class _Sized(list):
    """A list that says its size as an array does, so that one loop serves both."""

    @property
    def size(self) -> int:
        return len(self)


@pytest.mark.parametrize("kind", ADMISSIONS)
def test_plain_and_compiled_admission_agree(kind: str) -> None:
    both("admission", kind, 3_000, 1)


@pytest.mark.parametrize("kind", DROPS)
def test_plain_and_compiled_drop_agree(kind: str) -> None:
    both("drop", kind, 3_000, 1)


@pytest.mark.long
@pytest.mark.parametrize("kind", ADMISSIONS)
def test_plain_and_compiled_admission_agree_on_a_million_steps(kind: str) -> None:
    both("admission", kind, 1_000_000, 2)


@pytest.mark.long
@pytest.mark.parametrize("kind", DROPS)
def test_plain_and_compiled_drop_agree_on_a_million_steps(kind: str) -> None:
    both("drop", kind, 1_000_000, 2)


def test_plain_and_compiled_priorities_agree() -> None:
    spec = compose({"priority": ("partitioned", {"limit": 37})}).priority
    fast = compiled(priority.partitioned_admit)
    none = priority.Stateless()
    for criticality in range(-1, 6):
        for inside in range(0, 40, 3):
            asked = (spec, none, 0.0, criticality, 7, True, inside, 1)
            assert fast(*asked) == priority.partitioned_admit(*asked)
    for rank, of in ((priority.rank_by_criticality, priority.CriticalitySpec()),
                     (priority.rank_by_try, priority.FirstTriesSpec())):
        fast_rank = compiled(rank)
        assert [fast_rank(of, c, f) for c in range(-2, 6) for f in (True, False)] == [
            rank(of, c, f) for c in range(-2, 6) for f in (True, False)
        ]
