"""Every step of every policy, and a walk through the life of a client or server that asks them all in turn.

A step timed on one fixed state shows its cheapest branch: a breaker that never opens, a window that never moves. Here a
tape of random moments (calm, busy and bad by turns, now and then a long rest) leads each policy through its states, and
what is timed are the calls of that walk.

    cases()        one `Case` per kind of the catalogue: its spec, its first state, its steps
    tape(n, seed)  the moments, as columns
    record(case)   the walk played plainly: the arguments of every call, to be replayed for timing
    walk_of(case)  the walk compiled, with how often each step is called at every moment (`times`)

Results reach a breaker, a limiter or an admission rule only for what it let through, as in a run. Parameters are the
catalogue's defaults; those without a default are in NEEDED. Waiting lines are classes with tables, and DAGOR keeps a
histogram: they have no compiled form.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit

from harness.policies import hedging, hints, resolver
from harness.policies.catalogue import entries
from harness.policies.dagor import DagorSpec
from harness.policies.entry import make, steps_of
from harness.policies.server import admission_steps, drop_steps, new_line, priority_steps

NEEDED: Final[dict[str, dict[str, Any]]] = {
    "fixed": {"delay": 0.3, "jitter": "equal"},
    "pace": {"rate": 60.0, "burst": 3},
    "delayed": {"delay": 0.05, "copies": 3},
    "queue": {"limit": 20},
    "token_bucket": {"rate": 60.0, "burst": 5},
    "aimd": {"timeout": 0.2},
    "seda": {"target": 0.2},
    "breakwater": {"target": 0.1, "clients": 50},
    "backlog_rate": {"rate": 90.0, "high": 30},
    "partitioned": {"limit": 40},
}
STEPS_MAX: Final = 4
GATED: Final = ("breaker", "limiter", "admission")  # the first step decides whether the others are called


class Moment(NamedTuple):
    """What a caller could say at one moment: times in seconds, counts, a draw, and how the attempt ended."""

    now_s: float
    n: int  # 1, 2, 3: the number of the retry, or a criticality
    queued: int
    wait_s: float
    service_s: float
    left_s: float
    u: float
    bad: bool
    throttled: bool


class Step(NamedTuple):
    """A step by its name; `ask(function)` gives (spec, state, moment) -> (state, answer), refused below 0."""

    name: str
    function: Callable[..., Any]
    ask: Callable[[Any], Any]


class Case(NamedTuple):
    """One kind with the steps a caller uses, the deciding one first. `scalar`: it has a compiled form."""

    slot: str
    kind: str
    spec: Any
    state: Any
    steps: tuple[Step, ...]
    scalar: bool


def tape(size: int, seed: int = 7) -> tuple[np.ndarray[Any, Any], ...]:
    """Columns: gap to the next moment, then the fields of `Moment`."""
    rng = np.random.default_rng(seed)
    gap = rng.exponential(0.01, size) * np.where(rng.random(size) < 0.001, 500.0, 1.0)
    heat = np.repeat(rng.choice([0.02, 0.3, 1.0, 6.0], size // 50 + 1), 50)[:size]
    queued = (heat * rng.integers(0, 12, size)).astype(np.int64)
    wait = np.where(queued > 0, heat * rng.exponential(0.05, size), 0.0)
    bad = rng.random(size) < np.where(heat >= 1.0, 0.95, 0.05)
    return (
        gap, np.cumsum(gap) - gap, rng.integers(1, 4, size), queued, wait, rng.exponential(0.02, size),
        rng.normal(0.5, 0.5, size), rng.random(size), bad, bad & (rng.random(size) < 0.7),
    )  # fmt: skip


# How each slot's steps are asked. Closures of one call, because a compiler must see the step as a constant.
def _delay_s(f: Any) -> Any:
    def ask(spec: Any, state: Any, m: Any) -> Any:
        wait_s = f(spec, m.n, state if m.n > 1 else 0.0, m.u, m.throttled)
        return wait_s, wait_s

    return ask


def _hint(f: Any) -> Any:
    return lambda spec, state, m: (f(spec, m.wait_s, m.left_s), 0.0)


def _copies(f: Any) -> Any:
    return lambda spec, state, m: (state + f(spec, m.n + 1, m.left_s), 0.0)


def _sent(f: Any) -> Any:
    return lambda spec, state, m: (state + f(spec, m.n, m.wait_s), 0.0)


def _keep(f: Any) -> Any:
    return lambda spec, state, m: (f(spec, m.n, m.wait_s, m.service_s, m.left_s), 0.0)


def _failed(f: Any) -> Any:
    return lambda spec, state, m: (state + (1.0 if f(spec, m.n) else 0.0), 0.0)


def _told(f: Any) -> Any:
    return lambda spec, state, m: (f(spec, state, m.now_s), 0.0)


def _take(f: Any) -> Any:
    def ask(spec: Any, state: Any, m: Any) -> Any:
        state, yes = f(spec, state, m.now_s, m.bad, m.throttled)
        return state, 1.0 if yes else -1.0

    return ask


def _budget_result(f: Any) -> Any:
    return lambda spec, state, m: (f(spec, state, m.now_s, m.n - 1, not m.bad, m.u < 0.5, m.throttled), 0.0)


def _cancel(f: Any) -> Any:
    return lambda spec, state, m: (f(spec, state, m.now_s, 1, m.u < 0.5), 0.0)


def _may_send(f: Any) -> Any:
    def ask(spec: Any, state: Any, m: Any) -> Any:
        state, yes = f(spec, state, m.now_s)
        return state, 1.0 if yes else -1.0

    return ask


def _breaker_result(f: Any) -> Any:
    return lambda spec, state, m: (f(spec, state, m.now_s, not m.bad), 0.0)


def _limit(f: Any) -> Any:
    return lambda spec, state, m: f(spec, state, m.now_s, m.u)


def _limiter_result(f: Any) -> Any:
    return lambda spec, state, m: (f(spec, state, m.now_s, not m.bad, m.throttled), 0.0)


def _admit(f: Any) -> Any:
    def ask(spec: Any, state: Any, m: Any) -> Any:
        state, yes = f(spec, state, m.now_s, 4, m.queued, m.wait_s, m.u)
        return state, 1.0 if yes else -1.0

    return ask


def _done(f: Any) -> Any:
    return lambda spec, state, m: (f(spec, state, m.now_s, m.wait_s, m.service_s, 5 + m.queued, m.throttled), 0.0)


def _dequeue(f: Any) -> Any:
    def ask(spec: Any, state: Any, m: Any) -> Any:
        state, drop = f(spec, state, m.now_s, m.wait_s, m.left_s, m.service_s, m.queued)
        return state, -1.0 if drop else 1.0

    return ask


def _enqueue(f: Any) -> Any:
    return lambda spec, state, m: (f(spec, state, m.now_s, m.queued), 0.0)


def _rank(f: Any) -> Any:
    return lambda spec, state, m: (state, 1.0 * f(spec, m.n, m.bad))


def _gate(f: Any) -> Any:
    def ask(spec: Any, state: Any, m: Any) -> Any:
        state, yes = f(spec, state, m.now_s, m.n, m.queued, m.bad, 4, m.queued)
        return state, 1.0 if yes else -1.0

    return ask


def _start(f: Any) -> Any:
    return lambda spec, state, m: (f(spec, state, m.now_s, m.wait_s), 0.0)


CLIENT: Final[dict[str, tuple[tuple[str, Any], ...]]] = {
    "backoff": (("delay_s", _delay_s),),
    "retry_budget": (("take", _take), ("on_first", _told), ("on_result", _budget_result), ("on_cancel", _cancel)),
    "breaker": (("may_send", _may_send), ("on_result", _breaker_result)),
    "limiter": (("admit", _limit), ("on_result", _limiter_result)),
}
TABLES: Final[dict[str, tuple[Step, ...]]] = {
    "hedge": (
        Step("extra_copies", hedging.extra_copies, _copies),
        Step("copies_sent", hedging.copies_sent, _sent),
    ),
    "hints": (Step("delay_s", hints.delay_s, _hint),),
    "resolver": (
        Step("keep_s", resolver.keep_s, _keep),
        Step("failed_refresh", resolver.failed_refresh, _failed),
    ),
}


def _steps(slot: str, spec: Any) -> tuple[Any, tuple[Step, ...]]:
    """First state and steps of a spec that is not a waiting line."""
    if slot in TABLES:
        return (0 if slot == "hedge" else 0.0), TABLES[slot]
    if slot in CLIENT:
        module = steps_of(spec)
        state = module.start(spec, 0.0) if slot != "backoff" else 0.0
        return state, tuple(Step(name, getattr(module, name), ask) for name, ask in CLIENT[slot])
    of: Any = {"admission": admission_steps, "drop": drop_steps, "priority": priority_steps}[slot](spec)
    names = {
        "admission": (("admit", _admit), ("on_done", _done)),
        "drop": (("on_dequeue", _dequeue), ("on_enqueue", _enqueue)),
        "priority": (("rank", _rank), ("admit", _gate), ("on_start", _start)),
    }[slot]
    state = of.start(spec, 0.0) if of.start is not None else 0.0
    return state, tuple(Step(name, getattr(of, name), ask) for name, ask in names if getattr(of, name) is not None)


def cases() -> Iterator[Case]:
    """Every kind of the catalogue with its steps; a waiting line has no steps here but a line as its state."""
    for entry in entries():
        params = NEEDED.get(entry.kind, {})
        known = {param.name for param in entry.params}
        spec = make(entry, {name: value for name, value in params.items() if name in known})
        if entry.slot == "discipline":
            yield Case(entry.slot, entry.kind, spec, new_line(spec, 0.0), (), False)
        else:
            yield Case(entry.slot, entry.kind, spec, *_steps(entry.slot, spec), not isinstance(spec, DagorSpec))


def _idle(spec: Any, state: Any, m: Any) -> Any:
    return state, 0.0


def walk(steps: tuple[Any, ...], jit: Callable[[Any], Any]) -> Any:
    """The loop over a tape: (spec, state, columns, size, times, gated, answers) -> (state, calls of each step).

    `times` says how often each step is called per moment; columns need as many rows more than `size`.
    """
    s0, s1, s2, s3 = (jit(step) for step in (*steps, *(_idle,) * (STEPS_MAX - len(steps))))
    moment = jit(_moment)

    def loop(
        spec: Any, state: Any, columns: Any, size: Any, times: Any, gated: Any, answers: Any
    ) -> Any:
        c0 = c1 = c2 = c3 = 0
        for k in range(size):
            answer = 0.0
            for j in range(times[0]):
                state, answer = s0(spec, state, moment(columns, k, j, j * 0.08))
                c0 += 1
            answers[k] = answer
            if gated and answer < 0.0:
                continue
            for j in range(times[1]):
                state, _ = s1(spec, state, moment(columns, k, j, 0.25 + j * 0.08))
                c1 += 1
            for j in range(times[2]):
                state, _ = s2(spec, state, moment(columns, k, j, 0.5 + j * 0.08))
                c2 += 1
            for j in range(times[3]):
                state, _ = s3(spec, state, moment(columns, k, j, 0.75 + j * 0.08))
                c3 += 1
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
    """Play the walk plainly: {step: the arguments of each call}, the first step's answers, the last state."""
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
