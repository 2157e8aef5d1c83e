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
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from harness import seeds
from harness.flows.wants import Cause, Reply, Result, Send
from harness.flows.wire import STATUS_OF, classify, code_of
from harness.models.dns_cache import Answer, DnsCache
from harness.policies.resolver import FOUND
from harness.record.rows import RowWriter
from harness.sim.heap import Heap, Ticket

_OK, _TIMEOUT, _UNSENT, _UNFINISHED = Result.OK, Result.TIMEOUT, Result.UNSENT, Result.UNFINISHED
_NO_CAUSE = Cause.NONE
_NAN, _INF = math.nan, math.inf
_DONE = (_OK, 200, _NO_CAUSE, _NAN)  # result, status, cause and hint of an answer
_new = tuple.__new__  # quicker than the constructor of a NamedTuple
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
    down: bool  # its process is gone: new connections are refused
    since_s: float  # when it died last; older connections are broken. -inf for never

    def arrive(self, exchange: Exchange) -> None:
        """A request is here; call `exchange.reply` or `exchange.fail` once, or never for a silent refusal."""

    def gave_up(self, exchange: Exchange) -> None:
        """The caller of a request that is here has gone."""


# Opened at, the age at which its server closes it, and where it leads.
Connection = tuple[float, float, "Port"]


class Port:
    """Where a caller finds one component, and its idle connections there.

    A name may come to lead elsewhere (`at`): same name, same idle connections, another server.
    """

    __slots__ = ("idle", "max_age_s", "name", "number", "server")

    def __init__(self, number: int, name: str, server: Server) -> None:
        self.number = number  # in rows
        self.name = name
        self.server = server
        self.max_age_s = server.max_age_s
        self.idle: list[Connection] = []

    def at(self, server: Server) -> Port:
        """This name, while its addresses are those of `server`."""
        port = Port(self.number, self.name, server)
        port.idle = self.idle
        return port


class Exchange:
    """One attempt under way."""

    __slots__ = ("_body", "_caller", "_connection", "_done", "_said", "answered", "arrived_s", "gone", "late", "over",
                 "port", "sent_s", "timer", "want")  # fmt: skip

    def __init__(self, caller: Caller, want: Send, port: Port, done: Callable[[Reply], None], late: Late) -> None:
        self.want = want
        self.late = late
        self.sent_s = caller.heap.now_s
        self._connection: Connection | None = None  # on which it travels
        self.arrived_s = _NAN  # at the server
        self.over = False  # its row is written
        self.gone = False  # the caller closed the connection
        self.answered = False
        self.timer: Ticket | None = None
        self._caller = caller
        self.port = port
        self._done = done

    def reply(self, body: Any = None) -> None:
        """The server answers: done."""
        self._said, self._body = _DONE, body
        caller = self._caller
        heap = caller.heap
        heap.at(heap.now_s + caller.one_way_s, self._receive)

    def fail(self, cause: Cause, retry_after_s: float = math.nan, status: int = 0) -> None:
        """The server answers: not done, because of `cause`."""
        status = status or STATUS_OF[cause]
        result, cause = classify(status, code_of(cause))
        self._said, self._body = (result, status, cause, retry_after_s), None
        self._caller.heap.after(self._caller.one_way_s, self._receive)

    def break_off(self) -> None:
        """The server's process died: the connection breaks, and the caller sees that one way later."""
        self._caller.heap.after(self._caller.one_way_s, self._broken)

    def _broken(self) -> None:
        if self.gone:
            return
        self.answered = True  # there is nothing left to close
        if not self.over:
            self.end(Result.ERROR, 0, Cause.RESET)

    def end(self, result: Result, status: int, cause: Cause) -> None:
        """The attempt is over for its caller, without an answer; writes its row."""
        now_s = self._caller.heap.now_s
        self.over = True
        self._caller.record(self, result, status, cause, round(now_s * 1e9))
        self._done(Reply(result, status, cause, now_s))

    def abandon(self) -> None:
        """Nobody wants the answer any more, because another came first."""
        if not self.over:
            self.over = True
            self._caller.record(self, _TIMEOUT, 0, _NO_CAUSE, round(self._caller.heap.now_s * 1e9))
        self.leave()

    def leave(self) -> None:
        """Close the connection, unless the answer has come; that is how the server can notice."""
        if self.answered or self.gone:
            return
        self.gone = True
        if not math.isnan(self.arrived_s):
            self.port.server.gave_up(self)

    def cut(self) -> None:
        """The run ends while the attempt is open."""
        if not self.over:
            self.over = True
            self._caller.record(self, _UNFINISHED, 0, _NO_CAUSE, -1)
        self.gone = True

    def time_out(self) -> None:
        """The caller's patience is at its end; nothing when the attempt is."""
        if self.over:
            return
        sent = self._connection is not None
        if sent:
            self.end(_TIMEOUT, 0, Cause.TIMEOUT)
        else:
            self.end(_UNSENT, 0, Cause.CONNECT)
        if self.late is None or not sent:
            self.leave()

    # On its way

    def resolved(self, answer: Answer) -> None:
        """The name server, or the cache, has spoken: open a connection, or give up."""
        if self.over:
            return
        caller = self._caller
        if answer.kind == FOUND:
            if caller.moved is not None:
                self.port = caller.port_at(self.port, answer.addresses[0])
            caller.heap.after(caller.delays.connect_s, self._connected)
            return
        self.end(_UNSENT, 0, Cause.DNS_EMPTY if answer.empty else Cause.DNS_FAILED)

    def _connected(self) -> None:
        if self.over:
            return
        if self.port.server.down:
            self.end(_UNSENT, 0, Cause.CONNECT)
        else:
            born_s = self._caller.heap.now_s
            self.travel((born_s, self._caller.age_s(self.port.max_age_s, born_s), self.port))

    def travel(self, connection: Connection) -> None:
        """Go to the server on this connection."""
        self._connection = connection
        caller = self._caller
        heap = caller.heap
        heap.at(heap.now_s + caller.one_way_s, self._arrive)

    def _arrive(self) -> None:
        self.arrived_s = self._caller.heap.now_s
        self.port.server.arrive(self)

    def _receive(self) -> None:
        """The reply has come back."""
        if self.gone:
            return
        caller = self._caller
        now_s = caller.heap.now_s
        self.answered = True
        connection = self._connection
        assert connection is not None, "an answer comes on the connection of its request"
        born_s, age_s, _ = connection
        if now_s - born_s < age_s:
            self.port.idle.append(connection)
        result, status, cause, hint_s = self._said
        if not self.over:
            self.over = True
            caller.record(self, result, status, cause, round(now_s * 1e9))
            self._done(_new(Reply, (result, status, cause, now_s, self._body, hint_s)))
        elif self.late is not None and result is _OK:
            self.late(Reply(result, status, cause, now_s, self._body, hint_s))


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
        moved: Mapping[str, Server] | None = None,
    ) -> None:
        """`targets`: component -> (id in rows, DNS name, server); `ask` is the name server, as of now.

        Where names may come to lead elsewhere, `moved` says whose an address is; without it a name is its component's.
        """
        self.heap = heap
        self.delays = delays
        self.one_way_s = delays.one_way_s
        self.cache = cache
        self.moved = moved
        self.attempts_total = 0
        self._luck = seeds.mix(seed, _AGE)
        self.ask = ask
        self._ports = {component: Port(*target) for component, target in targets.items()}
        self._rows = rows
        self._asking: dict[str, list[Exchange]] = {}
        self._elsewhere: dict[tuple[str, int], Port] = {}
        self._cut: str | None = None  # the component to which nothing gets through

    def send(self, want: Send, done: Callable[[Reply], None], late: Late = None) -> Exchange:
        """Send one attempt; `done` gets its Reply once, later. `late` gets a good reply that comes after give-up."""
        target, _, _, _, _, _, _, timeout_s, _, _ = want
        port = self._ports[target]
        exchange = Exchange(self, want, port, done, late)
        self.attempts_total += 1
        if timeout_s < _INF:
            exchange.timer = self.heap.in_lane(timeout_s, exchange.time_out)
        if target == self._cut:
            return exchange  # lost on the way; its patience will end it
        idle = port.idle
        while idle:
            connection = idle.pop()
            port = exchange.port = connection[2]
            if connection[0] >= port.server.since_s:  # else it broke when the server's process died
                exchange.travel(connection)
                return exchange
        self._resolve(exchange, port.name)
        return exchange

    def cut_off(self, component: str | None) -> None:
        """From now on nothing that is sent to this component arrives; None ends it."""
        self._cut = component

    def record(self, exchange: Exchange, result: Result, status: int, cause: Cause, ended_ns: int) -> None:
        """Write the row of an attempt that is over, and call off its timeout."""
        timer = exchange.timer
        if timer is not None:
            timer[2] = None  # called off
            exchange.timer = None
        _, _, attempt, parent, op, layer, n, _, _, _ = exchange.want
        sent_ns = round(exchange.sent_s * 1e9)
        self._rows.add(op, layer, parent, attempt, n, exchange.port.number, sent_ns, ended_ns, result, status, cause)

    def age_s(self, max_age_s: float, born_s: float) -> float:
        """The age at which its server closes a connection opened at `born_s`."""
        if max_age_s == math.inf:
            return max_age_s
        u = seeds.draw_after(self._luck, round(born_s * 1e9))
        return max_age_s * (1.0 + _AGE_JITTER * (2.0 * u - 1.0))

    def port_at(self, port: Port, address: str) -> Port:
        """The port of this name while it leads to this address."""
        assert self.moved is not None, "names lead elsewhere here"
        server = self.moved[address]
        if server is port.server:
            return port
        key = port.name, id(server)
        if key not in self._elsewhere:
            self._elsewhere[key] = port.at(server)
        return self._elsewhere[key]

    def _resolve(self, exchange: Exchange, name: str) -> None:
        known = self.cache.lookup(name, self.heap.now_s)
        if known is not None:
            self.heap.at(self.heap.now_s, lambda: exchange.resolved(known))
            return
        waiting = self._asking.setdefault(name, [])
        waiting.append(exchange)
        if len(waiting) == 1:
            self.heap.after(self.delays.query_s / 2, lambda: self._asked(name, self.ask(name)))

    def _asked(self, name: str, answer: Answer) -> None:
        def back() -> None:
            used = self.cache.store(name, answer, self.heap.now_s)
            for exchange in self._asking.pop(name):
                exchange.resolved(used)

        self.heap.after(self.delays.query_s / 2, back)
