"""A client's memory: the policy states of one process towards one dependency, and what they let through.

Policies are pure steps; somebody must keep their states between calls. That is all this does: each method asks one slot
one question, stores the state that comes back, and counts refusals. Which questions are asked, and in what order, is
the conversation in `call.py`. Concurrent calls share one `Client` safely because no method yields.

Leaves out: sharing states between processes. A fleet of N processes holds N budgets, as it does in life.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from harness import seeds
from harness.flows.wants import Reply, Result
from harness.policies.backoff import NO_BACKOFF, BackoffSpec
from harness.policies.client import ClientSpec
from harness.policies.entry import BackoffSteps, BreakerSteps, BudgetSteps, LimiterSteps, steps_of

_OK, _REFUSED, _ERROR, _TIMEOUT = Result.OK, Result.REFUSED, Result.ERROR, Result.TIMEOUT


@dataclass(slots=True)
class Counters:
    """What a client did and refused to do, since its start."""

    calls: int = 0
    good: int = 0
    attempts: int = 0  # = first tries + retries + hedges
    retries: int = 0
    hedges: int = 0
    limiter_waits: int = 0
    refused_by_budget: int = 0  # retries (or copies) not sent
    refused_by_limiter: int = 0  # attempts not sent
    refused_by_breaker: int = 0  # attempts not sent
    refused_by_hint: int = 0  # retries the server asked not to send
    cut_by_deadline: int = 0  # calls that had attempts left but no time


class Failure(NamedTuple):
    timed_out: bool
    throttled: bool


class Client:
    """The policy states of one process towards one dependency; all the thinking is in `harness.policies`."""

    def __init__(self, spec: ClientSpec, seed: int, name: str, now_s: float) -> None:
        """`name` (as in "mobile_banking/kv") keys the draws: two clients of one name and seed meet the same luck."""
        self.spec = spec
        self.seed = seed
        self.name = name
        self.counters = Counters()
        self._backoff_luck = seeds.mix(seed, seeds.stream_id(f"backoff/{name}"))
        self._limiter_luck = seeds.mix(seed, seeds.stream_id(f"limiter/{name}"))
        self._backoff: BackoffSteps | None = None if _never_waits(spec.backoff) else steps_of(spec.backoff)
        self._budget: BudgetSteps | None = None if spec.budget is None else steps_of(spec.budget)
        self._breaker: BreakerSteps | None = None if spec.breaker is None else steps_of(spec.breaker)
        self._limiter: LimiterSteps | None = None if spec.limiter is None else steps_of(spec.limiter)
        self.budget_state: Any = self._budget.start(spec.budget, now_s) if self._budget else None
        self.breaker_state: Any = self._breaker.start(spec.breaker, now_s) if self._breaker else None
        self.limiter_state: Any = self._limiter.start(spec.limiter, now_s) if self._limiter else None
        self.asks = self._limiter is not None or self._breaker is not None  # before an attempt leaves
        learns = self.asks or self._budget is not None  # from how it ended
        self.terms = (spec.deadline_s, spec.timeout_s, spec.attempts, spec.hedge, spec.propagate_deadline, learns)

    def backoff_s(self, attempt: int, n: int, prev_s: float, throttled: bool) -> float:
        """Seconds to wait before retry `n`, whose id is `attempt`."""
        if self._backoff is None:
            return 0.0
        u = seeds.draw_after(self._backoff_luck, attempt)
        return self._backoff.delay_s(self.spec.backoff, n, prev_s, u, throttled)

    def admit_s(self, attempt: int, ask: int, now_s: float) -> float:
        """0 go; above 0 wait that long and ask again (with `ask` + 1); below 0 refused by the limiter."""
        if self._limiter is None:
            return 0.0
        u = seeds.draw_after(seeds.after(self._limiter_luck, attempt), ask)
        self.limiter_state, wait_s = self._limiter.admit(self.spec.limiter, self.limiter_state, now_s, u)
        return wait_s

    def may_send(self, now_s: float) -> bool:
        """True if the breaker lets an attempt through."""
        if self._breaker is None:
            return True
        self.breaker_state, granted = self._breaker.may_send(self.spec.breaker, self.breaker_state, now_s)
        self.counters.refused_by_breaker += not granted
        return granted

    def first(self, now_s: float) -> None:
        """A first try leaves."""
        if self._budget is not None:
            self.budget_state = self._budget.on_first(self.spec.budget, self.budget_state, now_s)

    def take(self, now_s: float, failure: Failure) -> bool:
        """True if the budget grants one more attempt."""
        if self._budget is None:
            return True
        self.budget_state, granted = self._budget.take(self.spec.budget, self.budget_state, now_s, *failure)
        self.counters.refused_by_budget += not granted
        return granted

    def cancel(self, now_s: float, n: int, *, sent: bool) -> None:
        """Attempt `n` taught the budget nothing: never `sent`, or abandoned, or not worth repeating."""
        if self._budget is not None:
            self.budget_state = self._budget.on_cancel(self.spec.budget, self.budget_state, now_s, n, sent)

    def result(self, n: int, reply: Reply, before: Failure) -> None:
        """Attempt `n` ended with `reply`; `before` describes the failure it retried."""
        now_s = reply.ended_s
        throttled = reply.result is _REFUSED
        healthy = not worth_repeating(reply)  # answered, even if the answer was no
        if self._budget is not None:
            if healthy and not reply.ok:
                self.cancel(now_s, n, sent=True)
            else:
                flags = before if reply.ok else failure_of(reply)
                self.budget_state = self._budget.on_result(
                    self.spec.budget, self.budget_state, now_s, n, reply.ok, *flags
                )
        if self._breaker is not None:
            self.breaker_state = self._breaker.on_result(self.spec.breaker, self.breaker_state, now_s, healthy)
        if self._limiter is not None:
            self.limiter_state = self._limiter.on_result(
                self.spec.limiter, self.limiter_state, now_s, healthy, throttled
            )


def _never_waits(backoff: object) -> bool:
    return isinstance(backoff, BackoffSpec) and backoff == NO_BACKOFF


def worth_repeating(reply: Reply) -> bool:
    """True if another attempt might do better: not after a success, nor after an answer such as 404 or 409."""
    result = reply.result
    return result is not _OK and not (result is _ERROR and 0 < reply.status < 500)


def failure_of(reply: Reply) -> Failure:
    """What sort of failure a reply is, for the rules that price a retry by it."""
    return Failure(reply.result is _TIMEOUT, reply.result is _REFUSED)
