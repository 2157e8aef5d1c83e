"""Identity: tokens, issued by a service with few workers, and good for a while without it.

    token {client}     a worker authenticates the caller, the store says that the client is known, the token is signed
    check {token}      signature and expiry, from the token itself: no worker, no store, no other component

In the outage of October 2025 the token service failed three minutes after the table store, because issuing reads it,
and came back by itself soon after: it holds no backlog. What makes it dangerous is on the other side: clients hold
tokens (`harness.flows.credentials`), so they feel nothing at first, and then all of them ask at once. The worker is
taken before the store is read, as real services verify a request before they look anything up; so requests that will
fail cost the same work as those that will not.

Lives are shortened by a draw (`spread`), because tokens issued together would expire together for ever. The answer says
from when the client should renew (`refresh_s`), so one knob of the issuer paces all its clients.

Leaves out: permissions, sessions of people, revocation. After a crash nothing is lost: a token needs no memory here.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

from harness import seeds
from harness.flows import wire
from harness.flows.call import call
from harness.flows.client import Client
from harness.flows.wants import Answer, Cause, Request, Want
from harness.models.apps.base import AppRequest, Response
from harness.models.component import Brain, Given, Switch, refusal
from harness.models.identity_tokens import check, issue, key_of
from harness.models.workplace import Workplace
from harness.policies.client import ClientSpec

STORE = "kv"
_LIFE = seeds.stream_id("identity/life")
_STORE_CALL = 1
# What the real service says beside our code.
_SAID = {Cause.THROTTLED: "ThrottlingException", Cause.QUEUE_FULL: "ServiceUnavailable"}


class IdentitySpec(NamedTuple):
    """The knobs. Durations in seconds; `reads_store` is false where the region has no store to read."""

    token_life_s: float
    spread: float  # a token lives between (1 - spread) and 1 times its life
    refresh_ahead_s: float
    reads_store: bool
    client: ClientSpec


class Identity(Brain):
    """The brain of the token service."""

    def __init__(self, spec: IdentitySpec, place: Workplace, given: Given) -> None:
        super().__init__(given.note)
        self.spec = spec
        self.place = place
        self.client = Client(spec.client, given.seed, f"identity/{STORE}", given.now_s)
        self.issued_total = self.checks_total = self.checks_failed_total = self.without_store_total = 0
        self._key = key_of(given.seed)
        self._life_luck = seeds.mix(given.seed, _LIFE)
        self.faults = {name: Switch(*pair) for name, pair in place.faults().items()}
        self.actions = place.actions()

    def handle(self, request: AppRequest, now_s: float) -> Generator[Want, Answer, Response]:
        """Operations `token` {client} -> {token, expires_s, refresh_s} and `check` {token} -> {valid, ...}."""
        if request.operation == "check":
            return self._check(request, now_s)
        if request.operation != "token":
            return refusal(404, "unknown_operation", f"no {request.operation!r}; there are: check, token")
        client = request.params.get("client")
        if not isinstance(client, str) or not client or "|" in client:
            return refusal(400, "bad_request", f"client is {client!r}; give a name without '|'")
        return (yield from self._issue(client, request, now_s))

    def wake_s(self) -> float:
        """When a worker is done."""
        return min(super().wake_s(), self.place.next_s())

    def background(self, now_s: float) -> list[Generator[Want, Answer, object]]:
        """Let the flows whose workers are done go on."""
        self.place.settle(now_s)
        return super().background(now_s)

    def crashed(self, now_s: float) -> None:
        """Requests under way are lost; tokens that were issued stay good."""
        super().crashed(now_s)
        self.place.crashed(now_s)

    def gauges(self, now_s: float) -> dict[str, float]:
        """The workers' readings, and what was issued, checked and refused for lack of the store."""
        counters = self.client.counters
        return {
            **self.place.gauges(now_s),
            "tokens_issued_total": float(self.issued_total),
            "checks_total": float(self.checks_total),
            "checks_failed_total": float(self.checks_failed_total),
            "dependency_failed_total": float(self.without_store_total),
            "kv_calls_total": float(counters.calls),
            "kv_attempts_total": float(counters.attempts),
        }

    def _issue(self, client: str, request: AppRequest, now_s: float) -> Generator[Want, Answer, Response]:
        done = yield from self.place.work(
            request.attempt, now_s, request.deadline_s, request.criticality, first_try=request.n == 0
        )
        if done.cause is not Cause.NONE:
            said = {"error": _SAID.get(done.cause, "ServiceUnavailable")}
            return Response(wire.STATUS_OF.get(done.cause, 503), wire.code_of(done.cause), said)
        now_s = done.ended_s
        if self.spec.reads_store:
            ask = Request("read", {"table": "principals", "key": client}, write=False)
            result = yield from call(
                self.client, STORE, ask, op=request.op, layer=request.inner_layer, parent_id=request.attempt,
                call_no=_STORE_CALL, now_s=now_s, deadline_s=request.deadline_s, criticality=request.criticality,
            )  # fmt: skip
            if not result.ok:
                self.without_store_total += 1
                said = {"error": "ServiceUnavailable"}
                return Response(503, "dependency", said, done.began_s, done.service_s)
            now_s = result.ended_s
        u = seeds.draw_after(self._life_luck, request.attempt)
        life_s = self.spec.token_life_s * (1.0 - self.spec.spread * u)
        expires_s = now_s + life_s
        self.issued_total += 1
        body = {
            "token": issue(self._key, client, expires_s),
            "expires_s": expires_s,
            "refresh_s": max(now_s, expires_s - self.spec.refresh_ahead_s),
        }
        return Response(200, "", body, done.began_s, done.service_s)

    def _check(self, request: AppRequest, now_s: float) -> Response:
        self.checks_total += 1
        try:
            claim = check(self._key, str(request.params.get("token", "")), now_s)
        except ValueError as error:
            self.checks_failed_total += 1
            return Response(200, "", {"valid": False, "reason": str(error)})
        return Response(200, "", {"valid": True, "client": claim.client, "expires_s": claim.expires_s})
