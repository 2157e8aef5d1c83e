"""Provider: a second region, or another company's, with fewer machines and a copy that is a little old.

Diversification is bought as a name on a slide: "we fail over". Whether it works depends on two things that the slide
leaves out. The standby is sized for less than the whole, so all who come at once overload it, unless it refuses what it
cannot do (`admission`). And its copy lags behind: what was written at the first in its last seconds is not there, and
what is written here in the meantime must one day be brought together with it.

    read {table, key, seen_s?}     write {writes, token?, seen_s?}         as `kv`
    `seen_s`     when the caller last wrote this item at the first provider (it knows; nobody else does). A write of
                 several items gives one for each, null for those it never wrote there
    replication  every `replicate_every` it asks `kv` how far it has come; an answer brings the copy up to
                 `replication_lag` before the question. While the first is away the copy stands still; so it does
                 while the first's name leads here (`record_failover.py`), and the answer is its own
    stale        a read of an item whose newest write, as the caller knows, has not arrived here
    divergent    a write to such an item: both sides now hold a newest version that the other does not know. An item
                 is counted once, however often it is written; `divergent_writes_total` counts the requests

Items themselves are not copied (a stand-in: the moment up to which the copy is complete decides), so reads find what
was written here. Counting is as good as what callers tell; the audit counts from the effect logs of both stores. Leaves
out: the way back (what was written here is counted, `written_here`, and stays to be brought home), conflict resolution,
and how long catching up takes.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any, NamedTuple

from harness import seeds
from harness.flows import wire
from harness.flows.call import call
from harness.flows.client import Client
from harness.flows.wants import Answer, Cause, Flow, Request, Want
from harness.models.apps.base import AppRequest, Response
from harness.models.component import Brain, Given, Switch, refusal
from harness.models.table import TableStore
from harness.models.workplace import Workplace
from harness.policies.client import ClientSpec

SOURCE = "kv"
_PULL = seeds.stream_id("provider/replicate")
_POSITION = Request("read", {"table": "replication", "key": "position"}, write=False)
_SAID = {Cause.THROTTLED: "ThrottlingException", Cause.QUEUE_FULL: "ServiceUnavailable"}


class ProviderSpec(NamedTuple):
    """The knobs. Durations in seconds; `replicates` is false where there is no first provider to copy."""

    replicates: bool
    replicate_every_s: float
    replication_lag_s: float
    client: ClientSpec


class Provider(Brain):
    """The brain of the second provider's store. Times are seconds from the run's zero."""

    def __init__(self, spec: ProviderSpec, place: Workplace, given: Given) -> None:
        super().__init__(given.note)
        self.spec = spec
        self.place = place
        self.store = TableStore()
        self.client = Client(spec.client, given.seed, f"provider/{SOURCE}", given.now_s)
        self.copied_to_s = given.now_s - spec.replication_lag_s
        self.stale_reads_total = self.divergent_writes_total = self.pulls_failed_total = 0
        self.divergent: dict[tuple[str, str], float] = {}  # item -> newest write at the first that is not here
        self.written_here: dict[tuple[str, str], float] = {}  # item -> when last
        self.copies: list[tuple[float, float]] = []  # when the copy came further, and how far
        self._pulls = 0
        self._pull_s = given.now_s + spec.replicate_every_s if spec.replicates else math.inf
        self.faults = {name: Switch(*pair) for name, pair in place.faults().items()}
        self.actions = place.actions()

    def handle(self, request: AppRequest, now_s: float) -> Generator[Want, Answer, Response]:
        """Wait for a worker; then the work takes effect."""
        try:
            seen_s = _seen(request)
        except ValueError as error:
            return refusal(400, "bad_request", str(error))
        done = yield from self.place.work(
            request.attempt, now_s, request.deadline_s, request.criticality, first_try=request.n == 0
        )
        if done.cause is not Cause.NONE:
            said = {"error": _SAID.get(done.cause, "ServiceUnavailable")}
            return Response(wire.STATUS_OF.get(done.cause, 503), wire.code_of(done.cause), said)
        params = {name: value for name, value in request.params.items() if name != "seen_s"}
        answer = self.store.perform(request.operation, params, request.attempt, done.ended_s)
        body: dict[str, Any] = answer.body
        if answer.status == 200:
            stale = self._account(request, seen_s, done.ended_s)
            body = {**body, "stale": stale}
        return Response(answer.status, answer.code, body, done.began_s, done.service_s)

    def wake_s(self) -> float:
        """A worker is done, or the copy is to be brought up to date."""
        return min(super().wake_s(), self.place.next_s(), self._pull_s)

    def background(self, now_s: float) -> list[Flow]:
        """Let the flows whose workers are done go on; replicate."""
        self.place.settle(now_s)
        if self._pull_s <= now_s:
            self._pull_s = math.inf  # one at a time
            self.start(self._pull(now_s))
        return super().background(now_s)

    def crashed(self, now_s: float) -> None:
        """Work under way is lost; items and the copy's position are not."""
        super().crashed(now_s)
        self.place.crashed(now_s)
        self._pull_s = math.inf

    def restarted(self, now_s: float) -> None:
        """Replicate at once."""
        self._pull_s = now_s if self.spec.replicates else math.inf

    def gauges(self, now_s: float) -> dict[str, float]:
        """The workers' readings, and how far the two providers have grown apart."""
        counters = self.client.counters
        return {
            **self.place.gauges(now_s),
            "items": float(self.store.items()),
            "stale_reads_total": float(self.stale_reads_total),
            "divergent_writes_total": float(self.divergent_writes_total),
            "divergent_items": float(len(self.divergent)),
            "replication_lag_s": now_s - self.copied_to_s,
            "replications_total": float(self._pulls),
            "replications_failed_total": float(self.pulls_failed_total),
            "kv_attempts_total": float(counters.attempts),
        }

    def export(self) -> dict[str, Any]:
        """For the audit: tables and effects as `kv` gives them, and the items that have two newest versions."""
        return {
            **self.store.export(),
            "copies": self.copies,
            "stale_reads": self.stale_reads_total,
            "divergent": [[table, key, seen_s] for (table, key), seen_s in sorted(self.divergent.items())],
            "written_here": [[table, key, at_s] for (table, key), at_s in sorted(self.written_here.items())],
        }

    def _account(self, request: AppRequest, seen_s: tuple[float, ...], now_s: float) -> bool:
        """Whether the caller knows of a write that is not here; counts what follows from it."""
        stale = any(at_s > self.copied_to_s for at_s in seen_s)
        if request.operation == "read":
            self.stale_reads_total += stale
            return stale
        self.divergent_writes_total += stale
        for write, at_s in zip(request.params["writes"], seen_s, strict=True):
            item = write["table"], write.get("key", str(request.attempt))
            self.written_here[item] = now_s
            if at_s > self.copied_to_s:
                self.divergent[item] = at_s
        return stale

    def _pull(self, now_s: float) -> Generator[Want, Answer, None]:
        self._pulls += 1
        result = yield from call(
            self.client, SOURCE, _POSITION, op=0, layer=1, parent_id=0, call_no=_PULL + self._pulls, now_s=now_s,
            deadline_s=math.inf,
        )  # fmt: skip
        if result.ok and "stale" not in (result.reply.body or {}):  # else its own answer: the name leads here now
            self.copied_to_s = now_s - self.spec.replication_lag_s
            self.copies.append((now_s, self.copied_to_s))
        else:
            self.pulls_failed_total += 1
        self._pull_s = max(now_s + self.spec.replicate_every_s, result.ended_s)


def _seen(request: AppRequest) -> tuple[float, ...]:
    """`seen_s` for each item of a request, -inf where the caller knows of no write. Raises ValueError."""
    writes = request.params.get("writes")
    count = len(writes) if request.operation == "write" and isinstance(writes, list) else 1
    said = request.params.get("seen_s")
    told = said if isinstance(said, list) else [said] * count
    if len(told) != count:
        raise ValueError(f"seen_s has {len(told)} moments for {count} items; give one for each, or one for all")
    for at_s in told:
        if at_s is not None and (isinstance(at_s, bool) or not isinstance(at_s, int | float)):
            raise ValueError(f"seen_s is {at_s!r}; give seconds from the run's zero, or null for no write")
    return tuple(-math.inf if at_s is None else float(at_s) for at_s in told)
