"""Every step of every policy, and a walk through the life of a client or server that asks them all in turn.

A step timed on one fixed state shows its cheapest branch: a breaker that never opens, a window that never moves. Here a
tape of random moments (calm, busy and bad by turns, now and then a long rest) leads each policy through its states, and
what is timed are the calls of that walk.

    cases()        one `Case` per kind of the catalogue: its spec, its first state, its steps
    tape(n, seed)  the moments, as columns
    record(case)   the walk played plainly: the arguments of every call, to be replayed for timing
    walk_of(case)  the walk compiled, with how often each step is called at every moment (`times`)

Results reach a breaker, a limiter or an admission rule only for what it let through, as in a run. Parameters are the
catalogue's defaults but for PARAMS, which names what has no default and shortens what would hide most branches (a
breaker open for a minute). Waiting lines are classes with tables, and DAGOR keeps a
histogram: they have no compiled form.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from support.policy_asks import Step, steps_for

from harness.policies.catalogue import entries
from harness.policies.dagor import DagorSpec
from harness.policies.entry import make
from harness.policies.server import new_line

PARAMS: Final[dict[str, dict[str, Any]]] = {  # defaults for the rest, which may be none
    "backoff/fixed": {"delay": 0.3, "jitter": "equal"},
    "breaker/consecutive": {"open_for": 0.2},
    "breaker/resilience4j": {"open_for": 0.2},
    "breaker/hystrix": {"open_for": 0.2},
    "breaker/polly": {"open_for": 0.2},
    "breaker/resilience4j_time": {"open_for": 0.2},
    "breaker/passive_ejection": {"first": 0.1, "cap": 0.4},
    "limiter/pace": {"rate": 60.0, "burst": 3},
    "limiter/nack_filter": {"window": 1.0},
    "hedge/delayed": {"delay": 0.05, "copies": 3},
    "admission/queue": {"limit": 20},
    "admission/concurrency": {"limit": 16, "queue": 4},
    "admission/token_bucket": {"rate": 60.0, "burst": 5},
    "admission/aimd": {"timeout": 0.2, "lowest": 2},
    "admission/vegas": {"probe": 3.0},
    "admission/gradient2": {"window": 50, "lowest": 5},
    "admission/envoy_gradient": {"lowest": 6, "probe_every": 2.0, "update": 0.05, "probe_results": 12},
    "admission/seda": {"target": 0.2, "results": 20, "every": 0.3},
    "admission/breakwater": {"target": 0.1, "clients": 50},
    "admission/backlog_rate": {"rate": 90.0, "high": 30},
    "admission/ramp": {"every": 0.5, "errors": 0.3},
    "priority/partitioned": {"limit": 37},
}
STEPS_MAX: Final = 4
TAPE_MAX: Final = 1 << 16
TURN: Final = 64  # moments for which it stays calm, busy or bad
GATED: Final = ("breaker", "limiter", "admission")  # the first step decides whether the others are called


class Moment(NamedTuple):
    """What a caller could say at one moment: times in seconds, counts, a draw, and how the attempt ended."""

    now_s: float
    n: int  # 1, 2, 3: the number of the retry, the jobs in service, or a criticality
    queued: int
    wait_s: float
    service_s: float
    left_s: float
    u: float
    bad: bool
    throttled: bool


class Case(NamedTuple):
    """One kind with the steps a caller uses, the deciding one first. `scalar`: it has a compiled form."""

    slot: str
    kind: str
    spec: Any
    state: Any
    steps: tuple[Step, ...]
    scalar: bool


def tape(size: int, seed: int = 7) -> tuple[np.ndarray[Any, Any], ...]:
    """Columns of the first `size` moments: gap to the next moment, then the fields of `Moment`."""
    rng = np.random.default_rng(seed)
    gap = rng.exponential(0.01, TAPE_MAX) * np.where(rng.random(TAPE_MAX) < 0.001, 500.0, 1.0)
    heat = np.repeat(rng.choice([0.02, 0.3, 1.0, 6.0], TAPE_MAX // TURN), TURN)
    heat[:TURN] = 0.02  # a policy that has seen nothing good yet may never let anything through
    queued = (heat * rng.integers(0, 12, TAPE_MAX)).astype(np.int64)
    wait = np.where(queued > 0, heat * rng.exponential(0.05, TAPE_MAX), 0.0)
    bad = rng.random(TAPE_MAX) < np.where(heat >= 1.0, 0.95, 0.05)
    columns = (
        gap, np.cumsum(gap) - gap, rng.integers(1, 4, TAPE_MAX), queued, wait, rng.exponential(0.02, TAPE_MAX),
        rng.normal(0.5, 0.5, TAPE_MAX), rng.random(TAPE_MAX), bad, bad & (rng.random(TAPE_MAX) < 0.7),
    )  # fmt: skip
    assert size <= TAPE_MAX, f"a tape has {TAPE_MAX} moments at most"
    return tuple(column[:size].copy() for column in columns)


def cases() -> Iterator[Case]:
    """Every kind of the catalogue with its steps; a waiting line has no steps here but a line as its state."""
    for entry in entries():
        spec = make(entry, PARAMS.get(f"{entry.slot}/{entry.kind}", {}))
        if entry.slot == "discipline":
            yield Case(entry.slot, entry.kind, spec, new_line(spec, 0.0), (), False)
        else:
            yield Case(entry.slot, entry.kind, spec, *steps_for(entry.slot, spec), not isinstance(spec, DagorSpec))


def _idle(spec: Any, state: Any, m: Any) -> Any:
    return state, 0.0


def walk(steps: tuple[Any, ...], jit: Callable[[Any], Any]) -> Any:
    """The loop over a tape: (spec, state, columns, size, times, gated, answers) -> (state, calls of each step).

    `times` says how often each step is called per moment; columns need as many rows more than `size`.
    """
    s0, s1, s2, s3 = (jit(step) for step in (*steps, *(_idle,) * (STEPS_MAX - len(steps))))
    moment = jit(_moment)

    def loop(spec: Any, state: Any, columns: Any, size: Any, times: Any, gated: Any, answers: Any) -> Any:
        c0 = c1 = c2 = c3 = 0
        for k in range(size):
            answer = total = 0.0
            for j in range(times[0]):
                state, answer = s0(spec, state, moment(columns, k, j, j * 0.08))
                total += answer  # every answer is used, or a compiler would leave out the calls that change no state
                c0 += 1
            answers[k] = total
            if gated and answer < 0.0:
                continue
            for j in range(times[1]):
                state, answer = s1(spec, state, moment(columns, k, j, 0.25 + j * 0.08))
                total += answer
                c1 += 1
            for j in range(times[2]):
                state, answer = s2(spec, state, moment(columns, k, j, 0.5 + j * 0.08))
                total += answer
                c2 += 1
            for j in range(times[3]):
                state, answer = s3(spec, state, moment(columns, k, j, 0.75 + j * 0.08))
                total += answer
                c3 += 1
            answers[k] = total
        return state, (c0, c1, c2, c3)

    return jit(loop)


def _moment(columns: Any, k: Any, j: Any, part: Any) -> Any:
    """Call `j` at moment `k`: its time, and what the j-th moment after it says, so that no two calls are alike."""
    gap, now, n, queued, wait, service, left, u, bad, throttled = columns
    i = k + j
    return Moment(now[k] + part * gap[k], n[i], queued[i], wait[i], service[i], left[i], u[i], bad[i], throttled[i])


def compiled(step: Callable[..., Any]) -> Any:
    """`njit(step)`, with the few functions of ours that it calls compiled first."""
    scope = {
        name: compiled(value) if isinstance(value, types.FunctionType) else value
        for name, value in step.__globals__.items()
        if name in step.__code__.co_names
    }
    return njit(types.FunctionType(step.__code__, scope | {"__builtins__": __builtins__}, step.__name__))


@cache
def _compiled_walk(steps: tuple[Step, ...]) -> Any:
    return walk(tuple(step.ask(compiled(step.function)) for step in steps), njit)


def walk_of(case: Case) -> Any:
    """The compiled walk of a scalar case; cases whose steps are the same functions share one."""
    return _compiled_walk(case.steps)


def record(case: Case, size: int) -> tuple[dict[str, list[Any]], list[float], Any]:
    """Play the walk plainly: {step: the arguments of each call}, the sum of answers per moment, the last state."""
    calls: dict[str, list[Any]] = {step.name: [] for step in case.steps}

    def heard(step: Step) -> Any:
        def spy(*args: Any) -> Any:
            calls[step.name].append(args)
            return step.function(*args)

        return step.ask(spy)

    answers = [0.0] * size
    columns = tuple(column.tolist() for column in tape(size))
    loop = walk(tuple(heard(step) for step in case.steps), lambda function: function)
    state, _ = loop(case.spec, case.state, columns, size, (1,) * STEPS_MAX, case.slot in GATED, answers)
    return calls, answers, state
