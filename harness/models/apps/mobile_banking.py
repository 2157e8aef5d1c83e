"""Mobile banking: transfers with an idempotency key, balances, cached sessions, and an outbox of what it owes.

Every operation needs the user's session (`banking_sessions.py`), and a missing one costs an extra read of the store
before the operation's own call: after an outage every operation asks twice. That is one sustaining effect. The other is
the outbox.

    balance     session, then one read
    transfer    session, then one write of three items that go together or not at all: the transfer (only if absent),
                minus on one account, plus on the other; token = the operation, however often it is tried

A transfer whose write could not be confirmed may or may not have happened. The user gets 503 `dependency`, and the app
owes one notification, which it can only send once it knows: it repeats the same calls with the same token until they
are confirmed (`harness.models.outbox` says when, and with what manners). Without `idempotency_keys` every attempt that
reaches the store is a new transfer under a key of its own; the audit then finds the duplicates.

Two knobs change what happens meanwhile. With `failover` a second store is asked (`two_stores.py`); with `offline` small
transfers are taken on trust and old balances shown (`banking_offline.py`).

Accounts in the store hold movements, so their sum is zero at all times; opening balances are the same for all. Not
here: overdrafts (nobody is refused for lack of money), and fraud checks.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final, NamedTuple

from harness.flows.call import CallResult
from harness.flows.client import Client, worth_repeating
from harness.flows.failover import FailoverSpec
from harness.flows.wants import Answer, Cause, Flow, Request, Want
from harness.models.apps.app import AppBrain, AppSpec, Serving
from harness.models.apps.banking_offline import Offline, OfflineSpec
from harness.models.apps.banking_sessions import Sessions
from harness.models.apps.base import AppRequest, Response
from harness.models.apps.cold import flush_cache
from harness.models.apps.two_stores import TARGETS, TwoStores
from harness.models.component import Given
from harness.models.outbox import Item, Outbox, OutboxSpec
from harness.policies.client import ClientSpec

STORE = "kv"
OPENING_BALANCE = 100_000  # pence, every account
_SESSION_CALL = 1
_OPERATION_CALL = 2


class BankingSpec(NamedTuple):
    """The knobs of the app. `admission` is a policy spec or None."""

    users: int  # how many sessions to prewarm; users beyond them start cold
    session_ttl_s: float
    prewarmed: bool
    outbox: OutboxSpec
    idempotency_keys: bool
    client: ClientSpec
    admission: Any = None
    failover: FailoverSpec | None = None
    offline: OfflineSpec | None = None


class Step(NamedTuple):
    """One call to the store, of those an operation makes one after the other until one of them fails.

    With `without_session` only users without a session make it, and have one when it went well.
    """

    call_no: int
    without_session: bool


STEPS: Final = (Step(_SESSION_CALL, True), Step(_OPERATION_CALL, False))  # of every operation
OWED: Final = ("transfer",)  # operations that go to the outbox when they could not be confirmed


class Transfer(NamedTuple):
    """Money to move, in pence, from one user's account to another's. `key` is the user's idempotency key."""

    user: int
    to: int
    amount: int
    key: str


class MobileBanking(AppBrain):
    """The app's brain (see `harness.models.component`). The outbox is written down; a crash loses the sessions."""

    def __init__(self, spec: BankingSpec, given: Given) -> None:
        super().__init__(AppSpec("mobile_banking", (STORE,), spec.client, spec.admission), given)
        self.spec = spec
        self.stores: TwoStores | None = None
        if spec.failover is not None:
            second = Client(spec.client, given.seed, f"mobile_banking/{TARGETS[1]}", given.now_s)
            self.stores = TwoStores(spec.failover, (self.clients[STORE], second), given.seed, self.note)
        self.offline = None if spec.offline is None else Offline(spec.offline)
        self.outbox = Outbox(spec.outbox, given.seed, given.now_s)
        self.confirmed: dict[int, float] = {}  # op -> when the app came to know that it was done
        self.sessions = Sessions(spec.session_ttl_s)
        if spec.prewarmed:
            self.sessions.prewarm(spec.users, given.seed, given.now_s)
        self.faults["flush_cache"] = flush_cache(self.sessions)

    def background(self, now_s: float) -> list[Flow]:
        """Replays that may start now."""
        flows: list[Flow] = []
        while self.outbox.next_s() <= now_s:
            item = self.outbox.take(now_s)
            if item is None:
                break
            flows.append(self._replay(item, now_s))
        return flows

    def wake_s(self) -> float:
        """When the next replay may start."""
        return self.outbox.next_s()

    def crashed(self, now_s: float) -> None:
        """Sessions were in memory."""
        self.sessions.clear()
        if self.offline is not None:
            self.offline.balances.clear()

    def gauges(self, now_s: float) -> dict[str, float]:
        """Readings; `sessions` counts those alive."""
        return {
            "waiting_outbox": float(self.outbox.waiting),
            **super().gauges(now_s),
            "outbox_sending": float(self.outbox.sending),
            "outbox_open": float(self.outbox.is_open),
            "outbox_added_total": float(self.outbox.added_total),
            "outbox_sent_total": float(self.outbox.sent_total),
            "outbox_settled_total": float(self.outbox.settled_total),
            "outbox_failed_total": float(self.outbox.failed_total),
            "outbox_dropped_total": float(self.outbox.dropped_total),
            "sessions": float(self.sessions.alive(now_s)),
            "sessions_rebuilt_total": float(self.sessions.rebuilt_total),
            **(self.stores.gauges() if self.stores is not None else {}),
            **(self.offline.gauges() if self.offline is not None else {}),
        }

    def export(self) -> dict[str, Any]:
        """For the audit: operations the app knows to be done, and those it still owes."""
        return {
            "confirmed": sorted(self.confirmed),
            "owed": self.outbox.owed(),
            "outbox_dropped": self.outbox.dropped_total,
            "idempotency_keys": self.spec.idempotency_keys,
        }

    def serve(self, request: AppRequest, now_s: float) -> Serving:
        """Operations `transfer` {user, to?, amount?, key?} and `balance` {user}."""
        user = request.params.get("user")
        if isinstance(user, bool) or not isinstance(user, int):
            return Response(400, "bad_request", {"message": f"user is {user!r}; give the user's number"}), now_s
        if self.offline is not None:
            request = self.offline.patient(request, now_s)
        if request.operation == "balance":
            return (yield from self._balance(user, request, now_s))
        if request.operation != "transfer":
            there_are = "there are: transfer, balance"
            return Response(404, "unknown_operation", {"message": f"no {request.operation!r}; {there_are}"}), now_s
        to, amount = request.params.get("to", user + 1), request.params.get("amount", 1)
        if not isinstance(to, int) or not isinstance(amount, int) or amount <= 0:
            return Response(400, "bad_request", {"message": "give a user as to, and an amount above 0"}), now_s
        transfer = Transfer(user, to, amount, str(request.params.get("key", request.op)))
        return (yield from self._transfer(transfer, request, now_s))

    def _balance(self, user: int, request: AppRequest, now_s: float) -> Serving:
        offline = self.offline
        if offline is not None and offline.alone(self.outbox.is_open, now_s):
            seen = offline.seen(user, now_s)
            if seen is not None:
                return seen, now_s
        ask = Request("read", {"table": "accounts", "key": str(user)}, write=False)
        result = yield from self._with_session(user, ask, request, now_s)
        if not result.ok:
            seen = None if offline is None else offline.seen(user, result.ended_s)
            return seen or Response(503, "dependency"), result.ended_s
        held = (result.reply.body or {}).get("item") or {}
        balance = OPENING_BALANCE + held.get("balance", 0)
        if offline is not None:
            offline.balances.put(user, balance, result.ended_s)
        return Response(200, "", {"balance": balance}), result.ended_s

    def _transfer(self, transfer: Transfer, request: AppRequest, now_s: float) -> Serving:
        ask = self._write_of(transfer, request.op)
        on_trust = self.offline is not None and self.offline.takes(transfer.amount)
        done = kept = False
        try:
            if not (on_trust and self.offline is not None and self.offline.alone(self.outbox.is_open, now_s)):
                result = yield from self._with_session(transfer.user, ask, request, now_s)
                done, now_s = self._is_done(result), result.ended_s
        finally:  # also when the caller went and took this flow along: the write may have happened
            if done:
                self._confirm(request.op, now_s)
                self.outbox.settle(request.op)
            elif request.op not in self.confirmed:
                kept = self.outbox.add(request.op, transfer, now_s)
        if not done and self.offline is not None and on_trust and (kept or request.op in self.confirmed):
            return self.offline.captured(request.op), now_s
        if not done:
            return Response(503, "dependency"), now_s
        return Response(200, "", {"transfer": request.op}), now_s

    def _replay(self, item: Item, now_s: float) -> Generator[Want, Answer, None]:
        transfer: Transfer = item.payload
        ask = self._write_of(transfer, item.op)
        # Parent 0: no attempt of a user waits for this. Call numbers go on from try to try, so ids never meet.
        on_behalf = AppRequest("transfer", {}, 0, item.op)
        try:
            before = len(STEPS) * item.tries
            result = yield from self._with_session(transfer.user, ask, on_behalf, now_s, calls_before=before)
        except GeneratorExit:  # the process ends in the middle of it
            self.outbox.failed(item.op, now_s)
            raise
        if self._is_done(result):
            self._confirm(item.op, result.ended_s)
            self.outbox.sent(item.op)
        else:
            self.outbox.failed(item.op, result.ended_s)

    def _with_session(
        self, user: int, ask: Request, request: AppRequest, now_s: float, calls_before: int = 0
    ) -> Generator[Want, Answer, CallResult]:
        """Rebuild the session if it is gone, then ask the store; the result of the call that decided."""
        if self.sessions.gone(user, now_s):
            read = Request("read", {"table": "sessions", "key": str(user)}, write=False)
            result = yield from self._call(user, read, request, calls_before + _SESSION_CALL, now_s)
            if not result.ok:
                return result
            now_s = result.ended_s
            self.sessions.rebuilt(user, now_s)
        return (yield from self._call(user, ask, request, calls_before + _OPERATION_CALL, now_s))

    def _call(
        self, user: int, ask: Request, request: AppRequest, call_no: int, now_s: float
    ) -> Generator[Want, Answer, CallResult]:
        if self.stores is None:
            result = yield from self.ask(STORE, ask, request, call_no, now_s)
        else:
            flow = self.stores.ask(
                ask, user, op=request.op, layer=request.inner_layer, parent_id=request.attempt, call_no=call_no,
                now_s=now_s, deadline_s=request.deadline_s, criticality=request.criticality,
            )  # fmt: skip
            result = yield from self._counted(STORE, flow)
        self.outbox.heard(not worth_repeating(result.reply))
        return result

    def _write_of(self, transfer: Transfer, op: int) -> Request:
        record = {"op": op, "from": transfer.user, "to": transfer.to, "amount": transfer.amount}
        movements: list[dict[str, Any]] = [
            {"table": "accounts", "key": str(transfer.user), "add": {"balance": -transfer.amount}},
            {"table": "accounts", "key": str(transfer.to), "add": {"balance": transfer.amount}},
        ]
        if transfer.user == transfer.to:  # somebody alone pays themselves; an item is written once at a time
            movements = []
        if not self.spec.idempotency_keys:  # the store names the record after the attempt
            return Request("write", {"writes": [{"table": "transfers", "put": record}, *movements]})
        keyed = {"table": "transfers", "key": transfer.key, "put": record, "if": {"absent": True}}
        return Request("write", {"writes": [keyed, *movements], "token": f"transfer-{transfer.key}"})

    def _is_done(self, result: CallResult) -> bool:
        """True when the store confirmed the write, or says that this operation's record is there already."""
        return result.ok or (self.spec.idempotency_keys and result.reply.cause is Cause.CONFLICT)

    def _confirm(self, op: int, now_s: float) -> None:
        self.confirmed.setdefault(op, now_s)
