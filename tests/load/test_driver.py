"""The driver does what a flow asks, once, and writes one row for each attempt. The network here is a function."""

from __future__ import annotations

import math
import socket
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import gevent
import numpy as np
import pytest

from harness.flows import wire
from harness.flows.wants import Answer as FlowAnswer
from harness.flows.wants import Cause, Hedged, Reply, Request, Result, Send, Wait, Want
from harness.load.clock import RunClock, monotonic_ns
from harness.load.connections import Answer, MalformedError, Stage, Trip
from harness.load.driver import Abandoned, Cut, Driver, Talk
from harness.load.http_face import Target
from harness.load.resolver import EmptyAnswer, NoAnswer
from harness.record.rows import RowWriter, read_rows

Network = Callable[[int, Trip], Answer]  # number of the exchange (from 1), and where it is
GOOD = Answer(200, {}, b'{"a": 1}')


class Pool:
    """A pool whose exchanges are a function; keeps what was written."""

    waiting_slot = 0

    def __init__(self, network: Network) -> None:
        self.requests: list[bytes] = []
        self.given_up = 0
        self._network = network

    def exchange(self, request: bytes, trip: Trip) -> Answer:
        self.requests.append(request)
        trip.stage = Stage.SENT
        try:
            return self._network(len(self.requests), trip)
        except gevent.GreenletExit:
            self.given_up += 1
            raise


class Bench:
    """A driver over a network, with its rows."""

    def __init__(self, path: Path, network: Network, late_replies: bool = False) -> None:
        self.pool = Pool(network)
        self.clock = RunClock(monotonic_ns())
        self._path = path / "a.rows"
        self._rows = RowWriter(self._path, "attempt", "test", self.clock.zero_ns, {"target": ["dns", "kv"]})
        self.seen: list[Reply] = []
        pool: Any = self.pool
        target = Target(1, "kv.region.test", 8000, pool)
        targets = {"kv": target}
        self.driver = Driver(self.clock, targets, self._rows, lambda w, r, s, n: self.seen.append(r), late_replies)
        self.talk = Talk()

    def play(self, *wants: Want) -> list[FlowAnswer]:
        """Yield the wants one after the other; the answers."""
        answers: list[FlowAnswer] = []

        def flow() -> Generator[Want, FlowAnswer, None]:
            for want in wants:
                answer = yield want
                answers.append(answer)

        with gevent.Timeout(5):
            self.driver.play(flow(), self.talk)
        return answers

    def rows(self) -> Any:
        gevent.sleep(0)  # attempts thrown out of their waits write their rows
        self.close()
        return read_rows(self._path).rows

    def close(self) -> None:
        self._rows.close()


MakeBench = Callable[..., Bench]


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[MakeBench]:
    made: list[Bench] = []

    def make(network: Network, late_replies: bool = False) -> Bench:
        path = tmp_path / str(len(made))
        path.mkdir()
        made.append(Bench(path, network, late_replies))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


def send(n: int = 0, timeout_s: float = 1.0, deadline_s: float = math.inf) -> Send:
    request = Request("read", {"table": "users", "key": "é"}, write=False)
    return Send("kv", request, 1000 + n, 5, 77, 2, n, timeout_s, deadline_s, 3)


def hang(n: int, trip: Trip) -> Answer:
    gevent.sleep(60)
    return GOOD


def test_an_attempt_is_one_post_with_its_two_headers(make_bench: MakeBench) -> None:
    bench = make_bench(lambda n, trip: GOOD)
    (reply,) = bench.play(send(deadline_s=2.5))
    assert (reply.result, reply.status, reply.cause, reply.body) == (Result.OK, 200, Cause.NONE, {"a": 1})
    head, _, body = bench.pool.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    assert lines[0] == "POST /read HTTP/1.1"
    assert headers["Host"] == "kv.region.test:8000"
    assert int(headers["Content-Length"]) == len(body)
    assert wire.parse_attempt(headers[wire.ATTEMPT_HEADER]) == 1000
    assert wire.parse_context(headers[wire.CONTEXT_HEADER]) == wire.Context(77, 2, 0, 2_500_000_000, 3)


def test_its_row_says_who_what_when_and_how(make_bench: MakeBench) -> None:
    bench = make_bench(lambda n, trip: GOOD)
    before_ns = bench.clock.now_ns()
    bench.play(send(n=4))
    (row,) = bench.rows()
    named = {name: row[name].item() for name in row.dtype.names}
    sent_ns, ended_ns = named.pop("sent_ns"), named.pop("ended_ns")
    assert named == {
        "op": 77, "layer": 2, "parent": 5, "attempt": 1004, "n": 4, "target": 1, "result": 0, "status": 200, "cause": 0,
    }  # fmt: skip
    assert before_ns <= sent_ns <= ended_ns <= bench.clock.now_ns()
    assert (bench.talk.attempts, bench.driver.attempts_total, len(bench.seen)) == (1, 1, 1)


@pytest.mark.parametrize(
    ("answer", "result", "cause", "hint_s"),
    [
        (Answer(503, {"retry-after": "0.25"}, b'{"code": "queue_full"}'), Result.REFUSED, Cause.QUEUE_FULL, 0.25),
        (Answer(429, {}, b'{"code": "throttled"}'), Result.REFUSED, Cause.THROTTLED, math.nan),
        (Answer(503, {}, b'{"code": "dependency"}'), Result.ERROR, Cause.DEPENDENCY, math.nan),
        (Answer(500, {"retry-after": "soon"}, b"<html>"), Result.ERROR, Cause.SERVER_ERROR, math.nan),
        (Answer(409, {}, b'{"code": "conflict"}'), Result.ERROR, Cause.CONFLICT, math.nan),
        (Answer(404, {}, b'{"code": 7}'), Result.ERROR, Cause.SERVER_ERROR, math.nan),
        (Answer(302, {}, b""), Result.ERROR, Cause.SERVER_ERROR, math.nan),
    ],
)
def test_answers_mean_what_the_wire_says(
    make_bench: MakeBench, answer: Answer, result: Result, cause: Cause, hint_s: float
) -> None:
    bench = make_bench(lambda n, trip: answer)
    (reply,) = bench.play(send())
    assert (reply.result, reply.cause, reply.status) == (result, cause, answer.status)
    np.testing.assert_equal(reply.retry_after_s, hint_s)
    assert bench.talk.attempts == 1


@pytest.mark.parametrize(
    ("stage", "error", "result", "cause"),
    [
        (Stage.NAME, EmptyAnswer(socket.EAI_NONAME, "empty"), Result.UNSENT, Cause.DNS_EMPTY),
        (Stage.NAME, NoAnswer(socket.EAI_AGAIN, "silence"), Result.UNSENT, Cause.DNS_FAILED),
        (Stage.CONNECT, ConnectionRefusedError(), Result.UNSENT, Cause.CONNECT),
        (Stage.SENT, ConnectionResetError(), Result.ERROR, Cause.RESET),
        (Stage.SENT, MalformedError("rubbish"), Result.ERROR, Cause.SERVER_ERROR),
    ],
)
def test_failures_say_how_far_they_got(
    make_bench: MakeBench, stage: Stage, error: Exception, result: Result, cause: Cause
) -> None:
    def fail(n: int, trip: Trip) -> Answer:
        trip.stage = stage
        raise error

    for late in (False, True):
        bench = make_bench(fail, late)
        (reply,) = bench.play(send())
        assert (reply.result, reply.cause, reply.status) == (result, cause, 0)
        assert bench.talk.attempts == (result is not Result.UNSENT)  # what never left is not an attempt that left
        assert bench.driver.causes == {cause.name.lower(): 1}
        assert [row["cause"] for row in bench.rows()] == [cause]


@pytest.mark.parametrize(
    ("stage", "result", "cause"),
    [
        (Stage.SLOT, Result.UNSENT, Cause.NO_SLOT),
        (Stage.NAME, Result.UNSENT, Cause.DNS_FAILED),
        (Stage.CONNECT, Result.UNSENT, Cause.CONNECT),
        (Stage.SENT, Result.TIMEOUT, Cause.TIMEOUT),
    ],
)
def test_one_deadline_is_round_everything(make_bench: MakeBench, stage: Stage, result: Result, cause: Cause) -> None:
    def stuck(n: int, trip: Trip) -> Answer:
        trip.stage = stage
        while True:  # as a server that sends a byte now and then: every wait is short, and it never ends
            gevent.sleep(0.001)

    for late in (False, True):
        bench = make_bench(stuck, late)
        (reply,) = bench.play(send(timeout_s=0.02))
        assert (reply.result, reply.cause) == (result, cause)
        (row,) = bench.rows()
        assert row["ended_ns"] - row["sent_ns"] >= 19_000_000
        assert bench.pool.given_up == late  # in place, the timeout itself ends the exchange


def test_a_foreign_timeout_is_not_taken_for_ours(make_bench: MakeBench) -> None:
    bench = make_bench(hang)
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.01):
        bench.play(send())


def test_a_wait_promised_is_a_wait_honoured(make_bench: MakeBench) -> None:
    bench = make_bench(hang)
    until_s = bench.clock.now_s() + 0.02
    job = gevent.spawn(bench.play, Wait(until_s), Wait(-1.0))
    gevent.sleep(0.005)
    assert bench.driver.waiting_orbit == 1
    first, second = job.get()
    assert until_s <= first <= second
    assert bench.driver.waiting_orbit == 0


def test_what_a_flow_returns_comes_back_and_its_clean_up_runs(make_bench: MakeBench) -> None:
    closed = []

    def flow() -> Generator[Want, FlowAnswer, str]:
        try:
            yield send()
        finally:
            closed.append(True)
        return "done"

    bench = make_bench(lambda n, trip: GOOD)
    assert bench.driver.play(flow(), Talk()) == "done"
    assert closed == [True]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("stop", "result", "ended"), [(Cut, Result.UNFINISHED, False), (Abandoned, Result.TIMEOUT, True)]
)
def test_an_attempt_stopped_from_outside_has_a_row(
    make_bench: MakeBench, stop: type[BaseException], result: Result, ended: bool, late: bool
) -> None:
    bench = make_bench(hang, late)
    job = gevent.spawn(bench.play, send())
    gevent.sleep(0.005)
    job.kill(exception=stop)
    (row,) = bench.rows()
    assert (row["result"], row["cause"]) == (result, Cause.NONE)
    assert (row["ended_ns"] >= 0) == ended
    assert bench.talk.attempts == 1


def answers_after(*delays_s: float) -> Network:
    """Exchange n answers with status 200 and body n after the nth delay."""

    def network(n: int, trip: Trip) -> Answer:
        gevent.sleep(delays_s[n - 1])
        return Answer(200, {}, str(n).encode())

    return network


def test_without_late_replies_giving_up_is_final(make_bench: MakeBench) -> None:
    bench = make_bench(answers_after(0.03, 0.03))
    replies = bench.play(send(0, 0.01), send(1, 0.05))
    assert [(reply.result, reply.body) for reply in replies] == [(Result.TIMEOUT, None), (Result.OK, 2)]


def test_a_late_reply_answers_the_send_that_is_open(make_bench: MakeBench) -> None:
    bench = make_bench(answers_after(0.03, 60.0), late_replies=True)
    replies = bench.play(send(0, 0.01), send(1, 5.0))
    assert [(reply.result, reply.body) for reply in replies] == [(Result.TIMEOUT, None), (Result.OK, 1)]
    assert [(row["result"], row["cause"]) for row in bench.rows()] == [
        (Result.TIMEOUT, Cause.TIMEOUT), (Result.TIMEOUT, Cause.NONE),
    ]  # fmt: skip
    assert bench.pool.given_up == 1  # nobody waits for the second any more


def test_a_late_reply_ends_a_wait(make_bench: MakeBench) -> None:
    bench = make_bench(answers_after(0.02), late_replies=True)
    timed_out, reply = bench.play(send(0, 0.005), Wait(60.0))
    assert (timed_out.result, reply.result, reply.body) == (Result.TIMEOUT, Result.OK, 1)
    assert timed_out.ended_s < reply.ended_s < 1.0


def test_a_late_failure_changes_nothing(make_bench: MakeBench) -> None:
    def network(n: int, trip: Trip) -> Answer:
        gevent.sleep(0.01)
        return Answer(500, {}, b"")

    bench = make_bench(network, late_replies=True)
    timed_out, woken_s = bench.play(send(0, 0.005), Wait(0.03))
    assert timed_out.result is Result.TIMEOUT
    assert isinstance(woken_s, float)
    assert woken_s >= 0.03


def test_the_end_of_an_operation_ends_its_late_attempts(make_bench: MakeBench) -> None:
    bench = make_bench(hang, late_replies=True)
    bench.play(send(0, 0.005))
    gevent.sleep(0.001)
    assert bench.pool.given_up == 1


def test_a_hedge_is_not_sent_when_the_first_answers_in_time(make_bench: MakeBench) -> None:
    bench = make_bench(answers_after(0.005))
    (reply,) = bench.play(Hedged(send(0), (send(1),), 3.0))
    assert reply.body == 1
    assert len(bench.pool.requests) == 1


def test_the_first_good_copy_wins_and_the_others_are_abandoned(make_bench: MakeBench) -> None:
    bench = make_bench(answers_after(60.0, 0.01, 60.0))
    (reply,) = bench.play(Hedged(send(0), (send(1), send(2)), 0.02))
    assert reply.body == 2
    assert [(row["n"], row["result"], row["cause"]) for row in bench.rows()] == [
        (1, Result.OK, Cause.NONE), (0, Result.TIMEOUT, Cause.NONE),
    ]  # fmt: skip
    assert bench.talk.attempts == 2


def test_copies_leave_at_their_time_while_any_is_open_and_the_last_failure_counts(make_bench: MakeBench) -> None:
    def network(n: int, trip: Trip) -> Answer:
        gevent.sleep([0.05, 0.001, 0.001][n - 1])
        return Answer(500 + n, {}, b"")

    bench = make_bench(network)
    start_ns = bench.clock.now_ns()
    (reply,) = bench.play(Hedged(send(0), (send(1), send(2)), 0.01))
    assert reply.status == 501
    sent_ns = [int(row["sent_ns"]) for row in sorted(bench.rows(), key=lambda row: row["n"])]
    assert sent_ns[1] - start_ns >= 10_000_000
    assert sent_ns[2] - start_ns >= 20_000_000


def test_a_race_cut_by_the_end_leaves_every_copy_unfinished(make_bench: MakeBench) -> None:
    bench = make_bench(hang)
    job = gevent.spawn(bench.play, Hedged(send(0), (send(1),), 0.005))
    gevent.sleep(0.02)
    job.kill(exception=Cut)
    assert [(row["result"], row["ended_ns"]) for row in bench.rows()] == [(Result.UNFINISHED, -1)] * 2


def test_a_late_reply_that_came_between_two_wants_saves_the_next_send(make_bench: MakeBench) -> None:
    bench = make_bench(answers_after(0.01), late_replies=True)
    replies: list[FlowAnswer] = []

    def flow() -> Generator[Want, FlowAnswer, None]:
        reply = yield send(0, 0.002)
        replies.append(reply)
        gevent.sleep(0.02)  # as a flow that is busy while the reply comes
        reply = yield send(1, 1.0)
        replies.append(reply)

    bench.driver.play(flow(), bench.talk)
    assert [reply.result for reply in replies] == [Result.TIMEOUT, Result.OK]
    assert len(bench.pool.requests) == 1
    assert [row["result"] for row in bench.rows()] == [Result.TIMEOUT]


def test_a_late_reply_is_an_answer_within_its_own_call_only(make_bench: MakeBench) -> None:
    """A story of several calls: the first call's late reply ends that call, and the next one is sent."""
    bench = make_bench(answers_after(0.02, 0.0), late_replies=True)
    first, late, second = bench.play(send(0, 0.005), Wait(60.0), send(0, 1.0))
    assert (first.result, late.body, second.result, second.body) == (Result.TIMEOUT, 1, Result.OK, 2)
    assert len(bench.pool.requests) == 2
    assert [row["result"] for row in bench.rows()] == [Result.TIMEOUT, Result.OK]


def test_a_call_that_was_given_up_cannot_answer_the_next(make_bench: MakeBench) -> None:
    bench = make_bench(answers_after(0.02, 0.04), late_replies=True)
    replies = bench.play(send(0, 0.005), send(0, 1.0))
    assert [(reply.result, reply.body) for reply in replies] == [(Result.TIMEOUT, None), (Result.OK, 2)]
    assert bench.pool.given_up == 1  # the first call's exchange ends when the second begins
