"""One call to a dependency: attempts, waits, budgets and refusals, as a flow that every engine can drive.

The naive retry loop sends, sleeps and tries again; in an outage it triples the load of whoever is already down, and it
goes on after its own caller has given up. Here a call has one absolute deadline, and each step is asked of a policy:

    1. limiter, then breaker: may this attempt leave? A refusal ends the call; it is counted apart from server refusals.
    2. send, for at most min(timeout, time left); tell budget, breaker and limiter how it ended.
    3. good, or not worth repeating (an answer below 500 that is no refusal)? Then done.
    4. attempts left? A wait from the backoff, changed by the server's hint. Would it end before the deadline?
    5. budget: may one more be sent? Then wait, and go to 1.

The wants and answers are those of `wants.py`. A driver with late replies may answer a Wait with the Reply of an earlier
attempt that came good meanwhile; the call then ends with it. Copies of a hedge take from the budget when planned and
give back when they did not leave; a driver sends copy k exactly k delays after the first, or not at all.

Leaves out: addresses, sockets and rows (the driver's); policy states and counters (`client.py`, offered here too).
"""

from __future__ import annotations

import math
from collections.abc import Generator
from enum import Enum
from typing import NamedTuple

from harness.flows.client import Client, Counters, Failure, failure_of, worth_repeating
from harness.flows.ids import attempt_id
from harness.flows.wants import Answer, Cause, Hedged, Reply, Request, Result, Send, Wait, Want
from harness.policies import hedging, hints
from harness.policies.client import ClientSpec

__all__ = ["CallResult", "Client", "Counters", "call"]

_GO = 0.0  # a limiter's "go now"


class CallResult(NamedTuple):
    """How a call ended. `limited`: this client itself refused to send (limiter or breaker)."""

    ok: bool
    reply: Reply  # of the last attempt; UNSENT when none left
    attempts: int  # attempts sent, hedged copies included
    ended_s: float
    limited: bool


def call(
    client: Client,
    target: str,
    request: Request,
    *,
    op: int,
    layer: int,
    parent_id: int,
    call_no: int,
    now_s: float,
    deadline_s: float,
    criticality: int = 0,
) -> Generator[Want, Answer, CallResult]:
    """Call `target` until it answers well or a policy ends it; the earlier of `deadline_s` (absolute) and the
    client's own deadline (from `now_s`) bounds everything. Yields wants, returns a CallResult; never raises for what
    the target does.
    """
    spec = client.spec
    tally = client.counters
    tally.calls += 1
    deadline_s = min(deadline_s, now_s + spec.deadline_s)
    sends = _Sends(client, target, request, op, layer, parent_id, call_no, deadline_s, criticality)
    reply: Reply | None = None
    failure = Failure(False, False)
    sent = n = 0  # n numbers the next attempt; copies that were planned and never left keep theirs
    wait_s = 0.0
    until_s = now_s
    while True:
        now_s, leave, late = yield from _leave(sends, n, now_s, until_s)
        if late is not None:
            tally.good += late.ok
            return CallResult(late.ok, late, sent, now_s, False)
        if leave is not _Leave.GO:
            limited = leave is _Leave.REFUSED
            if reply is None:
                reply = Reply(Result.UNSENT, 0, Cause.CLIENT_LIMIT if limited else Cause.TIMEOUT, now_s)
            return CallResult(False, reply, sent, now_s, limited)
        if n == 0:
            client.first(now_s)
        reply, planned, copies = yield from _send(sends, n, now_s)
        now_s = reply.ended_s
        client.result(n, reply, failure)
        sent += 1 + copies
        n += 1 + planned
        tally.good += reply.ok
        if sent >= spec.attempts or not worth_repeating(reply):
            return CallResult(reply.ok, reply, sent, now_s, False)

        failure = failure_of(reply)
        wait_s = client.backoff_s(sends.attempt_id(n), sent, wait_s, failure.throttled)
        until_s = now_s + _hinted_s(spec, wait_s, reply.retry_after_s)
        if not _retry(client, now_s, until_s, deadline_s, failure):
            return CallResult(False, reply, sent, now_s, False)


def _retry(client: Client, now_s: float, until_s: float, deadline_s: float, failure: Failure) -> bool:
    """True if a retry at `until_s` is allowed by the server's hint, the deadline and the budget."""
    if until_s < now_s:
        client.counters.refused_by_hint += 1
        return False
    if until_s >= deadline_s:
        client.counters.cut_by_deadline += 1
        return False
    return client.take(now_s, failure)


class _Leave(Enum):
    """May the attempt leave this process?"""

    GO = 0
    REFUSED = 1  # by the limiter or the breaker
    TOO_LATE = 2


class _Sends(NamedTuple):
    """What all attempts of one call have in common."""

    client: Client
    target: str
    request: Request
    op: int
    layer: int
    parent_id: int
    call_no: int
    deadline_s: float
    criticality: int

    def attempt_id(self, n: int) -> int:
        return attempt_id(self.op, self.parent_id, self.layer, self.call_no, n)

    def at(self, n: int, now_s: float) -> Send:
        """Attempt `n`, leaving at `now_s`. The deadline it tells is its own: when nobody waits for it any more."""
        spec = self.client.spec
        timeout_s = min(spec.timeout_s, self.deadline_s - now_s)
        return Send(
            target=self.target,
            request=self.request,
            attempt_id=self.attempt_id(n),
            parent_id=self.parent_id,
            op=self.op,
            layer=self.layer,
            n=n,
            timeout_s=timeout_s,
            deadline_s=now_s + timeout_s if spec.propagate_deadline else math.inf,
            criticality=self.criticality,
        )


def _leave(
    sends: _Sends, n: int, now_s: float, until_s: float
) -> Generator[Want, Answer, tuple[float, _Leave, Reply | None]]:
    """Wait until `until_s` and then for limiter and breaker: when, whether attempt `n` may leave, or a late reply."""
    client = sends.client
    leave = _Leave.REFUSED
    ask = 0
    try:
        while True:
            if until_s > now_s:
                answer = yield Wait(until_s)
                if isinstance(answer, Reply):  # an earlier attempt came good after all
                    return answer.ended_s, leave, answer
                now_s = answer
            if now_s >= sends.deadline_s:
                client.counters.cut_by_deadline += 1
                leave = _Leave.TOO_LATE
                return now_s, leave, None
            wait_s = client.admit_s(sends.attempt_id(n), ask, now_s)
            until_s = now_s + wait_s
            if wait_s == _GO:
                leave = _Leave.GO if client.may_send(now_s) else _Leave.REFUSED
                return now_s, leave, None
            if wait_s < _GO or until_s >= sends.deadline_s:
                client.counters.refused_by_limiter += 1
                return now_s, leave, None
            client.counters.limiter_waits += 1
            ask += 1
    finally:  # also when the driver ends the call in mid-wait
        if n > 0 and leave is not _Leave.GO:
            client.cancel(now_s, n, sent=False)


def _send(sends: _Sends, n: int, now_s: float) -> Generator[Want, Answer, tuple[Reply, int, int]]:
    """Send attempt `n`, the first one with its hedge: the reply, the copies planned, and the copies that left."""
    client = sends.client
    hedge = client.spec.hedge
    planned = _plan_copies(client, now_s, sends.deadline_s) if n == 0 else 0
    client.counters.attempts += 1
    client.counters.retries += n > 0
    first = sends.at(n, now_s)
    try:
        if hedge is None or planned == 0:
            reply: Reply = yield first
            return reply, 0, 0
        others = tuple(sends.at(n + k, now_s + k * hedge.delay_s) for k in range(1, planned + 1))
        reply = yield Hedged(first, others, hedge.delay_s)
    except GeneratorExit:  # the driver ends the call while this attempt is open
        for k in range(planned + 1):
            client.cancel(now_s, n + k, sent=True)
        raise
    copies = hedging.copies_sent(hedge, planned, reply.ended_s - now_s)
    client.counters.attempts += copies
    client.counters.hedges += copies
    for k in range(1, planned + 1):
        client.cancel(reply.ended_s, n + k, sent=k <= copies)
    return reply, planned, copies


def _plan_copies(client: Client, now_s: float, deadline_s: float) -> int:
    """How many hedged copies the hedge wants and the budget grants."""
    spec = client.spec
    if spec.hedge is None:
        return 0
    wanted = hedging.extra_copies(spec.hedge, spec.attempts, min(spec.timeout_s, deadline_s - now_s))
    planned = 0
    while planned < wanted and client.take(now_s, Failure(False, False)):
        planned += 1
    return planned


def _hinted_s(spec: ClientSpec, own_s: float, hint_s: float) -> float:
    return own_s if spec.hints is None else hints.delay_s(spec.hints, own_s, hint_s)
