"""Plain and compiled are one rule: every scalar step, run by Python and by numba, agrees bit for bit.

Each slot has a loop that feeds a tape of questions to the steps. The loop is run twice, once with the plain functions
and once with the same functions compiled, over tapes that hypothesis looks for corners in and over a long random one.
Decisions, waits and final states are compared as bytes: 0.1 + 0.2 and 0.3 would differ.
"""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numba import njit

from harness.policies import catalogue, hedging, hints
from harness.policies.entry import make, steps_of

Jit = Callable[[Any], Any]
NEEDED = {  # a value for each parameter that has no default
    "fixed": {"delay": 0.3, "jitter": "equal"},
    "pace": {"rate": 7.0, "burst": 3},
    "delayed": {"delay": 0.05, "copies": 3},
}
MORE: dict[str, list[dict[str, Any]]] = {  # settings that take another branch than the defaults
    "exponential": [{"jitter": j} for j in ("none", "full", "equal", "decorrelated", "spread")],
    "botocore_legacy": [{"dynamodb": True}, {"dynamodb": False}],
    "botocore_standard": [{"dynamodb": True}],
    "sre": [{"k": 1.5, "window": 10.0, "bucket": 1.0}],
    "envoy_admission": [{"aggression": 2.5, "min_rate": 0.5, "window": 10.0, "bucket": 1.0}],
    "nack_filter": [{"window": 1.0, "min_rate": 2.0}],
    "resilience4j": [{"window": 70, "min_calls": 10, "open_for": 1.0, "probes": 3}],
    "hystrix": [{"min_calls": 5, "open_for": 0.5, "probes": 2}],
    "passive_ejection": [{"window": 1.0, "first": 0.5, "cap": 4.0}],
    "finagle": [{"min_rate": 0.0}],
}


def plain(function: Any) -> Any:
    return function


def loops(slot: str, steps: Any, jit: Jit) -> Any:
    """The loop of a slot over a tape: times, what, draws, flags -> decisions and the final state."""
    if slot == "backoff":
        delay_s = jit(steps.delay_s)

        def waits(spec: Any, state: Any, now: Any, what: Any, draw: Any, flag: Any, out: Any) -> Any:
            prev_s = 0.0
            for k in range(now.size):
                if what[k] == 0:
                    prev_s = 0.0
                prev_s = delay_s(spec, 1 + what[k], prev_s, draw[k], flag[k])
                out[k] = prev_s
            return state

        return jit(waits)
    if slot == "retry_budget":
        on_first, take = jit(steps.on_first), jit(steps.take)
        on_result, on_cancel = jit(steps.on_result), jit(steps.on_cancel)

        def budget(spec: Any, state: Any, now: Any, what: Any, draw: Any, flag: Any, out: Any) -> Any:
            for k in range(now.size):
                if what[k] < 3:
                    state = on_first(spec, state, now[k])
                elif what[k] < 6:
                    state, yes = take(spec, state, now[k], flag[k], draw[k] < 0.3)
                    out[k] = 1.0 if yes else -1.0
                elif what[k] < 9:
                    state = on_result(spec, state, now[k], what[k] - 6, draw[k] < 0.5, flag[k], draw[k] > 0.7)
                else:
                    state = on_cancel(spec, state, now[k], 1, flag[k])
            return state

        return jit(budget)
    if slot == "breaker":
        may_send, on_result = jit(steps.may_send), jit(steps.on_result)

        def breaker(spec: Any, state: Any, now: Any, what: Any, draw: Any, flag: Any, out: Any) -> Any:
            for k in range(now.size):
                state, yes = may_send(spec, state, now[k])
                out[k] = 1.0 if yes else -1.0
                if yes and what[k] > 0:
                    state = on_result(spec, state, now[k], draw[k] < 0.5)
            return state

        return jit(breaker)
    admit, on_result = jit(steps.admit), jit(steps.on_result)

    def limiter(spec: Any, state: Any, now: Any, what: Any, draw: Any, flag: Any, out: Any) -> Any:
        for k in range(now.size):
            state, out[k] = admit(spec, state, now[k], draw[k])
            if what[k] < 4:  # a good time and a bad one by turns, each long enough for every average to follow
                good = flag[k] and (what[k] == 3 or (k // 20_000) % 2 == 0)
                state = on_result(spec, state, now[k], good, not good and what[k] < 3)
        return state

    return jit(limiter)


def bits(value: Any) -> Any:
    """A state as something to compare bit for bit, floats as their bytes."""
    if isinstance(value, tuple):
        return tuple(bits(part) for part in value)
    if isinstance(value, float):
        return struct.pack("<d", value)
    return int(value)


@cache
def pair(slot: str, module: str) -> tuple[Any, Any]:
    steps = __import__(module, fromlist=["steps"])
    return loops(slot, steps, plain), loops(slot, steps, njit)


def agree(slot: str, spec: Any, tape: tuple[np.ndarray, ...]) -> np.ndarray:
    steps = steps_of(spec)
    slow, fast = pair(slot, steps.__name__)
    state = steps.start(spec, float(tape[0][0])) if hasattr(steps, "start") else 0
    answers = [np.zeros(tape[0].size), np.zeros(tape[0].size)]
    lists = tuple(column.tolist() for column in tape[1:])

    class Sized(list):  # type: ignore[type-arg]  # a list is quicker for the plain loop, but it asks for .size
        size = tape[0].size

    ends = [
        slow(spec, state, Sized(tape[0].tolist()), *lists, answers[0]),
        fast(spec, state, *tape, answers[1]),
    ]
    assert answers[0].tobytes() == answers[1].tobytes()
    assert bits(ends[0]) == bits(ends[1])
    return answers[0]


def random_tape(size: int, seed: str) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(random.Random(seed).getrandbits(64))
    gaps = rng.exponential(0.02, size) * np.where(rng.random(size) < 0.001, 500.0, 1.0)  # mostly busy, some long rests
    return np.cumsum(gaps), rng.integers(0, 10, size), rng.random(size), rng.random(size) < 0.5


SPECS = [
    pytest.param(entry.slot, make(entry, {**NEEDED.get(entry.kind, {}), **params}), id=f"{entry.kind}-{k}")
    for slot in ("backoff", "retry_budget", "breaker", "limiter")
    for entry in catalogue.entries("client", slot)
    for k, params in enumerate(({}, *MORE.get(entry.kind, [])))
]
ONE_EACH = [  # one spec of each module, for hypothesis: what compiles is the module's steps
    next(param for param in SPECS if steps_of(param.values[1]).__name__ == name)
    for name in dict.fromkeys(steps_of(param.values[1]).__name__ for param in SPECS)
]
MOMENTS = st.lists(
    st.tuples(st.floats(0.0, 50.0), st.integers(0, 9), st.floats(0.0, 1.0), st.booleans()), min_size=1, max_size=60
)


@pytest.mark.parametrize(("slot", "spec"), SPECS)
def test_plain_and_compiled_agree_on_a_random_tape(slot: str, spec: Any) -> None:
    answers = agree(slot, spec, random_tape(3000, repr(spec)))
    assert np.isfinite(answers).all()


@pytest.mark.parametrize(("slot", "spec"), ONE_EACH)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(moments=MOMENTS, start_s=st.floats(-5.0, 1e5))
def test_plain_and_compiled_agree_in_the_corners(
    slot: str, spec: Any, moments: list[tuple[float, int, float, bool]], start_s: float
) -> None:
    gaps, what, draws, flags = (np.array(column) for column in zip(*moments, strict=True))
    agree(slot, spec, (start_s + np.cumsum(gaps), what, draws, flags))


@pytest.mark.long
@pytest.mark.parametrize(("slot", "spec"), SPECS)
def test_plain_and_compiled_agree_on_a_million_steps(slot: str, spec: Any) -> None:
    answers = agree(slot, spec, random_tape(1_000_000, f"long {spec!r}"))
    assert np.unique(answers).size > 1 or slot == "backoff"  # the tape made the policy say both yes and no


def hint_loop(delay_s: Any) -> Any:
    def loop(spec: Any, own: Any, hint: Any, out: Any) -> None:
        for k in range(own.size):
            out[k] = delay_s(spec, own[k], hint[k])

    return loop


@pytest.mark.parametrize("kind", ["retry_after", "grpc_pushback", "amz_retry_after"])
def test_hints_agree_plain_and_compiled(kind: str) -> None:
    spec = make(catalogue.find("client", "hints", kind), {})
    rng = np.random.default_rng(7)
    own, hint = rng.exponential(1.0, 5000), rng.normal(2.0, 5.0, 5000)
    hint[::7] = math.nan
    slow, fast = np.zeros(5000), np.zeros(5000)
    hint_loop(hints.delay_s)(spec, own, hint, slow)
    njit(hint_loop(njit(hints.delay_s)))(spec, own, hint, fast)
    assert slow.tobytes() == fast.tobytes()


def hedge_loop(extra_copies: Any, copies_sent: Any) -> Any:
    def loop(spec: Any, left: Any, time_s: Any, planned: Any, sent: Any) -> None:
        for k in range(left.size):
            planned[k] = extra_copies(spec, left[k], time_s[k])
            sent[k] = copies_sent(spec, planned[k], time_s[k])

    return loop


def test_hedges_agree_plain_and_compiled() -> None:
    spec = make(catalogue.find("client", "hedge", "delayed"), NEEDED["delayed"])
    rng = np.random.default_rng(7)
    left, time_s = rng.integers(1, 6, 2000), rng.exponential(0.1, 2000)
    got = [np.zeros(2000, np.int64) for _ in range(4)]
    hedge_loop(hedging.extra_copies, hedging.copies_sent)(spec, left, time_s, got[0], got[1])
    compiled = hedge_loop(njit(hedging.extra_copies), njit(hedging.copies_sent))
    njit(compiled)(spec, left, time_s, got[2], got[3])
    assert (got[0] == got[2]).all()
    assert (got[1] == got[3]).all()
