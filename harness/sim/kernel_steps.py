"""Which policy decides what, chosen by the type of its spec when the kernel is compiled.

The world asks `steps_of(spec)` at run time. Compiled code cannot, and a switch over codes would have to give all
policies one state. Here each question is a function without a body, and numba asks for its body once per type of spec:
it gets the policy's own step, compiled. No decision is written down a second time.

    take(policy, now_s, timed_out, throttled)    the `take` of the module that defines the spec; keeps the new state

Two settings of one policy share machine code; two policies do not. None stands for a slot without a rule. Those that
are asked most have a neutral setting instead (`NO_BUDGET`, `NO_ADMISSION`), so that with and without are one program.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from numba.extending import overload

from harness.policies import pacing
from harness.policies.admission import QueueSpec
from harness.policies.entry import steps_of
from harness.policies.retry_budget import BudgetSpec
from harness.policies.server import admission_steps, drop_steps
from harness.sim.kernel_jit import compiled
from harness.sim.kernel_memory import Place, get, put

_MANY: Final = 2**62
NO_BUDGET: Final = BudgetSpec(0, 0, -_MANY, 0)  # needs nothing, so it grants everything
NO_ADMISSION: Final = QueueSpec(_MANY)

pace_ready_s: Final = compiled(pacing.ready_at_s)
pace_take: Final = compiled(pacing.take)


def canonical(value: Any) -> Any:
    """A spec or state with the numbers its annotations promise: 3 in a float's place would be another program."""
    if value is None:
        return None
    kinds = type(value).__annotations__
    return value._make(float(part) if str(kinds[name]) == "float" else part for name, part in value._asdict().items())


def _rule(policy: Any) -> Any:
    """A spec of the type that is held; None without a rule."""
    held = policy if isinstance(policy, Place) else policy[0]  # of a Policy
    if not isinstance(held, Place):
        return None
    spec = held.held.instance_class
    return spec._make([0] * len(spec._fields))


def _client(policy: Any, name: str) -> Any:
    rule = _rule(policy)
    return None if rule is None else compiled(getattr(steps_of(rule), name))


def delay_s(spec: Any, n: Any, prev_s: Any, u: Any, throttled: Any) -> Any:
    """Seconds before retry `n`; `spec` is a cell."""


def on_first(budget: Any, now_s: Any) -> Any:
    """Budget: a first try leaves."""


def take(budget: Any, now_s: Any, timed_out: Any, throttled: Any) -> Any:
    """Budget: one retry?"""


def budget_result(budget: Any, now_s: Any, n: Any, ok: Any, timed_out: Any, throttled: Any) -> Any:
    """Budget: an attempt ended."""


def on_cancel(budget: Any, now_s: Any, n: Any, sent: Any) -> Any:
    """Budget: an attempt taught nothing."""


def may_send(breaker: Any, now_s: Any) -> Any:
    """Breaker: one attempt?"""


def breaker_result(breaker: Any, now_s: Any, ok: Any) -> Any:
    """Breaker: an attempt ended."""


def limit_s(limiter: Any, now_s: Any, u: Any) -> Any:
    """Limiter: 0 go, above 0 wait, below 0 refused."""


def limiter_result(limiter: Any, now_s: Any, accepted: Any, throttled: Any) -> Any:
    """Limiter: an attempt ended."""


def admit(admission: Any, now_s: Any, in_service: Any, queued: Any, oldest_wait_s: Any, u: Any) -> Any:
    """Admission: one job?"""


def on_done(admission: Any, now_s: Any, delay_s: Any, service_s: Any, inside: Any, dropped: Any) -> Any:
    """Admission: a job is over."""


def on_enqueue(drop: Any, now_s: Any, queued: Any) -> Any:
    """Drop rule: a job joins the line."""


def on_dequeue(drop: Any, now_s: Any, sojourn_s: Any, remaining_s: Any, service_s: Any, queued: Any) -> Any:
    """Drop rule: a job leaves the line, to be dropped?"""


def _body(function: Callable[..., Any]) -> Callable[[Callable[..., Any]], None]:
    """Register the maker of a question's bodies."""
    register = overload(function)

    def take_maker(maker: Callable[..., Any]) -> None:
        maker.__annotations__ = {}  # numba compares them with the body's, which has none
        register(maker)

    return take_maker


@_body(delay_s)
def _delay_s(spec: Any, n: Any, prev_s: Any, u: Any, throttled: Any) -> Any:
    step = _client(spec, "delay_s")
    return lambda spec, n, prev_s, u, throttled: step(get(spec), n, prev_s, u, throttled)


@_body(on_first)
def _on_first(budget: Any, now_s: Any) -> Any:
    step = _client(budget, "on_first")
    if step is None:
        return lambda budget, now_s: None
    return lambda budget, now_s: put(budget.state, step(get(budget.spec), get(budget.state), now_s))


@_body(take)
def _take(budget: Any, now_s: Any, timed_out: Any, throttled: Any) -> Any:
    step = _client(budget, "take")
    if step is None:
        return lambda budget, now_s, timed_out, throttled: True

    def body(budget: Any, now_s: Any, timed_out: Any, throttled: Any) -> Any:
        state, granted = step(get(budget.spec), get(budget.state), now_s, timed_out, throttled)
        put(budget.state, state)
        return granted

    body.__annotations__ = {}
    return body


@_body(budget_result)
def _budget_result(budget: Any, now_s: Any, n: Any, ok: Any, timed_out: Any, throttled: Any) -> Any:
    step = _client(budget, "on_result")
    if step is None:
        return lambda budget, now_s, n, ok, timed_out, throttled: None
    return lambda budget, now_s, n, ok, timed_out, throttled: put(
        budget.state, step(get(budget.spec), get(budget.state), now_s, n, ok, timed_out, throttled)
    )


@_body(on_cancel)
def _on_cancel(budget: Any, now_s: Any, n: Any, sent: Any) -> Any:
    step = _client(budget, "on_cancel")
    if step is None:
        return lambda budget, now_s, n, sent: None
    return lambda budget, now_s, n, sent: put(budget.state, step(get(budget.spec), get(budget.state), now_s, n, sent))


@_body(may_send)
def _may_send(breaker: Any, now_s: Any) -> Any:
    step = _client(breaker, "may_send")
    if step is None:
        return lambda breaker, now_s: True

    def body(breaker: Any, now_s: Any) -> Any:
        state, granted = step(get(breaker.spec), get(breaker.state), now_s)
        put(breaker.state, state)
        return granted

    body.__annotations__ = {}
    return body


@_body(breaker_result)
def _breaker_result(breaker: Any, now_s: Any, ok: Any) -> Any:
    step = _client(breaker, "on_result")
    if step is None:
        return lambda breaker, now_s, ok: None
    return lambda breaker, now_s, ok: put(breaker.state, step(get(breaker.spec), get(breaker.state), now_s, ok))


@_body(limit_s)
def _limit_s(limiter: Any, now_s: Any, u: Any) -> Any:
    step = _client(limiter, "admit")
    if step is None:
        return lambda limiter, now_s, u: 0.0

    def body(limiter: Any, now_s: Any, u: Any) -> Any:
        state, wait_s = step(get(limiter.spec), get(limiter.state), now_s, u)
        put(limiter.state, state)
        return wait_s

    body.__annotations__ = {}
    return body


@_body(limiter_result)
def _limiter_result(limiter: Any, now_s: Any, accepted: Any, throttled: Any) -> Any:
    step = _client(limiter, "on_result")
    if step is None:
        return lambda limiter, now_s, accepted, throttled: None
    return lambda limiter, now_s, accepted, throttled: put(
        limiter.state, step(get(limiter.spec), get(limiter.state), now_s, accepted, throttled)
    )


@_body(admit)
def _admit(admission: Any, now_s: Any, in_service: Any, queued: Any, oldest_wait_s: Any, u: Any) -> Any:
    step = compiled(admission_steps(_rule(admission)).admit)

    def body(admission: Any, now_s: Any, in_service: Any, queued: Any, oldest_wait_s: Any, u: Any) -> Any:
        state, let_in = step(get(admission.spec), get(admission.state), now_s, in_service, queued, oldest_wait_s, u)
        put(admission.state, state)
        return let_in

    body.__annotations__ = {}
    return body


@_body(on_done)
def _on_done(admission: Any, now_s: Any, delay_s: Any, service_s: Any, inside: Any, dropped: Any) -> Any:
    learns = admission_steps(_rule(admission)).on_done
    if learns is None:
        return lambda admission, now_s, delay_s, service_s, inside, dropped: None
    step = compiled(learns)
    return lambda admission, now_s, delay_s, service_s, inside, dropped: put(
        admission.state,
        step(get(admission.spec), get(admission.state), now_s, delay_s, service_s, inside, dropped),
    )


@_body(on_enqueue)
def _on_enqueue(drop: Any, now_s: Any, queued: Any) -> Any:
    rule = _rule(drop)
    watches = None if rule is None else drop_steps(rule).on_enqueue
    if watches is None:
        return lambda drop, now_s, queued: None
    step = compiled(watches)
    return lambda drop, now_s, queued: put(drop.state, step(get(drop.spec), get(drop.state), now_s, queued))


@_body(on_dequeue)
def _on_dequeue(drop: Any, now_s: Any, sojourn_s: Any, remaining_s: Any, service_s: Any, queued: Any) -> Any:
    rule = _rule(drop)
    if rule is None:
        return lambda drop, now_s, sojourn_s, remaining_s, service_s, queued: False
    step = compiled(drop_steps(rule).on_dequeue)

    def body(drop: Any, now_s: Any, sojourn_s: Any, remaining_s: Any, service_s: Any, queued: Any) -> Any:
        state, let_go = step(get(drop.spec), get(drop.state), now_s, sojourn_s, remaining_s, service_s, queued)
        put(drop.state, state)
        return let_go

    body.__annotations__ = {}
    return body
