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
from harness.flows.ids import nth_id, opening
from harness.flows.wants import Answer, Cause, Hedged, Reply, Request, Result, Send, Wait, Want
from harness.policies import hedging, hints
from harness.policies.client import ClientSpec

__all__ = ["CallResult", "Client", "Counters", "call"]

_GO = 0.0  # a limiter's "go now"
_OK = Result.OK
_INF = math.inf
_new = tuple.__new__  # makes a NamedTuple in half the time of its own constructor; a simulation makes millions
_NO_FAILURE = Failure(False, False)


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
    own_s, patience_s, attempts, hedge, tells, learns = client.terms
    tally = client.counters
    tally.calls += 1
    own_s += now_s
    if own_s < deadline_s:
        deadline_s = own_s
    key, attempt = opening(op, parent_id, layer, call_no)
    reply: Reply | None = None
    failure = _NO_FAILURE
    sent = n = 0  # n numbers the next attempt; copies that were planned and never left keep theirs
    wait_s = 0.0
    until_s = now_s
    while True:
        if until_s > now_s or now_s >= deadline_s or client.asks:
            now_s, leave, late = yield from _leave(client, key, n, now_s, until_s, deadline_s)
            if late is not None:
                tally.good += late.ok
                return CallResult(late.ok, late, sent, now_s, False)
            if leave is not _Leave.GO:
                limited = leave is _Leave.REFUSED
                if reply is None:
                    reply = Reply(Result.UNSENT, 0, Cause.CLIENT_LIMIT if limited else Cause.TIMEOUT, now_s)
                return CallResult(False, reply, sent, now_s, limited)
        if learns and n == 0:
            client.first(now_s)
        timeout_s = deadline_s - now_s
        if timeout_s > patience_s:
            timeout_s = patience_s
        told_s = now_s + timeout_s if tells else _INF  # when nobody waits for it any more
        send = _new(Send, (target, request, attempt, parent_id, op, layer, n, timeout_s, told_s, criticality))
        planned = copies = 0
        if hedge is not None and n == 0:
            planned = _plan_copies(client, now_s, deadline_s)
        tally.attempts += 1
        if n > 0:
            tally.retries += 1
        if planned > 0:
            reply, copies = yield from _race(client, key, send, planned, now_s, deadline_s)
        else:
            try:
                reply = yield send
            except GeneratorExit:  # the driver ends the call while this attempt is open
                client.cancel(now_s, n, sent=True)
                raise
        result, _, _, now_s, _, _ = reply
        if learns:
            client.result(n, reply, failure)
        sent += 1 + copies
        n += 1 + planned
        if result is _OK:
            tally.good += 1
            return _new(CallResult, (True, reply, sent, now_s, False))
        if sent >= attempts or not worth_repeating(reply):
            return CallResult(False, reply, sent, now_s, False)

        failure = failure_of(reply)
        attempt = nth_id(key, n)
        wait_s = client.backoff_s(attempt, sent, wait_s, failure.throttled)
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


def _leave(
    client: Client, key: int, n: int, now_s: float, until_s: float, deadline_s: float
) -> Generator[Want, Answer, tuple[float, _Leave, Reply | None]]:
    """Wait until `until_s` and then for limiter and breaker: when, whether attempt `n` may leave, or a late reply."""
    leave = _Leave.REFUSED
    ask = 0
    try:
        while True:
            if until_s > now_s:
                answer = yield Wait(until_s)
                if isinstance(answer, Reply):  # an earlier attempt came good after all
                    return answer.ended_s, leave, answer
                now_s = answer
            if now_s >= deadline_s:
                client.counters.cut_by_deadline += 1
                leave = _Leave.TOO_LATE
                return now_s, leave, None
            wait_s = client.admit_s(nth_id(key, n), ask, now_s)
            until_s = now_s + wait_s
            if wait_s == _GO:
                leave = _Leave.GO if client.may_send(now_s) else _Leave.REFUSED
                return now_s, leave, None
            if wait_s < _GO or until_s >= deadline_s:
                client.counters.refused_by_limiter += 1
                return now_s, leave, None
            client.counters.limiter_waits += 1
            ask += 1
    finally:  # also when the driver ends the call in mid-wait
        if n > 0 and leave is not _Leave.GO:
            client.cancel(now_s, n, sent=False)


def _race(
    client: Client, key: int, first: Send, planned: int, now_s: float, deadline_s: float
) -> Generator[Want, Answer, tuple[Reply, int]]:
    """Send the `first` attempt with its hedge of `planned` copies: the reply, and how many copies left."""
    spec, hedge = client.spec, client.spec.hedge
    assert hedge is not None, "copies were planned"
    others = []
    for k in range(1, planned + 1):
        leaves_s = now_s + k * hedge.delay_s
        timeout_s = min(spec.timeout_s, deadline_s - leaves_s)
        told_s = leaves_s + timeout_s if spec.propagate_deadline else math.inf
        others.append(first._replace(attempt_id=nth_id(key, k), n=k, timeout_s=timeout_s, deadline_s=told_s))
    try:
        reply: Reply = yield Hedged(first, tuple(others), hedge.delay_s)
    except GeneratorExit:
        for k in range(planned + 1):
            client.cancel(now_s, k, sent=True)
        raise
    copies = hedging.copies_sent(hedge, planned, reply.ended_s - now_s)
    client.counters.attempts += copies
    client.counters.hedges += copies
    for k in range(1, planned + 1):
        client.cancel(reply.ended_s, k, sent=k <= copies)
    return reply, copies


def _plan_copies(client: Client, now_s: float, deadline_s: float) -> int:
    """How many hedged copies the hedge wants and the budget grants."""
    spec = client.spec
    if spec.hedge is None:
        return 0
    wanted = hedging.extra_copies(spec.hedge, spec.attempts, min(spec.timeout_s, deadline_s - now_s))
    planned = 0
    while planned < wanted and client.take(now_s, _NO_FAILURE):
        planned += 1
    return planned


def _hinted_s(spec: ClientSpec, own_s: float, hint_s: float) -> float:
    return own_s if spec.hints is None else hints.delay_s(spec.hints, own_s, hint_s)
