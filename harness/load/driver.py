"""The gevent driver of flows: answers a Send with one attempt on the wire, a Wait with a sleep, a Hedged with a race.

The flow decides (retries, budgets, deadlines); this file only does, and writes down what it did: one ATTEMPT row for
each Send, whatever happened to it. Three rules keep the record true:

- An attempt has one total deadline, `timeout_s`, around everything: slot, name, connection, request, answer. Timeouts
  of sockets count from the last byte, so a dripping server holds them open for ever.
- An attempt is written to the wire once. Redirects and repeats are decisions, and decisions belong to flows.
- An attempt whose caller stops caring (hedge lost, earlier attempt answered late) ends as TIMEOUT with cause NONE:
  indeterminate, not failed. One cut off by the end of the run ends as UNFINISHED with `ended_ns` -1.

`late_replies`: a reply that comes after its attempt timed out, while the operation is still open, counts. A timed-out
attempt then keeps its connection, and its OK reply answers the Send or the Wait that is open. Only within the call it
was sent for: a story's next call begins with nothing of the one before. Off (the default), giving up closes the
connection. Copies of a hedge are not waited for beyond their timeout in either case.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import gevent
from gevent.event import Event
from gevent.queue import Empty, SimpleQueue

from harness.flows.wants import Cause, Flow, Hedged, Reply, Result, Send, Wait, Want
from harness.load.clock import RunClock
from harness.load.connections import MalformedError, Stage, Trip
from harness.load.http_face import TIMED_OUT, Target, broken, read_reply
from harness.record.rows import RowWriter

Observer = Callable[[Send, Reply, float, int], None]  # want, reply, sent_s, bytes of the body


class Cut(gevent.GreenletExit):
    """Thrown into an operation that the end of the run cuts off."""


class Abandoned(gevent.GreenletExit):
    """Thrown into an attempt whose caller no longer wants the answer."""


class Talk:
    """One operation's conversation, as the driver sees it: attempts sent, and replies that came too late."""

    __slots__ = ("attempts", "bell", "carriers", "late")

    def __init__(self) -> None:
        self.attempts = 0  # that left this process
        self.late: Reply | None = None  # an OK reply to an attempt that had timed out
        self.bell: Event | None = None
        self.carriers: list[Any] = []

    def begin_call(self) -> None:
        """A first attempt is about to be sent: nothing of the call before matters any more."""
        if self.carriers:
            gevent.killall(self.carriers, exception=Abandoned, block=False)
            self.carriers = []
        self.late = None


class Driver:
    """Plays flows in greenlets. One per process; `targets` by component name."""

    def __init__(
        self,
        clock: RunClock,
        targets: Mapping[str, Target],
        rows: RowWriter,
        observe: Observer | None = None,
        late_replies: bool = False,
    ) -> None:
        self.clock = clock
        self.targets = targets
        self.waiting_orbit = 0  # operations waiting between two attempts
        self.attempts_total = 0  # Sends answered, sent or not
        self.causes: dict[str, int] = {}  # cause name -> attempts that ended with it
        self._rows = rows
        self._observe = observe
        self._late_replies = late_replies

    @property
    def waiting_slot(self) -> int:
        """Attempts waiting for a connection slot now."""
        return sum(target.pool.waiting_slot for target in self.targets.values())

    def play(self, flow: Flow, talk: Talk) -> Any:
        """Run one flow to its end in this greenlet; what the flow returned. Cut or Abandoned may be thrown in."""
        answer: object = None
        send = self._attempt_or_late if self._late_replies else self._attempt
        try:
            while True:
                try:
                    want = flow.send(answer)
                except StopIteration as end:
                    return end.value
                if self._late_replies and _begins(want):
                    talk.begin_call()
                if isinstance(want, Send):
                    answer = send(want, talk)
                elif isinstance(want, Wait):
                    answer = self._wait(want.until_s, talk)
                else:
                    assert isinstance(want, Hedged), "a user's story has nothing inside this process to wait for"
                    answer = self._race(want, talk)
        finally:
            flow.close()
            if talk.carriers:
                gevent.killall(talk.carriers, exception=Abandoned, block=False)

    def _wait(self, until_s: float, talk: Talk) -> float | Reply:
        """Sleep until `until_s`: the time it then is, or the reply of an earlier attempt that came good meanwhile."""
        now_s = self.clock.now_s()
        self.waiting_orbit += 1
        try:
            while now_s < until_s:
                if talk.bell is None:
                    gevent.sleep(until_s - now_s)
                else:
                    talk.bell.wait(until_s - now_s)
                    talk.bell.clear()
                now_s = self.clock.now_s()
                if talk.late is not None:
                    return talk.late._replace(ended_s=now_s)
        finally:
            self.waiting_orbit -= 1
        return now_s

    def _attempt(self, want: Send, talk: Talk) -> Reply:
        """One attempt under one deadline: a reply, and a row, whatever happens."""
        target = self.targets[want.target]
        trip = Trip()
        size = 0
        sent_ns = self.clock.now_ns()
        timer = gevent.Timeout.start_new(want.timeout_s if want.timeout_s < math.inf else None)
        try:
            answer = target.pool.exchange(target.encode(want), trip)
            size = len(answer.body)
            reply = read_reply(answer, self.clock.now_s())
        except gevent.Timeout as strike:
            if strike is not timer:
                raise
            result, cause = TIMED_OUT[trip.stage]
            reply = Reply(result, 0, cause, self.clock.now_s())
        except (Cut, Abandoned) as stop:
            self._cut_short(want, talk, sent_ns, trip.stage, isinstance(stop, Cut))
            raise
        except (OSError, MalformedError) as error:
            reply = broken(error, trip.stage, self.clock.now_s())
        finally:
            timer.close()
        self._record(want, talk, reply, sent_ns, size)
        return reply

    def _record(self, want: Send, talk: Talk, reply: Reply, sent_ns: int, size: int) -> None:
        """Write the row of an attempt that came to an end, and tell the observer."""
        self.attempts_total += 1
        if reply.result is not Result.UNSENT:
            talk.attempts += 1
        if reply.cause is not Cause.NONE:
            name = reply.cause.name.lower()
            self.causes[name] = self.causes.get(name, 0) + 1
        self._rows.add(
            want.op, want.layer, want.parent_id, want.attempt_id, want.n, self.targets[want.target].number,
            sent_ns, round(reply.ended_s * 1e9), reply.result, reply.status, reply.cause,
        )  # fmt: skip
        if self._observe is not None:
            self._observe(want, reply, sent_ns * 1e-9, size)

    def _cut_short(self, want: Send, talk: Talk, sent_ns: int, stage: Stage, by_the_end: bool) -> None:
        """Write the row of an attempt that nobody waits for any more."""
        self.attempts_total += 1
        if stage is Stage.SENT:
            talk.attempts += 1
        result = Result.UNFINISHED if by_the_end else Result.TIMEOUT
        self._rows.add(
            want.op, want.layer, want.parent_id, want.attempt_id, want.n, self.targets[want.target].number,
            sent_ns, -1 if by_the_end else self.clock.now_ns(), result, 0, Cause.NONE,
        )  # fmt: skip

    def _race(self, want: Hedged, talk: Talk) -> Reply:
        """The first copy, then one more each `delay_s` while any is open: the first OK reply, else the last one."""
        answers: Any = SimpleQueue()
        waiting = list(want.others)
        start_s = self.clock.now_s()
        racers = [gevent.spawn(self._run, want.first, talk, answers)]
        answered = 0
        try:
            while True:
                next_s = start_s + (len(want.others) - len(waiting) + 1) * want.delay_s
                now_s = self.clock.now_s()
                if waiting and now_s >= next_s:
                    racers.append(gevent.spawn(self._run, waiting.pop(0), talk, answers))
                    continue
                try:
                    reply: Reply = answers.get(timeout=next_s - now_s if waiting else None)
                except Empty:
                    continue
                answered += 1
                if reply.ok or answered == len(racers):
                    return reply
        except Cut:
            gevent.killall(racers, exception=Cut, block=False)
            raise
        finally:
            gevent.killall(racers, exception=Abandoned, block=False)

    def _run(self, want: Send, talk: Talk, answers: Any) -> None:
        """One copy of a race."""
        answers.put(self._attempt(want, talk))

    def _attempt_or_late(self, want: Send, talk: Talk) -> Reply:
        """As `_attempt`, but the exchange runs beside the operation and may answer after its timeout."""
        if talk.late is not None:  # came between two wants: nothing needs to be sent any more
            return talk.late._replace(ended_s=self.clock.now_s())
        if talk.bell is None:
            talk.bell = Event()
        sent_ns = self.clock.now_ns()
        trip, box = Trip(), _Box(sent_ns * 1e-9 + want.timeout_s)
        carrier = gevent.spawn(self._carry, want, talk, box, trip)
        talk.carriers.append(carrier)
        try:
            now_s = self._until_answered(talk, talk.bell, box)
        except (Cut, Abandoned) as stop:
            self._cut_short(want, talk, sent_ns, trip.stage, isinstance(stop, Cut))
            raise
        reply = box.reply
        if reply is None and now_s < box.until_s and talk.late is not None:  # an earlier attempt came good
            self._cut_short(want, talk, sent_ns, trip.stage, by_the_end=False)
            return talk.late._replace(ended_s=now_s)
        if reply is None:
            result, cause = TIMED_OUT[trip.stage]
            reply = Reply(result, 0, cause, now_s)
            if trip.stage is not Stage.SENT:
                carrier.kill(exception=Abandoned, block=False)
        self._record(want, talk, reply, sent_ns, box.size)
        return reply

    def _until_answered(self, talk: Talk, bell: Any, box: _Box) -> float:
        """Wait for this attempt's reply, a late one of an earlier attempt, or the timeout; the time it then is."""
        while True:
            now_s = self.clock.now_s()
            if box.reply is not None or talk.late is not None or now_s >= box.until_s:
                return now_s
            bell.wait(box.until_s - now_s if box.until_s < math.inf else None)
            bell.clear()

    def _carry(self, want: Send, talk: Talk, box: _Box, trip: Trip) -> None:
        """Bring one exchange to its end, however late, and ring."""
        target = self.targets[want.target]
        try:
            answer = target.pool.exchange(target.encode(want), trip)
            box.size = len(answer.body)
            reply = read_reply(answer, self.clock.now_s())
        except (OSError, MalformedError) as error:
            reply = broken(error, trip.stage, self.clock.now_s())
        if reply.ended_s < box.until_s:
            box.reply = reply
        elif reply.ok:
            talk.late = reply
        if talk.bell is not None:
            talk.bell.set()


def _begins(want: Want) -> bool:
    """Whether a want has nothing to do with attempts before it: the first of a call."""
    return (want.first.n if isinstance(want, Hedged) else want.n if isinstance(want, Send) else 1) == 0


class _Box:
    """Where a carried exchange leaves its reply; one that comes at or after `until_s` is late."""

    __slots__ = ("reply", "size", "until_s")

    def __init__(self, until_s: float) -> None:
        self.reply: Reply | None = None
        self.size = 0
        self.until_s = until_s
