"""The outside probe: one small client that asks like a user and says when the region stopped answering.

A health endpoint answers "fine" while every real request fails, so the canary does what users do: it resolves the
app's name through the region's DNS on the wire, opens a new connection and asks for one of the story's own *reads*,
of whomever the story asks. No cache, no kept connection, no retry: it must feel what a new user would feel.

Real requests are real load, and near a tipping point a few per second decide a run. So the probe takes a share:

    period = max(0.25 s, 1 / (2 % of the offered rate))

Its attempts are rows like all others (`rows/canary-attempt.rows`), with operation 0, so that every served row still has
its caller, and with layer 255, because a probe is not a layer of the system under test. The journal has a `probe` entry
for the first answer and for each change. Leaves out: writes, and stories that have no reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

import dns.asyncbackend
import dns.asyncquery
import dns.exception
import dns.message
import dns.rdatatype
import httpx
import trio

from harness.flows import wire
from harness.flows.call import Client
from harness.flows.ids import attempt_id
from harness.flows.stories.base import find_story, make_context
from harness.flows.wants import Cause, Request, Result, Send
from harness.live.clock import RunClock
from harness.live.events import Emit, Probed
from harness.live.log import RunLog
from harness.plan import Plan
from harness.policies.client import ClientSpec
from harness.record.region import DNS_PORT, RegionMap
from harness.record.rows import RowWriter

LAYER = 255
PERIOD_S_MIN = 0.25
SHARE_OF_LOAD = 0.02
_READS = 64  # different reads, asked in turn
_LOOK_AT = 3200  # operations, to find reads among; a mix with fewer than 1 in 1,000 has no canary
_FROM_OP = 1 << 62  # past every operation of a schedule, so that no attempt id is used twice


class Target(NamedTuple):
    """What the canary asks, and how often. `patience_s` is the story's own attempt timeout."""

    component: str
    requests: tuple[Request, ...]
    period_s: float
    patience_s: float


class Answer(NamedTuple):
    """One probe's end. `detail` is a few words for people."""

    result: Result
    status: int
    cause: Cause
    detail: str


def target_of(plan: Plan) -> Target | None:
    """Some of the first story's reads and the component that gets most of them; None when there are none in the region.

    A story may speak to others than its app (a user with a token from `identity` reads at `kv`), so whom a read is sent
    to is what its flow says.
    """
    name, load = next(iter(plan.experiment.load.items()))
    module = find_story(name)
    rate_per_s = sum(each.rate_per_s for each in plan.experiment.load.values())
    patience_s = load.client.timeout_s
    client = Client(ClientSpec(patience_s, patience_s, 1), plan.seed, "canary", 0.0)
    context = make_context(module.STORY, client, plan.seed, load.users, plan.experiment.mix(name), patience_s)

    def reads() -> Iterator[Send]:
        for op in range(_FROM_OP, _FROM_OP + _LOOK_AT):
            flow = module.operation(context, op, 0.0)
            want = next(flow)
            flow.close()
            if isinstance(want, Send) and not want.request.write and want.target in plan.components:
                yield want

    found = list(islice(reads(), _READS))
    if not found:
        return None
    ((component, _),) = Counter(want.target for want in found).most_common(1)
    requests = tuple(want.request for want in found if want.target == component)
    return Target(component, requests, max(PERIOD_S_MIN, 1.0 / (SHARE_OF_LOAD * rate_per_s)), patience_s)


class Canary:
    """Probes one target. `transport` is for tests."""

    def __init__(
        self,
        target: Target,
        region: RegionMap,
        rows: Path,
        clock: RunClock,
        log: RunLog,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        assert clock.zero_ns is not None, "the run's zero is not set yet"
        self._target = target
        self._place = region.places[target.component]
        self._dns = region.dns_address
        self._clock = clock
        self._log = log
        self._transport = transport
        names = {"target": list(region.places)}
        self._number = names["target"].index(target.component)
        self._rows = RowWriter(rows / "canary-attempt.rows", "attempt", "canary-attempt", clock.zero_ns, names)
        self._was_ok: bool | None = None
        self.sent = self.failed = 0

    async def run(self, until_s: float, emit: Emit) -> None:
        """Probe on an absolute grid from zero until `until_s`; probes in flight never hold up the next."""
        requests = cycle(self._target.requests)
        async with self._client() as client, trio.open_nursery() as nursery:
            for number in range(int(until_s / self._target.period_s)):
                await self._clock.sleep_until_s(number * self._target.period_s)
                nursery.start_soon(self._probe, client, next(requests), number, emit)

    def close(self) -> None:
        """Close the rows and say in the journal how many probes there were."""
        self._rows.close()
        self._log.write("note", text=f"canary: {self.sent} probes of {self._target.component}, {self.failed} failed")

    def _client(self) -> httpx.AsyncClient:
        limits = httpx.Limits(max_keepalive_connections=0)
        return httpx.AsyncClient(trust_env=False, timeout=None, limits=limits, transport=self._transport)  # noqa: S113

    async def _probe(self, client: httpx.AsyncClient, request: Request, number: int, emit: Emit) -> None:
        asked_s = self._clock.now_s()
        patience_s = self._target.patience_s
        attempt = attempt_id(_FROM_OP + number, 0, LAYER, 0, 0)
        send = Send(self._target.component, request, attempt, 0, 0, LAYER, 0, patience_s, asked_s + patience_s)
        answer, ended_s = Answer(Result.UNFINISHED, 0, Cause.NONE, "cut off by the end of the run"), -1.0
        try:
            answer = Answer(Result.TIMEOUT, 0, Cause.TIMEOUT, f"no answer in {patience_s:g} s")
            with trio.move_on_after(patience_s):
                answer = await self._ask(client, send)
            ended_s = self._clock.now_s()
        except trio.Cancelled:
            answer = Answer(Result.UNFINISHED, 0, Cause.NONE, "cut off by the end of the run")
            raise
        finally:
            ended_ns = round(ended_s * 1e9) if ended_s >= 0.0 else -1
            sent_ns, how = round(asked_s * 1e9), (answer.result, answer.status, answer.cause)
            self._rows.add(0, LAYER, 0, attempt, 0, self._number, sent_ns, ended_ns, *how)
            self._rows.flush()
        self._note(answer, asked_s, emit)

    def _note(self, answer: Answer, asked_s: float, emit: Emit) -> None:
        ok = answer.result is Result.OK
        self.sent += 1
        self.failed += not ok
        if ok is not self._was_ok:
            self._was_ok = ok
            fields = {"target": self._target.component, "detail": answer.detail, "asked_s": round(asked_s, 6)}
            self._log.write("probe", ok=ok, **fields)
            emit(Probed(self._clock.now_s(), ok, answer.detail))

    async def _ask(self, client: httpx.AsyncClient, send: Send) -> Answer:
        try:
            addresses = await self.resolve()
        except (dns.exception.DNSException, OSError) as error:
            return Answer(Result.UNSENT, 0, Cause.DNS_FAILED, f"name not resolved: {type(error).__name__}")
        if not addresses:
            return Answer(Result.UNSENT, 0, Cause.DNS_EMPTY, "the name resolves to nothing")
        url = wire.url(addresses[0], self._place.port, send.request.operation)
        headers = {**wire.headers_of(send), "Host": f"{self._place.name}:{self._place.port}"}
        try:
            reply = await client.post(url, json=send.request.params, headers=headers)
        except httpx.ConnectError:
            return Answer(Result.UNSENT, 0, Cause.CONNECT, "nobody accepted the connection")
        except httpx.HTTPError as error:
            return Answer(Result.ERROR, 0, Cause.RESET, f"the connection broke: {type(error).__name__}")
        result, cause = wire.classify(reply.status_code, _code(reply))
        return Answer(result, reply.status_code, cause, f"answered {reply.status_code}")

    async def resolve(self) -> list[str]:
        """Addresses of the target's name as the region's DNS has them now; empty when the record is empty."""
        if not self._dns:
            return list(self._place.addresses)
        query = dns.message.make_query(self._place.name, dns.rdatatype.A)
        backend = dns.asyncbackend.get_backend("trio")
        reply = await dns.asyncquery.udp(query, self._dns, self._target.patience_s, DNS_PORT, backend=backend)
        return [item.address for rrset in reply.answer if rrset.rdtype == dns.rdatatype.A for item in rrset]


def _code(reply: httpx.Response) -> str | None:
    try:
        body = reply.json()
    except ValueError:
        return None
    code = body.get("code") if isinstance(body, dict) else None
    return code if isinstance(code, str) else None
