"""What lies between a caller and a server: names, connections, and time on the way.

The outage lives here. A caller reuses an open connection without asking anybody, so an empty record is felt only by
those who must open a new one; a connection that a server closes for its age is what makes them. A model that resolves
on every attempt fails too early, and one that never does cannot fail at all.

    attempt   -> idle connection?  request travels, one way
              -> none: look the name up (cache, else a query, there and back), connect (there and back), then as above
    reply     -> connection older than the server's limit: closed; else idle again
    give-up   -> connection closed; the server goes on, unless giving up cancels
    late      -> a caller who still wants the answer after its timeout keeps the connection until its flow ends

Delays are constants of the model (`Delays`), stated in the run's manifest. Leaves out: loss, bandwidth, listen
queues, and CPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from harness import seeds
from harness.flows.wants import Cause, Reply, Result, Send
from harness.flows.wire import STATUS_OF, classify, code_of
from harness.models.dns_cache import Answer, DnsCache
from harness.policies.resolver import FOUND
from harness.record.rows import RowWriter
from harness.sim.heap import Heap, Ticket

_AGE = seeds.stream_id("connection/age")
_AGE_JITTER = 0.1  # as live: a limit of 1 s closes connections between 0.9 s and 1.1 s old


class Delays(NamedTuple):
    """Times on loopback, as measured between aiohttp processes on one quiet machine."""

    one_way_s: float = 0.0004  # request or reply, handling at both ends included
    query_s: float = 0.0006  # a DNS query and its answer
    connect_s: float = 0.0004


class Server(Protocol):
    """Whatever answers requests."""

    max_age_s: float  # of connections; inf for no limit

    def arrive(self, exchange: Exchange) -> None:
        """A request is here; call `exchange.reply` or `exchange.fail` once, or never for a silent refusal."""

    def gave_up(self, exchange: Exchange) -> None:
        """The caller of a request that is here has gone."""


class Exchange:
    """One attempt under way."""

    __slots__ = ("_caller", "_done", "_timer", "answered", "arrived_s", "born_s", "gone", "late", "over", "sent_s",
                 "server", "want")  # fmt: skip

    def __init__(self, caller: Caller, want: Send, server: Server, done: Callable[[Reply], None], late: Late) -> None:
        self.want = want
        self.server = server
        self.late = late
        self.sent_s = caller.heap.now_s
        self.born_s = math.nan  # of the connection it travels on
        self.over = False  # its row is written
        self.gone = False  # the caller closed the connection
        self.answered = False
        self.arrived_s = math.nan  # at the server
        self._caller = caller
        self._done = done
        self._timer: Ticket | None = None

    def expect(self) -> None:
        """Give up at the attempt's timeout."""
        if self.want.timeout_s < math.inf:
            self._timer = self._caller.heap.after(self.want.timeout_s, self._time_out)

    def reply(self, body: Any = None) -> None:
        """The server answers: done."""
        self._answer(200, None, body, math.nan)

    def fail(self, cause: Cause, retry_after_s: float = math.nan, status: int = 0) -> None:
        """The server answers: not done, because of `cause`."""
        self._answer(status or STATUS_OF[cause], code_of(cause), None, retry_after_s)

    def end(self, reply: Reply) -> None:
        """The attempt is over for its caller; writes its row."""
        if self._timer is not None:
            self._timer.cancel()
        self.over = True
        self._caller.record(self, reply)
        self._done(reply)

    def abandon(self) -> None:
        """Nobody wants the answer any more, because another came first."""
        self._stop(Reply(Result.TIMEOUT, 0, Cause.NONE, self._caller.heap.now_s))
        self.leave()

    def leave(self) -> None:
        """Close the connection, unless the answer has come; that is how the server can notice."""
        if self.answered or self.gone:
            return
        self.gone = True
        if not math.isnan(self.arrived_s):
            self.server.gave_up(self)

    def cut(self) -> None:
        """The run ends while the attempt is open."""
        self._stop(Reply(Result.UNFINISHED, 0, Cause.NONE, -1.0))
        self.gone = True

    def _stop(self, reply: Reply) -> None:
        if not self.over:
            self.over = True
            if self._timer is not None:
                self._timer.cancel()
            self._caller.record(self, reply)

    def _answer(self, status: int, code: str | None, body: Any, retry_after_s: float) -> None:
        self._caller.heap.after(
            self._caller.delays.one_way_s, lambda: self._caller.receive(self, status, code, body, retry_after_s)
        )

    def _time_out(self) -> None:
        if self.over:
            return
        sent = not math.isnan(self.born_s)
        reply = Reply(
            Result.TIMEOUT if sent else Result.UNSENT,
            0,
            Cause.TIMEOUT if sent else Cause.CONNECT,
            self._caller.heap.now_s,
        )
        self.end(reply)
        if self.late is None or not sent:
            self.leave()


Late = Callable[[Reply], None] | None


class Caller:
    """One process that calls others: its cache, its connections and its attempt rows."""

    def __init__(
        self,
        heap: Heap,
        delays: Delays,
        seed: int,
        cache: DnsCache,
        ask: Callable[[str], Answer],
        targets: dict[str, tuple[int, str, Server]],
        rows: RowWriter,
    ) -> None:
        """`targets`: component -> (id in rows, DNS name, server); `ask` is the name server, as of now."""
        self.heap = heap
        self.delays = delays
        self.cache = cache
        self.attempts_total = 0
        self.open: dict[int, Exchange] = {}
        self._seed = seed
        self._ask = ask
        self._targets = targets
        self._rows = rows
        self._idle: dict[str, list[float]] = {name: [] for name in targets}
        self._asking: dict[str, list[Exchange]] = {}

    def send(self, want: Send, done: Callable[[Reply], None], late: Late = None) -> Exchange:
        """Send one attempt; `done` gets its Reply once, later. `late` gets a good reply that comes after give-up."""
        _, name, server = self._targets[want.target]
        exchange = Exchange(self, want, server, done, late)
        self.open[want.attempt_id] = exchange
        self.attempts_total += 1
        exchange.expect()
        idle = self._idle[want.target]
        if idle:
            self._travel(exchange, idle.pop())
        else:
            self._resolve(exchange, name)
        return exchange

    def record(self, exchange: Exchange, reply: Reply) -> None:
        """Write the row of an attempt that is over."""
        want = exchange.want
        self.open.pop(want.attempt_id, None)
        ended_ns = round(reply.ended_s * 1e9) if reply.result is not Result.UNFINISHED else -1
        self._rows.add(
            want.op, want.layer, want.parent_id, want.attempt_id, want.n, self._targets[want.target][0],
            round(exchange.sent_s * 1e9), ended_ns, reply.result, reply.status, reply.cause,
        )  # fmt: skip

    def receive(self, exchange: Exchange, status: int, code: str | None, body: Any, retry_after_s: float) -> None:
        """A reply has come back."""
        now_s = self.heap.now_s
        result, cause = classify(status, code)
        reply = Reply(result, status, cause, now_s, body, retry_after_s)
        if exchange.gone:
            return
        exchange.answered = True
        if now_s - exchange.born_s < self._age_limit_s(exchange):
            self._idle[exchange.want.target].append(exchange.born_s)
        if not exchange.over:
            exchange.end(reply)
        elif exchange.late is not None and reply.ok:
            exchange.late(reply)

    def _age_limit_s(self, exchange: Exchange) -> float:
        limit_s = exchange.server.max_age_s
        if limit_s == math.inf:
            return limit_s
        u = seeds.draw(self._seed, _AGE, round(exchange.born_s * 1e9))
        return limit_s * (1.0 + _AGE_JITTER * (2.0 * u - 1.0))

    def _resolve(self, exchange: Exchange, name: str) -> None:
        known = self.cache.lookup(name, self.heap.now_s)
        if known is not None:
            self.heap.at(self.heap.now_s, lambda: self._resolved(exchange, known))
            return
        waiting = self._asking.setdefault(name, [])
        waiting.append(exchange)
        if len(waiting) == 1:
            self.heap.after(self.delays.query_s / 2, lambda: self._asked(name, self._ask(name)))

    def _asked(self, name: str, answer: Answer) -> None:
        def back() -> None:
            used = self.cache.store(name, answer, self.heap.now_s)
            for exchange in self._asking.pop(name):
                self._resolved(exchange, used)

        self.heap.after(self.delays.query_s / 2, back)

    def _resolved(self, exchange: Exchange, answer: Answer) -> None:
        if exchange.over:
            return
        if answer.kind == FOUND:
            self.heap.after(self.delays.connect_s, lambda: self._travel(exchange, self.heap.now_s))
            return
        cause = Cause.DNS_EMPTY if answer.empty else Cause.DNS_FAILED
        exchange.end(Reply(Result.UNSENT, 0, cause, self.heap.now_s))

    def _travel(self, exchange: Exchange, born_s: float) -> None:
        if exchange.over:
            return
        exchange.born_s = born_s

        def arrive() -> None:
            exchange.arrived_s = self.heap.now_s
            exchange.server.arrive(exchange)

        self.heap.after(self.delays.one_way_s, arrive)
