"""The call flow in virtual time: a fake driver is a function, so every moment can be asserted exactly."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import seeds
from harness.flows.call import CallResult, Client, call
from harness.flows.ids import attempt_id
from harness.flows.wants import Cause, Hedged, Reply, Request, Result, Send, Wait
from harness.policies.client import compose

OK = (Result.OK, 200, Cause.NONE)
BUSY = (Result.REFUSED, 503, Cause.QUEUE_FULL)
BROKEN = (Result.ERROR, 500, Cause.SERVER_ERROR)
CONFLICT = (Result.ERROR, 409, Cause.CONFLICT)
LATE = (Result.TIMEOUT, 0, Cause.TIMEOUT)

# A server answers a Send that left at a moment: what, and after how long (never later than the timeout).
Server = Callable[[Send, float], tuple[tuple[Result, int, Cause], float]]


class Driver:
    """Answers wants in virtual time and keeps a log of what left when."""

    def __init__(self, server: Server, hint_s: float = math.nan) -> None:
        self.server, self.hint_s = server, hint_s
        self.sent: list[tuple[float, Send]] = []
        self.waits: list[float] = []

    def one(self, send: Send, now_s: float) -> Reply:
        self.sent.append((now_s, send))
        what, after_s = self.server(send, now_s)
        if after_s >= send.timeout_s:
            return Reply(*LATE, now_s + send.timeout_s)
        return Reply(*what, now_s + after_s, retry_after_s=self.hint_s)

    def hedged(self, want: Hedged, now_s: float) -> Reply:
        replies = [self.one(want.first, now_s)]
        for k, other in enumerate(want.others, start=1):
            best = min((r.ended_s for r in replies if r.ok), default=math.inf)
            if now_s + k * want.delay_s >= best or all(r.ended_s <= now_s + k * want.delay_s for r in replies):
                break
            replies.append(self.one(other, now_s + k * want.delay_s))
        good = [r for r in replies if r.ok]
        return min(good, key=lambda r: r.ended_s) if good else max(replies, key=lambda r: r.ended_s)

    def run(self, client: Client, now_s: float = 0.0, deadline_s: float = math.inf, op: int = 1) -> CallResult:
        flow = call(
            client,
            "kv",
            Request("get", {"key": 1}),
            op=op,
            layer=1,
            parent_id=77,
            call_no=2,
            now_s=now_s,
            deadline_s=deadline_s,
            criticality=3,
        )
        answer: Any = None
        while True:
            try:
                want = flow.send(answer)
            except StopIteration as end:
                result: CallResult = end.value
                return result
            if isinstance(want, Wait):
                assert want.until_s > now_s, "a wait into the past is a wasted turn"
                now_s = want.until_s
                self.waits.append(now_s)
                answer = now_s
            else:
                answer = self.hedged(want, now_s) if isinstance(want, Hedged) else self.one(want, now_s)
                now_s = answer.ended_s

    @property
    def times(self) -> list[float]:
        return [at_s for at_s, _ in self.sent]


def always(what: tuple[Result, int, Cause], after_s: float = 0.125) -> Server:
    return lambda send, now_s: (what, after_s)


def a_client(**settings: Any) -> Client:
    return Client(compose(settings), 7, "bank/kv", 0.0)


FIXED = ("fixed", {"delay": 0.25})


def test_a_success_is_one_attempt() -> None:
    driver = Driver(always(OK))
    result = driver.run(a_client(attempts=3))
    assert (result.ok, result.attempts, result.ended_s, result.limited) == (True, 1, 0.125, False)


def test_an_attempt_says_all_that_its_receiver_needs() -> None:
    driver = Driver(always(OK))
    client = a_client(attempts=3, timeout_s=0.5, deadline_s=2.0, propagate_deadline=True)
    driver.run(client, now_s=1.0)
    ((_, send),) = driver.sent
    assert send == Send("kv", Request("get", {"key": 1}), attempt_id(1, 77, 1, 2, 0), 77, 1, 1, 0, 0.5, 1.5, 3)


def test_without_propagation_the_receiver_is_told_no_deadline() -> None:
    driver = Driver(always(OK))
    driver.run(a_client(deadline_s=2.0))
    assert driver.sent[0][1].deadline_s == math.inf


def test_failures_are_retried_after_the_backoff_up_to_the_attempts() -> None:
    driver = Driver(always(BROKEN))
    client = a_client(attempts=3, backoff=FIXED)
    result = driver.run(client)
    assert driver.times == [0.0, 0.375, 0.75]
    assert [send.n for _, send in driver.sent] == [0, 1, 2]
    assert (result.ok, result.attempts, result.ended_s) == (False, 3, 0.875)
    assert (client.counters.attempts, client.counters.retries, client.counters.calls) == (3, 2, 1)


def test_a_retry_may_succeed() -> None:
    driver = Driver(lambda send, now_s: (OK if send.n == 1 else BUSY, 0.125))
    client = a_client(attempts=3)
    result = driver.run(client)
    assert (result.ok, result.attempts, result.ended_s, client.counters.good) == (True, 2, 0.25, 1)


def test_an_answer_that_says_no_is_not_repeated() -> None:
    driver = Driver(always(CONFLICT))
    result = driver.run(a_client(attempts=3))
    assert (result.ok, result.attempts, result.reply.status) == (False, 1, 409)


def test_the_wait_is_drawn_for_the_retry_it_precedes() -> None:
    driver = Driver(always(BROKEN, 0.0))
    driver.run(a_client(attempts=3, backoff=("exponential", {"base": 1.0, "cap": 8.0, "jitter": "full"})))
    stream = seeds.stream_id("backoff/bank/kv")
    draws = [seeds.draw(7, stream, attempt_id(1, 77, 1, 2, n)) for n in (1, 2)]
    assert driver.times == [0.0, draws[0] * 1.0, draws[0] * 1.0 + draws[1] * 2.0]


def test_an_attempt_lives_no_longer_than_the_deadline_leaves() -> None:
    driver = Driver(always(OK, 99.0))
    result = driver.run(a_client(attempts=3, timeout_s=0.5, deadline_s=1.25), now_s=10.0)
    assert [(at_s, send.timeout_s) for at_s, send in driver.sent] == [(10.0, 0.5), (10.5, 0.5), (11.0, 0.25)]
    assert (result.ok, result.ended_s, result.reply.result) == (False, 11.25, Result.TIMEOUT)


def test_a_retry_that_would_wait_past_the_deadline_is_not_waited_for() -> None:
    driver = Driver(always(BROKEN))
    client = a_client(attempts=5, backoff=FIXED, deadline_s=0.75)
    result = driver.run(client)
    assert driver.times == [0.0, 0.375]  # the third would leave at 0.75, which is the deadline
    assert (result.ended_s, client.counters.cut_by_deadline) == (0.5, 1)


def test_the_earlier_deadline_counts() -> None:
    driver = Driver(always(OK, 99.0))
    result = driver.run(a_client(attempts=3, timeout_s=1.0, deadline_s=5.0), deadline_s=1.5)
    assert (len(driver.sent), result.ended_s) == (2, 1.5)


def test_nothing_is_sent_at_the_deadline() -> None:
    driver = Driver(always(OK))
    client = a_client(attempts=3)
    result = driver.run(client, now_s=2.0, deadline_s=2.0)
    assert driver.sent == []
    assert result == (False, Reply(Result.UNSENT, 0, Cause.TIMEOUT, 2.0), 0, 2.0, False)


def test_a_timer_that_fires_late_sends_nothing_after_the_deadline() -> None:
    client = a_client(attempts=2, backoff=FIXED, deadline_s=1.0, retry_budget=("envoy", {}))
    flow = call(client, "kv", Request("get", {}), op=1, layer=0, parent_id=0, call_no=0, now_s=0.0, deadline_s=math.inf)
    next(flow)
    want = flow.send(Reply(*BROKEN, 0.125))
    assert want == Wait(0.375)
    with pytest.raises(StopIteration) as end:
        flow.send(1.0)
    assert (end.value.value.attempts, end.value.value.ended_s) == (1, 1.0)
    assert client.budget_state == (0, 0)  # the granted retry was given back


def test_the_budget_refuses_and_the_failure_stands() -> None:
    driver = Driver(always(BUSY))
    client = a_client(attempts=4, retry_budget=("token_bucket", {"ratio": 0.0, "burst": 2}))
    results = [driver.run(client, op=op) for op in (1, 2, 3)]
    assert [r.attempts for r in results] == [3, 1, 1]
    assert all(r.reply.result is Result.REFUSED and not r.limited for r in results)
    assert (client.counters.retries, client.counters.refused_by_budget) == (2, 3)


def test_a_refused_retry_ends_the_call_at_once_without_its_wait() -> None:
    driver = Driver(always(BUSY))
    client = a_client(attempts=4, backoff=FIXED, retry_budget=("retry_circuit", {"max_rate": 0.0}))
    result = driver.run(client)
    assert (driver.waits, result.ended_s) == ([], 0.125)


def test_a_breaker_refuses_locally_and_is_counted_apart() -> None:
    driver = Driver(always(BROKEN))
    client = a_client(attempts=1, breaker=("consecutive", {"failures": 2, "open_for": 1.0}))
    for op in (1, 2):
        driver.run(client, op=op)
    result = driver.run(client, now_s=0.5, op=3)
    assert len(driver.sent) == 2
    assert result == (False, Reply(Result.UNSENT, 0, Cause.CLIENT_LIMIT, 0.5), 0, 0.5, True)
    assert client.counters.refused_by_breaker == 1


def test_a_breaker_that_opens_in_mid_call_ends_it_with_the_last_failure() -> None:
    driver = Driver(always(BROKEN))
    client = a_client(attempts=5, breaker=("consecutive", {"failures": 2, "open_for": 9.0}), retry_budget=("envoy", {}))
    result = driver.run(client)
    assert (result.attempts, result.limited, result.reply.status) == (2, True, 500)
    assert client.budget_state == (0, 0)


def test_a_conflict_does_not_open_a_breaker() -> None:
    driver = Driver(always(CONFLICT))
    client = a_client(attempts=1, breaker=("consecutive", {"failures": 2}))
    for op in range(1, 10):
        driver.run(client, op=op)
    assert len(driver.sent) == 9


def test_a_paced_client_waits_its_turn_and_keeps_the_deadline() -> None:
    driver = Driver(always(OK, 0.0))
    client = a_client(limiter=("pace", {"rate": 4.0}), deadline_s=0.5)
    results = [driver.run(client, op=op) for op in (1, 2)]
    # both ask at 0: the second leaves a quarter later
    assert driver.times == [0.0, 0.25]
    assert [r.ok for r in results] == [True, True]
    third = driver.run(client, op=3)  # would leave at 0.5, the deadline
    assert (third.limited, third.ended_s, client.counters.refused_by_limiter) == (True, 0.0, 1)


def test_an_adaptive_throttle_refuses_in_its_share() -> None:
    driver = Driver(always(BUSY, 0.0))
    client = a_client(limiter=("sre", {}))
    results = [driver.run(client, op=op) for op in range(1, 201)]
    stream = seeds.stream_id("limiter/bank/kv")
    expected = [seeds.draw(7, stream, attempt_id(op, 77, 1, 2, 0), 0) < (op - 1) / op for op in range(1, 201)]
    # one parent for all calls, so one draw for all: what matters is that it is that draw
    assert [r.limited for r in results] == expected
    assert client.counters.attempts + client.counters.refused_by_limiter == 200


@pytest.mark.parametrize(
    ("rule", "hint_s", "left_s"),
    [
        (None, 2.0, 0.375),
        ("retry_after", 2.0, 2.125),
        ("retry_after", 0.1, 0.375),
        ("grpc_pushback", 0.125, 0.25),
        ("amz_retry_after", 90.0, 5.375),
    ],
)
def test_a_hint_changes_when_the_retry_leaves(rule: str | None, hint_s: float, left_s: float) -> None:
    driver = Driver(always(BUSY), hint_s)
    driver.run(a_client(attempts=2, backoff=FIXED, hints=None if rule is None else (rule, {})))
    assert driver.times == [0.0, left_s]


def test_a_negative_pushback_means_never() -> None:
    driver = Driver(always(BUSY), -1.0)
    client = a_client(attempts=3, hints=("grpc_pushback", {}))
    assert driver.run(client).attempts == 1
    assert client.counters.refused_by_hint == 1


def slow_first(send: Send, now_s: float) -> tuple[tuple[Result, int, Cause], float]:
    return OK, 3.0 if send.n == 0 else 0.125


HEDGE = ("delayed", {"delay": 0.5, "copies": 2})


def test_a_hedge_overtakes_a_slow_first_copy() -> None:
    driver = Driver(slow_first)
    client = a_client(attempts=3, hedge=HEDGE)
    result = driver.run(client)
    assert driver.times == [0.0, 0.5]
    assert (result.ok, result.attempts, result.ended_s) == (True, 2, 0.625)
    assert (client.counters.attempts, client.counters.hedges, client.counters.retries) == (2, 1, 0)


def test_a_fast_first_copy_needs_no_hedge_and_pays_for_none() -> None:
    driver = Driver(always(OK, 0.25))
    client = a_client(attempts=3, hedge=HEDGE, retry_budget=("token_bucket", {"ratio": 0.0, "burst": 5}))
    result = driver.run(client)
    assert (result.attempts, client.counters.hedges, client.budget_state.tokens) == (1, 0, 5_000_000)


def test_copies_are_bounded_by_the_budget_and_by_the_time_left() -> None:
    driver = Driver(always(OK, 9.0))
    client = a_client(attempts=3, timeout_s=2.0, hedge=HEDGE, retry_budget=("token_bucket", {"ratio": 0.0, "burst": 1}))
    driver.run(client)
    assert driver.times == [0.0, 0.5]
    assert client.budget_state.tokens == 0
    driver = Driver(always(OK, 9.0))
    driver.run(a_client(attempts=3, timeout_s=2.0, deadline_s=0.75, hedge=HEDGE))
    assert driver.times == [0.0, 0.5]  # a second copy would leave after the deadline
    assert [send.timeout_s for _, send in driver.sent] == [0.75, 0.25]


def test_when_all_copies_failed_the_call_retries_with_fresh_ids() -> None:
    driver = Driver(always(BROKEN, 0.75))
    client = a_client(attempts=4, hedge=HEDGE, backoff=FIXED)
    result = driver.run(client)
    assert driver.times == [0.0, 0.5, 1.0, 2.0]  # three copies; the last failed at 1.75
    assert result.attempts == 4
    ids = [send.attempt_id for _, send in driver.sent]
    assert len(set(ids)) == 4


def test_a_late_reply_during_the_wait_ends_the_call_well() -> None:
    client = a_client(attempts=3, timeout_s=0.5, backoff=FIXED, retry_budget=("envoy", {}))
    flow = call(client, "kv", Request("get", {}), op=1, layer=0, parent_id=0, call_no=0, now_s=0.0, deadline_s=math.inf)
    next(flow)
    assert flow.send(Reply(*LATE, 0.5)) == Wait(0.75)
    with pytest.raises(StopIteration) as end:
        flow.send(Reply(*OK, 0.625))
    result = end.value.value
    assert (result.ok, result.attempts, result.ended_s) == (True, 1, 0.625)
    assert client.budget_state == (0, 0)
    assert client.counters.good == 1


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_call_that_is_closed_gives_back_what_it_holds(turns: int) -> None:
    client = a_client(attempts=3, backoff=FIXED, retry_budget=("envoy", {}))
    flow = call(client, "kv", Request("get", {}), op=1, layer=0, parent_id=0, call_no=0, now_s=0.0, deadline_s=math.inf)
    next(flow)  # sent
    if turns > 1:
        flow.send(Reply(*BROKEN, 0.125))  # waiting
    if turns > 2:
        flow.send(0.375)  # sent again
    flow.close()
    assert client.budget_state == (0, 0)


def test_two_layers_of_one_operation_never_share_an_attempt_id() -> None:
    ids = {
        attempt_id(op, parent, layer, k, n)
        for op in range(1, 6)
        for parent in (0, 9)
        for layer in range(3)
        for k in range(3)
        for n in range(4)
    }
    # with a parent the operation does not matter: 5 x 36 without one, 36 with
    assert len(ids) == 5 * 36 + 36
    assert 0 not in ids


@given(
    script=st.lists(st.tuples(st.sampled_from([OK, BUSY, BROKEN, CONFLICT]), st.floats(0.0, 2.0)), min_size=1),
    attempts=st.integers(2, 6),
    timeout_s=st.floats(0.01, 2.0),
    deadline_s=st.floats(0.01, 5.0),
    budget=st.sampled_from([None, ("token_bucket", {"ratio": 0.1, "burst": 2}), ("envoy", {}), ("botocore", {})]),
    breaker=st.sampled_from([None, ("consecutive", {"failures": 3, "open_for": 0.5})]),
    limiter=st.sampled_from([None, ("pace", {"rate": 3.0, "burst": 2}), ("sre", {})]),
    jitter=st.sampled_from(["none", "full", "equal", "decorrelated"]),
)
def test_no_call_breaks_its_bounds(
    script: list[tuple[tuple[Result, int, Cause], float]],
    attempts: int,
    timeout_s: float,
    deadline_s: float,
    budget: Any,
    breaker: Any,
    limiter: Any,
    jitter: str,
) -> None:
    """Never more attempts than allowed, none at or after the deadline, none longer than timeout or deadline leave."""
    client = a_client(
        attempts=attempts,
        timeout_s=timeout_s,
        deadline_s=deadline_s,
        retry_budget=budget,
        breaker=breaker,
        limiter=limiter,
        backoff=("exponential", {"base": 0.05, "jitter": jitter}),
    )
    turn = iter(range(10**6))
    driver = Driver(lambda send, now_s: script[next(turn) % len(script)])
    now_s = 0.0
    for op in range(1, 8):
        before = len(driver.sent)
        result = driver.run(client, now_s=now_s, op=op)
        sends = driver.sent[before:]
        end_s = now_s + deadline_s
        assert len(sends) == result.attempts <= attempts
        assert result.ended_s <= end_s + 1e-9
        assert all(at_s < end_s for at_s, _ in sends)
        assert all(send.timeout_s == min(timeout_s, end_s - at_s) for at_s, send in sends)
        assert result.ok is result.reply.ok
        now_s = result.ended_s + 0.1
    tally = client.counters
    assert tally.attempts == len(driver.sent) == tally.retries + len([1 for _, send in driver.sent if send.n == 0])
    if budget == ("envoy", {}):
        assert client.budget_state == (0, 0)  # nothing stays open after the calls
