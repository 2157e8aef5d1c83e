"""Which policy decides what, chosen by the type of its spec when the kernel is compiled.

The world asks `steps_of(spec)` at run time. Compiled code cannot, and a switch over codes would have to give all
policies one state. Here each question is a function without a body, and numba asks for its body once per type of spec:
it gets the policy's own step, compiled. No decision is written down a second time.

    take(spec, state, now_s, timed_out, throttled)    the `take` of the module that defines type(spec)

Two settings of one policy share machine code; two policies do not. None stands for a slot without a rule. Those that
are asked most have a neutral setting instead (`NO_BUDGET`, `NO_ADMISSION`), so that with and without are one program.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from numba.core import types
from numba.extending import overload

from harness.policies.admission import QueueSpec
from harness.policies.entry import steps_of
from harness.policies.retry_budget import BudgetSpec
from harness.policies.server import admission_steps, drop_steps
from harness.sim.kernel_jit import compiled

_MANY: Final = 2**62
NO_BUDGET: Final = BudgetSpec(0, 0, -_MANY, 0)  # needs nothing, so it grants everything
NO_ADMISSION: Final = QueueSpec(_MANY)


def canonical(value: Any) -> Any:
    """A spec or state with the numbers its annotations promise: 3 in a float's place would be another program."""
    if value is None:
        return None
    kinds = type(value).__annotations__
    return value._make(float(part) if str(kinds[name]) == "float" else part for name, part in value._asdict().items())


def _none(spec: Any) -> bool:
    return isinstance(spec, types.NoneType | types.Omitted)


def _client(spec: Any, name: str) -> Any:
    return compiled(getattr(steps_of(_of(spec)), name))


def _of(spec: Any) -> Any:
    return spec.instance_class._make([0] * len(spec.instance_class._fields))


def delay_s(spec: Any, n: Any, prev_s: Any, u: Any, throttled: Any) -> Any:
    """Seconds before retry `n`."""


def on_first(spec: Any, state: Any, now_s: Any) -> Any:
    """Budget: a first try leaves."""


def take(spec: Any, state: Any, now_s: Any, timed_out: Any, throttled: Any) -> Any:
    """Budget: one retry?"""


def budget_result(spec: Any, state: Any, now_s: Any, n: Any, ok: Any, timed_out: Any, throttled: Any) -> Any:
    """Budget: an attempt ended."""


def on_cancel(spec: Any, state: Any, now_s: Any, n: Any, sent: Any) -> Any:
    """Budget: an attempt taught nothing."""


def may_send(spec: Any, state: Any, now_s: Any) -> Any:
    """Breaker: one attempt?"""


def breaker_result(spec: Any, state: Any, now_s: Any, ok: Any) -> Any:
    """Breaker: an attempt ended."""


def limit_s(spec: Any, state: Any, now_s: Any, u: Any) -> Any:
    """Limiter: 0 go, above 0 wait, below 0 refused."""


def limiter_result(spec: Any, state: Any, now_s: Any, accepted: Any, throttled: Any) -> Any:
    """Limiter: an attempt ended."""


def admit(spec: Any, state: Any, now_s: Any, in_service: Any, queued: Any, oldest_wait_s: Any, u: Any) -> Any:
    """Admission: one job?"""


def on_done(spec: Any, state: Any, now_s: Any, delay_s: Any, service_s: Any, inside: Any, dropped: Any) -> Any:
    """Admission: a job is over."""


def on_enqueue(spec: Any, state: Any, now_s: Any, queued: Any) -> Any:
    """Drop rule: a job joins the line."""


def on_dequeue(spec: Any, state: Any, now_s: Any, sojourn_s: Any, remaining_s: Any, service_s: Any, queued: Any) -> Any:
    """Drop rule: a job leaves the line."""


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
    return lambda spec, n, prev_s, u, throttled: step(spec, n, prev_s, u, throttled)


@_body(on_first)
def _on_first(spec: Any, state: Any, now_s: Any) -> Any:
    if _none(spec):
        return lambda spec, state, now_s: state
    step = _client(spec, "on_first")
    return lambda spec, state, now_s: step(spec, state, now_s)


@_body(take)
def _take(spec: Any, state: Any, now_s: Any, timed_out: Any, throttled: Any) -> Any:
    if _none(spec):
        return lambda spec, state, now_s, timed_out, throttled: (state, True)
    step = _client(spec, "take")
    return lambda spec, state, now_s, timed_out, throttled: step(spec, state, now_s, timed_out, throttled)


@_body(budget_result)
def _budget_result(spec: Any, state: Any, now_s: Any, n: Any, ok: Any, timed_out: Any, throttled: Any) -> Any:
    if _none(spec):
        return lambda spec, state, now_s, n, ok, timed_out, throttled: state
    step = _client(spec, "on_result")
    return lambda spec, state, now_s, n, ok, timed_out, throttled: step(spec, state, now_s, n, ok, timed_out, throttled)


@_body(on_cancel)
def _on_cancel(spec: Any, state: Any, now_s: Any, n: Any, sent: Any) -> Any:
    if _none(spec):
        return lambda spec, state, now_s, n, sent: state
    step = _client(spec, "on_cancel")
    return lambda spec, state, now_s, n, sent: step(spec, state, now_s, n, sent)


@_body(may_send)
def _may_send(spec: Any, state: Any, now_s: Any) -> Any:
    if _none(spec):
        return lambda spec, state, now_s: (state, True)
    step = _client(spec, "may_send")
    return lambda spec, state, now_s: step(spec, state, now_s)


@_body(breaker_result)
def _breaker_result(spec: Any, state: Any, now_s: Any, ok: Any) -> Any:
    if _none(spec):
        return lambda spec, state, now_s, ok: state
    step = _client(spec, "on_result")
    return lambda spec, state, now_s, ok: step(spec, state, now_s, ok)


@_body(limit_s)
def _limit_s(spec: Any, state: Any, now_s: Any, u: Any) -> Any:
    if _none(spec):
        return lambda spec, state, now_s, u: (state, 0.0)
    step = _client(spec, "admit")
    return lambda spec, state, now_s, u: step(spec, state, now_s, u)


@_body(limiter_result)
def _limiter_result(spec: Any, state: Any, now_s: Any, accepted: Any, throttled: Any) -> Any:
    if _none(spec):
        return lambda spec, state, now_s, accepted, throttled: state
    step = _client(spec, "on_result")
    return lambda spec, state, now_s, accepted, throttled: step(spec, state, now_s, accepted, throttled)


@_body(admit)
def _admit(spec: Any, state: Any, now_s: Any, in_service: Any, queued: Any, oldest_wait_s: Any, u: Any) -> Any:
    step = compiled(admission_steps(_of(spec)).admit)
    return lambda spec, state, now_s, in_service, queued, oldest_wait_s, u: step(
        spec, state, now_s, in_service, queued, oldest_wait_s, u
    )


@_body(on_done)
def _on_done(spec: Any, state: Any, now_s: Any, delay_s: Any, service_s: Any, inside: Any, dropped: Any) -> Any:
    learns = admission_steps(_of(spec)).on_done
    if learns is None:
        return lambda spec, state, now_s, delay_s, service_s, inside, dropped: state
    step = compiled(learns)
    return lambda spec, state, now_s, delay_s, service_s, inside, dropped: step(
        spec, state, now_s, delay_s, service_s, inside, dropped
    )


@_body(on_enqueue)
def _on_enqueue(spec: Any, state: Any, now_s: Any, queued: Any) -> Any:
    watches = None if _none(spec) else drop_steps(_of(spec)).on_enqueue
    if watches is None:
        return lambda spec, state, now_s, queued: state
    step = compiled(watches)
    return lambda spec, state, now_s, queued: step(spec, state, now_s, queued)


@_body(on_dequeue)
def _on_dequeue(
    spec: Any, state: Any, now_s: Any, sojourn_s: Any, remaining_s: Any, service_s: Any, queued: Any
) -> Any:
    if _none(spec):
        return lambda spec, state, now_s, sojourn_s, remaining_s, service_s, queued: (state, False)
    step = compiled(drop_steps(_of(spec)).on_dequeue)
    return lambda spec, state, now_s, sojourn_s, remaining_s, service_s, queued: step(
        spec, state, now_s, sojourn_s, remaining_s, service_s, queued
    )
