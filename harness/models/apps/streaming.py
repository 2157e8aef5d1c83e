"""Streaming: manifests and licences, without which nothing plays, and prefetching, which only makes it nicer.

    manifest   what to play next: kept for a while, and served old when the store does not answer
    licence    the right to begin a title: one record; when nobody can be asked, the viewer is trusted for a while
    prefetch   what may be played later: the first to be turned away when it is crowded

The naive service treats the three alike, and since prefetching is most of the traffic, a crowd of it keeps viewers from
playing. With `priority` the less critical stay outside first.

A licence check that fails closed turns the store's outage into one of every new title; one that fails open for ever
gives the catalogue away. So it opens for `grace_s` after the store was last heard of. What was granted so is owed: it
is written down afterwards (outbox `grants`), under the key of the request, in case it had reached the store after all.

Players hold some seconds of video and play on while requests fail. They tell with their manifests how often that hid a
failure and for how long they stood still, as totals, so that a repeated request counts once; hence `rebuffer_s_total`.

Leaves out: the video itself (it comes from elsewhere), licences that end, and viewers who go away when it stutters.
Source: `incident.md` section 5; Netflix, "Prioritized load shedding" (playback before prefetching).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, NamedTuple

from harness.flows.fallbacks import Kept, Verdict
from harness.flows.wants import Answer, Request, Want
from harness.models.apps.app import AppSpec, Serving
from harness.models.apps.base import AppRequest, Response
from harness.models.apps.cold import flush_cache
from harness.models.apps.owing import OwingApp, OwingSpec, whole
from harness.models.apps.shedding import Partitions
from harness.models.component import Given
from harness.models.outbox import Item, OutboxSpec
from harness.policies.priority import PartitionedSpec

GRANTS = "grants"
_CALL = 1


class StreamingSpec(NamedTuple):
    """The knobs of the app."""

    app: AppSpec
    owing: OwingSpec
    outbox: OutboxSpec
    fresh_s: float
    stale_s: float  # 0 switches the fallback off
    fail: str  # of a licence that cannot be asked for: "open" or "closed"
    grace_s: float  # since the store was last heard of; then it fails closed
    player_buffer_s: float  # 0 for players that hold nothing
    priority: PartitionedSpec | None


class Grant(NamedTuple):
    """The right of one viewer to one title. `key` is the request's idempotency key."""

    user: int
    title: int
    key: str


class Streaming(OwingApp):
    """The brain of the app."""

    def __init__(self, spec: StreamingSpec, given: Given) -> None:
        Verdict.of(spec.fail, None)  # says what is wrong with it
        super().__init__(spec.app, spec.owing, {GRANTS: spec.outbox}, given)
        self.spec = spec
        self.partitions = Partitions(spec.priority)
        self.manifests: Kept[int] = Kept(spec.fresh_s, spec.stale_s)
        self.faults["flush_cache"] = flush_cache(self.manifests)
        self.grace_total = 0
        self._granted: set[int] = set()  # operations whose viewers play without a record
        self._heard_s = given.now_s  # of the store
        self._rebuffer_s: dict[int, float] = {}  # by viewer
        self._masked: dict[int, int] = {}

    def serve(self, request: AppRequest, now_s: float) -> Serving:
        """`manifest` {user, title, stalled_s?, masked?}, `licence` {user, title, key?} and `prefetch` {title}."""
        if not self.partitions.admits(request.criticality, self.door.inside - 1, now_s):
            return Response(503, "queue_full"), now_s
        try:
            title = whole(request.params, "title")
            match request.operation:
                case "manifest":
                    self._hear(request.params)
                    return (yield from self._manifest(title, request, now_s))
                case "licence":
                    grant = Grant(whole(request.params, "user"), title, str(request.params.get("key", request.op)))
                    return (yield from self._licence(grant, request, now_s))
                case "prefetch":
                    ask = Request("read", {"table": "segments", "key": str(title)}, write=False)
                    result, _ = yield from self.told(ask, request, _CALL, now_s)
                    return Response(200) if result.ok else Response(503, "dependency"), result.ended_s
                case _:
                    pass
        except ValueError as error:
            return Response(400, "bad_request", {"message": str(error)}), now_s
        said = f"no {request.operation!r}; there are: licence, manifest, prefetch"
        return Response(404, "unknown_operation", {"message": said}), now_s

    def replay(self, box: str, item: Item, now_s: float) -> Generator[Want, Answer, tuple[bool, float]]:
        """Write down what was granted on trust."""
        result, _ = yield from self.system_told(self._write_of(item.payload, item.op), item.op, now_s)
        return self.is_done(result), result.ended_s

    def crashed(self, now_s: float) -> None:
        """Manifests were in memory."""
        super().crashed(now_s)
        self.manifests.clear()

    def gauges(self, now_s: float) -> dict[str, float]:
        """The shared ones, what the fallbacks did, and what players told."""
        return {
            **super().gauges(now_s),
            "stale_served_total": float(self.manifests.stale_served_total),
            "grace_total": float(self.grace_total),
            "crowded_out_total": float(self.partitions.refused_total),
            "masked_total": float(sum(self._masked.values())),
            "rebuffer_s_total": sum(self._rebuffer_s.values()),
        }

    def export(self) -> dict[str, Any]:
        """For the audit; and the seconds that players stood still, as far as they told."""
        return {**super().export(), "rebuffer_s": sum(self._rebuffer_s.values()), "masked": sum(self._masked.values())}

    def _manifest(self, title: int, request: AppRequest, now_s: float) -> Serving:
        known = self.manifests.fresh(title, now_s)
        if known is not None:
            return self._play(known.value), now_s
        ask = Request("read", {"table": "manifests", "key": str(title)}, write=False)
        result, _ = yield from self.told(ask, request, _CALL, now_s)
        now_s = result.ended_s
        if result.ok:
            self._heard_s = now_s
            manifest = (result.reply.body or {}).get("item") or {"title": title}
            self.manifests.put(title, manifest, now_s)
            return self._play(manifest), now_s
        known = self.manifests.stale(title, now_s)
        if known is None:
            return Response(503, "dependency"), now_s
        self.degraded_total += 1
        return self._play(known.value, degraded="stale", age_s=known.age_s), now_s

    def _play(self, manifest: Any, **more: Any) -> Response:
        return Response(200, "", {"manifest": manifest, "buffer_s": self.spec.player_buffer_s, **more})

    def _licence(self, grant: Grant, request: AppRequest, now_s: float) -> Serving:
        op = request.op
        if op in self._granted:  # an earlier attempt was trusted, and its reply was lost
            return self._trusted(op), now_s
        result, _ = yield from self.told(self._write_of(grant, op), request, _CALL, now_s)
        now_s = result.ended_s
        if self.is_done(result):
            self._heard_s = now_s
            self.boxes[GRANTS].settle(op)
            return Response(200, "", {"licence": op}), now_s
        if op in self._granted:
            return self._trusted(op), now_s
        within = now_s - self._heard_s < self.spec.grace_s
        if not Verdict.of(self.spec.fail if within else "closed", None).opens:
            return Response(503, "dependency"), now_s
        if not self.boxes[GRANTS].add(op, grant, now_s):
            return Response(503, "queue_full"), now_s
        self._granted.add(op)
        self.grace_total += 1
        return self._trusted(op), now_s

    def _trusted(self, op: int) -> Response:
        self.degraded_total += 1
        return Response(200, "", {"licence": op, "degraded": "grace"})

    def _write_of(self, grant: Grant, op: int) -> Request:
        return self.write_of("licences", grant.key, {"op": op, "user": grant.user, "title": grant.title})

    def _hear(self, params: Mapping[str, Any]) -> None:
        """A player's totals; they only grow."""
        user, stalled_s, masked = whole(params, "user"), params.get("stalled_s", 0.0), whole(params, "masked", 0)
        if isinstance(stalled_s, bool) or not isinstance(stalled_s, int | float) or not stalled_s >= 0.0:
            raise ValueError(f"stalled_s is {stalled_s!r}; give seconds, at least 0")
        if stalled_s:
            self._rebuffer_s[user] = max(float(stalled_s), self._rebuffer_s.get(user, 0.0))
        if masked:
            self._masked[user] = max(masked, self._masked.get(user, 0))
