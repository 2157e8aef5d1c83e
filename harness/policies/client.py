"""A client's whole policy: deadline, timeout and attempts, and one policy in each slot.

The slots are independent on purpose: what users compare is combinations. An attempt leaves when, in this order,

    time      is left before the deadline
    budget    grants it, if it is a retry (asked before the wait, so a refused call ends at once)
    limiter   lets it go, now or after a wait
    breaker   is closed, or half-open and wants a probe (asked last, so a probe it grants is really sent)

Combinations that cannot work are refused when the file is read, with the reason. Leaves out: how a name becomes an
address (slot `resolver`, kept by the DNS cache model); the behaviour over several steps (`harness.flows.call`); and
whether giving up cancels the work, which is for the server to honour and so a convention of the region.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from harness.policies import backoff, catalogue
from harness.policies.backoff import BackoffSpec
from harness.policies.entry import did_you_mean, make
from harness.policies.hedging import HedgeSpec
from harness.policies.hints import HintSpec


class ClientSpec(NamedTuple):
    """Everything a caller decides by. `None` in a slot means no such policy."""

    deadline_s: float  # for the whole call, waits included; inf for none
    timeout_s: float  # for one attempt; inf for none
    attempts: int  # first try included
    backoff: Any = backoff.NO_BACKOFF
    budget: Any = None
    breaker: Any = None
    limiter: Any = None
    hedge: HedgeSpec | None = None
    hints: HintSpec | None = None
    propagate_deadline: bool = False  # tell the server the absolute deadline, so it can skip work nobody waits for


_SLOT_FIELDS: Final = {
    "backoff": "backoff",
    "retry_budget": "budget",
    "breaker": "breaker",
    "limiter": "limiter",
    "hedge": "hedge",
    "hints": "hints",
}
_PLAIN: Final = ("deadline_s", "timeout_s", "attempts", "propagate_deadline")


def compose(mapping: Mapping[str, Any]) -> ClientSpec:
    """The spec of `{"deadline_s": 1.5, "timeout_s": 0.5, "attempts": 3, slot: (kind, params) | None, ...}`, SI values.

    Slots left out are empty; `resolver` is accepted and left to the DNS cache. Raises ValueError with the reason for
    unknown names, parameters out of bounds, and combinations that cannot work.
    """
    known = (*_PLAIN, *_SLOT_FIELDS, "resolver")
    for name in mapping:
        if name not in known:
            raise ValueError(f"unknown client setting {name!r}; it has {', '.join(known)}{did_you_mean(name, known)}")
    fields: dict[str, Any] = {
        "deadline_s": float(mapping.get("deadline_s", math.inf)),
        "timeout_s": float(mapping.get("timeout_s", math.inf)),
        "attempts": int(mapping.get("attempts", 1)),
        "propagate_deadline": bool(mapping.get("propagate_deadline", False)),
    }
    for slot, field in _SLOT_FIELDS.items():
        chosen = mapping.get(slot)
        if chosen is not None:
            kind, params = chosen
            fields[field] = make(catalogue.find("client", slot, kind), params)
    spec = ClientSpec(**fields)
    problem = impossible(spec)
    if problem is not None:
        raise ValueError(problem)
    return spec


def impossible(spec: ClientSpec) -> str | None:
    """Why these settings cannot work together, or None."""
    for name, value in (("deadline", spec.deadline_s), ("timeout", spec.timeout_s)):
        if not value > 0.0:
            return f"client {name}: {value:g} s leaves no time for an attempt; it must be above 0 s"
    if spec.attempts < 1:
        return f"client attempts: {spec.attempts} leaves nothing to send; it must be at least 1 (the first try counts)"
    if spec.attempts == 1 and spec.budget is not None:
        return "client retry_budget: attempts is 1, so there are no retries to budget; raise attempts or set it to none"
    if spec.hedge is None:
        return None
    if spec.attempts < 1 + spec.hedge.copies:
        return (
            f"client hedge: {spec.hedge.copies} extra copies and the first are {1 + spec.hedge.copies} attempts, but "
            f"attempts is {spec.attempts}; raise attempts or lower copies"
        )
    patience_s = min(spec.timeout_s, spec.deadline_s)
    if spec.hedge.delay_s >= patience_s:
        return (
            f"client hedge: the delay of {spec.hedge.delay_s:g} s is not under the {patience_s:g} s the first copy "
            "lives, so no copy could ever leave; lower delay"
        )
    if spec.limiter is not None:
        return (
            "client hedge: a limiter cannot count a copy that may or may not leave; use a hedge with a retry_budget, "
            "or the limiter without a hedge"
        )
    return None


__all__ = ["BackoffSpec", "ClientSpec", "HedgeSpec", "HintSpec", "compose", "impossible"]
