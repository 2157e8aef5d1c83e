"""The asyncio driver of flows: answers a Send with one attempt on the wire, a Wait with a sleep, a Hedged with a race,
and a Park when its gate is opened.

The flow decides (retries, budgets, deadlines); this file only does, and writes down what it did: one ATTEMPT row for
each Send, whatever happened to it. It keeps the same rules as the gevent driver of the load process, so that one flow
behaves alike in both:

- an attempt has one total deadline around everything: name, connection, request, answer;
- an attempt whose caller stops caring (hedge lost, an earlier attempt came good, the app's own caller went away) ends
  as TIMEOUT with cause NONE: indeterminate, not failed. One cut off by the end of the run is UNFINISHED, ended -1;
- with `late_replies` an attempt that timed out keeps its connection while its flow is open. Its OK reply ends a Wait at
  once, and answers the Send that is open or comes next (which is then not sent), but only within the call it was sent
  for: a session read that comes late is no answer to the write after it. Without, giving up closes the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from harness.flows.wants import Cause, Flow, Gate, Hedged, Park, Reply, Result, Send, Wait, Want
from harness.record.rows import RowWriter
from mock_services.clock import Clock
from mock_services.outbound import TIMED_OUT, Outbound, Stage, Trip


def _nothing(now_s: float) -> None:
    """The default for `after_step`."""


class _Talk:
    """One flow's conversation: a reply that came too late, and exchanges that may still bring one."""

    __slots__ = ("_loop", "carriers", "late")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.late: asyncio.Future[Reply] = loop.create_future()
        self.carriers: dict[asyncio.Task[Reply], None] = {}  # in order of sending, and closed in it

    def begin_call(self) -> None:
        """A first attempt is about to be sent: nothing of the call before matters any more."""
        self.close()
        if self.late.done():
            self.late = self._loop.create_future()

    def close(self) -> None:
        """Nobody waits any more for what may still come."""
        for carrier in self.carriers:
            carrier.cancel()
        self.carriers.clear()

    def take(self, carrier: asyncio.Task[Reply]) -> None:
        """An exchange ended after its attempt had timed out."""
        if carrier not in self.carriers:
            return
        del self.carriers[carrier]
        if not carrier.cancelled() and carrier.exception() is None and carrier.result().ok and not self.late.done():
            self.late.set_result(carrier.result())


class Driver:
    """Plays flows as part of the running task. `targets` gives each component's id in attempt rows."""

    def __init__(
        self,
        clock: Clock,
        outbound: Outbound,
        rows: RowWriter,
        targets: tuple[str, ...],
        late_replies: bool = False,
        after_step: Callable[[float], None] = _nothing,
    ) -> None:
        """`after_step(now_s)` is called after every step of every flow."""
        self.attempts_total = 0  # Sends answered or cut off, sent or not
        self.stopping = False  # set before cutting flows off at the end of a run
        self._clock = clock
        self._outbound = outbound
        self._rows = rows
        self._targets = {name: number for number, name in enumerate(targets)}
        self._late_replies = late_replies
        self._after_step = after_step

    async def play(self, flow: Flow) -> Any:
        """Run one flow to its end; what it returned. Cancelling the task closes the flow."""
        talk = _Talk(asyncio.get_running_loop()) if self._late_replies else None
        answer: object = None
        try:
            while True:
                try:
                    want = flow.send(answer)
                except StopIteration as end:
                    return end.value
                self._after_step(self._clock.now_s())
                if talk is not None and _begins(want):
                    talk.begin_call()
                if isinstance(want, Send):
                    answer = await (self._attempt(want) if talk is None else self._attempt_or_late(want, talk))
                elif isinstance(want, Wait):
                    answer = await self._wait(want.until_s, talk)
                elif isinstance(want, Park):
                    answer = await _opened(want.gate)
                else:
                    answer = await self._race(want)
        finally:
            flow.close()
            if talk is not None:
                talk.close()
            self._after_step(self._clock.now_s())

    async def _wait(self, until_s: float, talk: _Talk | None) -> object:
        """Sleep until `until_s`: the time it then is, or the Reply of an earlier attempt that came good meanwhile."""
        wait_s = until_s - self._clock.now_s()
        if talk is not None:
            await asyncio.wait((talk.late,), timeout=max(0.0, wait_s))
            if talk.late.done():
                return talk.late.result()._replace(ended_s=self._clock.now_s())
        elif wait_s > 0.0:
            await asyncio.sleep(wait_s)
        return max(until_s, self._clock.now_s())  # the clock may be a rounding short of what the loop waited for

    async def _attempt(self, want: Send) -> Reply:
        """One attempt under one deadline: a reply, and a row, whatever happens."""
        trip = Trip()
        sent_ns = self._clock.now_ns()
        try:
            async with asyncio.timeout(_patience_s(want, sent_ns)):
                reply = await self._outbound.exchange(want, trip)
        except TimeoutError:
            result, cause = TIMED_OUT[trip.stage]
            reply = Reply(result, 0, cause, self._clock.now_s())
        except asyncio.CancelledError:
            self._given_up(want, sent_ns)
            raise
        self._record(want, reply, sent_ns)
        return reply

    async def _attempt_or_late(self, want: Send, talk: _Talk) -> Reply:
        """As `_attempt`, but the exchange runs beside the flow and may answer after its timeout."""
        if talk.late.done():
            return talk.late.result()._replace(ended_s=self._clock.now_s())
        trip = Trip()
        sent_ns = self._clock.now_ns()
        carrier = asyncio.create_task(self._outbound.exchange(want, trip))
        try:
            await asyncio.wait(
                (carrier, talk.late), timeout=_patience_s(want, sent_ns), return_when=asyncio.FIRST_COMPLETED
            )
        except asyncio.CancelledError:
            carrier.cancel()
            self._given_up(want, sent_ns)
            raise
        if carrier.done():
            reply = carrier.result()
        elif talk.late.done():
            carrier.cancel()
            self._given_up(want, sent_ns)
            return talk.late.result()._replace(ended_s=self._clock.now_s())
        else:
            result, cause = TIMED_OUT[trip.stage]
            reply = Reply(result, 0, cause, self._clock.now_s())
            if trip.stage is Stage.SENT:
                talk.carriers[carrier] = None
                carrier.add_done_callback(talk.take)
            else:
                carrier.cancel()
        self._record(want, reply, sent_ns)
        return reply

    async def _race(self, want: Hedged) -> Reply:
        """The first attempt, then one more each `delay_s` without an answer; the first OK wins, else the last reply."""
        start_s = self._clock.now_s()
        waiting = list(want.others)
        racers = {asyncio.create_task(self._attempt(want.first))}
        sent = 1
        answered = False
        try:
            while True:
                patience_s = None
                if waiting and not answered:
                    patience_s = max(0.0, start_s + sent * want.delay_s - self._clock.now_s())
                done, racers = await asyncio.wait(racers, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
                if not done:
                    racers.add(asyncio.create_task(self._attempt(waiting.pop(0))))
                    sent += 1
                    continue
                answered = True
                replies = sorted((task.result() for task in done), key=lambda reply: reply.ended_s)
                winner = next((reply for reply in replies if reply.ok), None)
                if winner is not None or not racers:
                    return winner or replies[-1]
        finally:
            for racer in racers:
                racer.cancel()
            await asyncio.gather(*racers, return_exceptions=True)

    def _record(self, want: Send, reply: Reply, sent_ns: int) -> None:
        self.attempts_total += 1
        self._rows.add(
            want.op, want.layer, want.parent_id, want.attempt_id, want.n, self._targets[want.target], sent_ns,
            round(reply.ended_s * 1e9), reply.result, reply.status, reply.cause,
        )  # fmt: skip

    def _given_up(self, want: Send, sent_ns: int) -> None:
        """Write the row of an attempt that nobody waits for any more."""
        self.attempts_total += 1
        result = Result.UNFINISHED if self.stopping else Result.TIMEOUT
        self._rows.add(
            want.op, want.layer, want.parent_id, want.attempt_id, want.n, self._targets[want.target], sent_ns,
            -1 if self.stopping else self._clock.now_ns(), result, 0, Cause.NONE,
        )  # fmt: skip


def _begins(want: Want) -> bool:
    """Whether a want has nothing to do with attempts before it: the first of a call, or waiting for something else."""
    if isinstance(want, Hedged):
        return want.first.n == 0
    return isinstance(want, Park) or (isinstance(want, Send) and want.n == 0)


async def _opened(gate: Gate) -> object:
    """What was put into the gate, once it is open."""
    if not gate.is_open:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        gate.resume = lambda: None if waiter.done() else waiter.set_result(None)
        await waiter
    return gate.answer


def _patience_s(want: Send, now_ns: int) -> float:
    """How long this attempt may take: its timeout, and never past the deadline."""
    return max(0.0, min(want.timeout_s, want.deadline_s - now_ns * 1e-9))
