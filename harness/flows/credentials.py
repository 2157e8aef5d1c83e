"""Holding a token: asked for once, used until it expires, renewed before it does.

A token issued by `identity` is good for a while without asking anybody. That is why an outage of the issuer is felt
late, and why it is felt by everyone at once when it is felt: tokens that were issued together expire together, and each
holder that finds its token expired asks at once, over every call it has open. Three knobs decide:

    refresh_ahead    ask for the next token so long before the held one ends. An issuer may be away for as long, and
                     nobody notices. None: when the issuer said (`refresh_s` of its answer)
    single_flight    all calls of this process wait for one renewal and share what comes of it. Without it every call
                     asks for a token of its own from the moment the held one ends: the herd
    retry_wait       after a failed renewal ahead of time, leave the issuer alone for so long: the held one works still

    valid, and not yet due       use it
    valid, and due               renew with one attempt, and use the old one if that fails
    expired                      renew with all attempts; no token, no operation

A call that renews ahead of time pays for everybody, so it pays little: without retries, a dead issuer costs it one
timeout, and its operation goes on. (With retries, calls that held good tokens spent their whole deadline at an issuer
that was drowning in renewals.)

A renewal in single flight is not bound by the deadline of the call that happened to begin it, since others wait for it
too; the client's own deadline bounds it. When the call that renews is given up, those who wait begin anew.

Leaves out: checking the signature (the issuer's own code does that), and tokens of narrower scope. The shape is that of
the credential providers of the AWS SDKs, which refresh some minutes ahead, one thread at a time.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any, NamedTuple

from harness import seeds
from harness.flows.call import CallResult, call
from harness.flows.client import Client
from harness.flows.wants import Answer, Gate, Park, Request, Wait, Want

ISSUER = "identity"
_CALL = seeds.stream_id("credentials/token")  # numbers the call among those of its parent


class HolderSpec(NamedTuple):
    """How tokens are held. Durations in seconds; `refresh_ahead_s` None leaves the moment to the issuer."""

    refresh_ahead_s: float | None = None
    single_flight: bool = True
    retry_wait_s: float = 1.0


class Credential(NamedTuple):
    """What a call gets: a token, or None and the result that says why there is none; and when."""

    token: str | None
    ended_s: float
    renewal: CallResult | None  # which this call waited for; None when it waited for none


class TokenHolder:
    """The token of one principal in one process. Times are seconds from the run's zero."""

    def __init__(self, spec: HolderSpec, client: Client, principal: str) -> None:
        """`client` is this process's towards `identity`; `principal` is who the token is for."""
        self.spec = spec
        self.client = client
        self.principal = principal
        self.token: str | None = None
        self.expires_s = -math.inf
        self.renewals_total = 0
        self.failed_total = 0
        self.shared_total = 0  # calls that waited for somebody else's renewal
        self._due_s = -math.inf
        self._under_way: Gate | None = None
        self._once = Client(client.spec._replace(attempts=1, hedge=None), client.seed, f"{client.name}/ahead", 0.0)

    def get(
        self, *, op: int, layer: int, parent_id: int, now_s: float, deadline_s: float, call_no: int = 0,
        criticality: int = 0,
    ) -> Generator[Want, Answer, Credential]:  # fmt: skip
        """A token for one call. `layer` is that of the attempts to the issuer; a parent that asks more than once
        numbers its asks with `call_no`."""
        while True:
            if self._due_s > now_s:
                return Credential(self.token, now_s, None)
            valid = self.expires_s > now_s
            if self._under_way is None or not self.spec.single_flight:
                break
            if valid:
                return Credential(self.token, now_s, None)
            self.shared_total += 1
            shared: CallResult | None = yield Park(self._under_way)
            if shared is not None:
                return self._outcome(shared)
            now_s = yield Wait(now_s)  # the call that renewed was given up; a gate does not tell the time
        gate = None
        if self.spec.single_flight:
            gate, deadline_s = Gate(), math.inf
        self._under_way = gate
        client = self._once if valid else self.client
        ask = Request("token", {"client": self.principal}, write=False)
        result: CallResult | None = None
        try:
            result = yield from call(
                client, ISSUER, ask, op=op, layer=layer, parent_id=parent_id, call_no=_CALL + call_no, now_s=now_s,
                deadline_s=deadline_s, criticality=criticality,
            )  # fmt: skip
            self._learn(result)
        finally:
            if gate is not None:
                self._under_way = None
                gate.open(result)
        return self._outcome(result)

    def adopt(self, token: str, expires_s: float) -> None:
        """Hold a token that was got in another way, and renew it when it has ended."""
        self.token, self.expires_s, self._due_s = token, expires_s, expires_s

    def _learn(self, result: CallResult) -> None:
        now_s = result.ended_s
        if not result.ok:
            self.failed_total += 1
            if self.expires_s > now_s:
                self._due_s = min(now_s + self.spec.retry_wait_s, self.expires_s)
            return
        self.renewals_total += 1
        body: dict[str, Any] = result.reply.body
        expires_s = float(body["expires_s"])
        if expires_s <= self.expires_s:  # of several renewals at once, another brought the longer one
            return
        self.token, self.expires_s = str(body["token"]), expires_s
        ahead_s = self.spec.refresh_ahead_s
        self._due_s = float(body.get("refresh_s", expires_s)) if ahead_s is None else expires_s - ahead_s
        self._due_s = min(self._due_s, expires_s)

    def _outcome(self, result: CallResult) -> Credential:
        good = result.ok or self.expires_s > result.ended_s
        return Credential(self.token if good else None, result.ended_s, result)
