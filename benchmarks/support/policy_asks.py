"""How each step of a policy is asked at a moment: one signature for all, so that one loop can walk any of them.

    steps_for(slot, spec) -> (first state, steps)     Step(name, function, ask)

`ask(function)` gives (spec, state, moment) -> (state, answer), whatever the step's own signature; an answer below 0
means refused. It is a closure of one call, because a compiler must see the step as a constant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from harness.policies import hedging, hints, resolver
from harness.policies.entry import steps_of
from harness.policies.server import admission_steps, drop_steps, priority_steps


class Step(NamedTuple):
    """A step by its name; `ask(function)` gives (spec, state, moment) -> (state, answer), refused below 0."""

    name: str
    function: Callable[..., Any]
    ask: Callable[[Any], Any]


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
        state, yes = f(spec, state, m.now_s, m.n, m.queued, m.wait_s, m.u)
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
        state, yes = f(spec, state, m.now_s, m.n, m.queued, m.bad, m.n, m.queued)
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


def steps_for(slot: str, spec: Any) -> tuple[Any, tuple[Step, ...]]:
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
