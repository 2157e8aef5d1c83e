"""Plays a flow on the event heap: the third driver beside gevent and asyncio, and the shortest.

    Send     the network carries it; the reply resumes the flow
    Wait     the heap resumes it
    Park     whoever opens the gate has the heap resume it, at that moment
    Hedged   copies leave at their times while none is good; the first good reply wins, else the last one

With late replies accepted, an attempt that timed out keeps its connection while its flow goes on. A good reply to it
resumes the flow: between two attempts it answers the Wait, during one it takes that attempt's place. Only within the
call it was sent for: a session read that comes late is no answer to the write after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from harness.flows.wants import Answer, Flow, Gate, Hedged, Park, Reply, Send, Wait
from harness.sim.heap import Ticket, cancel
from harness.sim.network import Caller, Exchange


class Conversation:
    """One flow under way; `ended` gets what the flow returned, `stepped` is called after every step.

    Who plays a flow per request derives from this and overrides `end`: one object instead of three, and none of them
    in a ring that only a garbage collector could free.
    """

    __slots__ = ("_accepts_late", "_caller", "_ended", "_flow", "_kept", "_open", "_stepped", "_ticket", "sent",
                 "waiting")  # fmt: skip

    def __init__(
        self,
        flow: Flow,
        caller: Caller,
        ended: Callable[[Any], None] | None = None,
        stepped: Callable[[], None] | None = None,
        accepts_late: bool = False,
    ) -> None:
        self.waiting = False  # between two attempts
        self.sent = 0  # attempts that left, or tried to
        self._flow: Flow | None = flow
        self._caller = caller
        self._ended = ended
        self._stepped = stepped
        self._accepts_late = accepts_late
        self._open: Sequence[Exchange] = ()
        self._kept: Sequence[Exchange] = ()  # which may bring a reply late
        self._ticket: Ticket | None = None

    def begin(self) -> None:
        """Run the flow up to its first want."""
        self._resume(None)

    def end(self, value: Any) -> None:
        """The flow has returned `value`."""
        if self._ended is not None:
            self._ended(value)

    def abandon(self) -> None:
        """Nobody waits for this flow any more: its open attempts are given up, which their servers can notice."""
        for exchange in self._open:
            exchange.abandon()
        self._leave_kept()
        if self._flow is not None:
            self._flow.close()
            self._flow = None
        self._open = ()
        if self._stepped is not None:
            self._stepped()

    def cut(self) -> None:
        """The run ends: what is open becomes unfinished."""
        for exchange in (*self._open, *self._kept):
            exchange.cut()
        if self._flow is not None:
            self._flow.close()
            self._flow = None

    def _resume(self, answer: Answer) -> None:
        flow = self._flow
        if flow is None:
            return
        try:
            want = flow.send(answer)
        except StopIteration as end:
            self._flow = None
            self._open = ()
            if self._kept:
                self._leave_kept()
            self.end(end.value)
        else:
            if isinstance(want, Send):
                self.sent += 1
                if self._accepts_late:
                    self._send(want)
                else:
                    self._open = (self._caller.send(want, self._resume),)
            elif isinstance(want, Wait):
                self.waiting = True
                self._ticket = self._caller.heap.at(want.until_s, self._woken)
            elif isinstance(want, Park):
                self._leave_kept()  # who waits for something else no longer waits for an earlier attempt
                self._park(want.gate)
            else:
                self._leave_kept()
                self._race(want)
        if self._stepped is not None:
            self._stepped()

    def _send(self, want: Send) -> None:
        """Send an attempt whose reply may come late."""
        if want.n == 0:  # another call begins
            self._leave_kept()
        self._open = (self._caller.send(want, self._resume, self._late),)
        self._kept = (*self._kept, *self._open)

    def _park(self, gate: Gate) -> None:
        heap = self._caller.heap

        def resume() -> None:
            heap.at(heap.now_s, lambda: self._resume(gate.answer))

        self._open = ()
        if gate.is_open:
            resume()
        else:
            gate.resume = resume

    def _woken(self) -> None:
        self.waiting = False
        self._ticket = None
        self._resume(self._caller.heap.now_s)

    def _race(self, want: Hedged) -> None:
        heap = self._caller.heap
        start_s = heap.now_s
        waiting = list(want.others)
        running: list[Exchange] = []
        self._open = running
        answered = 0
        over = False

        def launch(send: Send) -> None:
            self.sent += 1
            running.append(self._caller.send(send, done))
            if waiting:
                following = waiting[0]
                nth = len(want.others) - len(waiting) + 1
                heap.at(start_s + nth * want.delay_s, lambda: later(following))

        def later(send: Send) -> None:
            if not over:
                waiting.pop(0)
                launch(send)

        def done(reply: Reply) -> None:
            nonlocal answered, over
            answered += 1
            if over or not (reply.ok or answered == len(running)):
                return
            over = True
            for exchange in running:
                exchange.abandon()
            self._resume(reply)

        launch(want.first)

    def _leave_kept(self) -> None:
        for exchange in self._kept:
            exchange.leave()
        self._kept = ()

    def _late(self, reply: Reply) -> None:
        if self._flow is None:
            return
        if self._ticket is not None:
            cancel(self._ticket)
            self.waiting = False
            self._ticket = None
        else:
            for exchange in self._open:
                exchange.abandon()
        self._resume(reply)
