"""What a caller does when a call fails: the client of an experiment.

One description for every caller of a run: the load generator and each app have the experiment's `client`, patched with
their own. Slots hold policies of the catalogue; the rest are the bounds of a call: how long one attempt may take, how
long all of them may, and how many there are.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from harness.policies import client
from harness.policies.client import ClientSpec
from harness.spec.policy import Policy, Slot
from harness.spec.values import Model, PositiveDuration

ResolverSlot = Annotated[Policy | None, Slot("client", "resolver")]


def _ttl() -> Policy:
    return Policy("client", "resolver", "ttl", {})


class Client(Model):
    """A caller's policies. `deadline_s` bounds the operation, `timeout_s` each attempt, `attempts` counts the first."""

    deadline_s: PositiveDuration = Field(default=1.5, alias="deadline")
    timeout_s: PositiveDuration = Field(default=0.5, alias="timeout")
    attempts: Annotated[int, Field(ge=1, le=20)] = 3
    propagate_deadline: bool = False
    backoff: Annotated[Policy | None, Slot("client", "backoff")] = None
    retry_budget: Annotated[Policy | None, Slot("client", "retry_budget")] = None
    breaker: Annotated[Policy | None, Slot("client", "breaker")] = None
    limiter: Annotated[Policy | None, Slot("client", "limiter")] = None
    hedge: Annotated[Policy | None, Slot("client", "hedge")] = None
    hints: Annotated[Policy | None, Slot("client", "hints")] = None
    resolver: ResolverSlot = Field(default_factory=_ttl)

    def policy(self) -> ClientSpec:
        """The composed client policy. Raises ValueError with the reason for a combination that cannot work."""
        return client.compose(
            {
                "deadline_s": self.deadline_s,
                "timeout_s": self.timeout_s,
                "attempts": self.attempts,
                "propagate_deadline": self.propagate_deadline,
                "backoff": self.backoff and self.backoff.filled(),
                "retry_budget": self.retry_budget and self.retry_budget.filled(),
                "breaker": self.breaker and self.breaker.filled(),
                "limiter": self.limiter and self.limiter.filled(),
                "hedge": self.hedge and self.hedge.filled(),
                "hints": self.hints and self.hints.filled(),
                "resolver": self.resolver and self.resolver.filled(),
            }
        )
