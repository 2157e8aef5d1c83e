"""The banking brain on an event heap: sessions, keys, what is owed, and that money is neither made nor lost."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import seeds
from harness.build.mobile_banking import spec_of
from harness.flows.failover import FailoverSpec
from harness.flows.wants import Cause, Flow, Reply, Result, Send, Wait
from harness.models.apps.banking_offline import OfflineSpec
from harness.models.apps.base import AppRequest, Response
from harness.models.apps.mobile_banking import OPENING_BALANCE, BankingSpec, MobileBanking
from harness.models.component import Given
from harness.models.outbox import OutboxSpec
from harness.models.table import TableStore
from harness.policies.admission import ConcurrencySpec
from harness.policies.client import ClientSpec, compose
from harness.spec.components.mobile_banking import GAUGES
from harness.spec.components.mobile_banking import MobileBanking as Knobs

OUTBOX = OutboxSpec(senders=3, pace=None, retry_wait_s=20.0, capacity=1000)
SPEC = BankingSpec(10, 8.0, True, OUTBOX, True, ClientSpec(1.5, 0.5, 3))
GIVEN = Given(7, 0.0, lambda kind, **fields: None, ("kv", "mobile_banking"), 0, "acceptance", False)
Answers = Callable[[Send, float], tuple[float, Reply]]  # want, now -> (when, what)


class Heap:
    """Drives one brain: flows and their answers in order of time, then of birth."""

    def __init__(self, brain: MobileBanking, answers: Answers) -> None:
        self.brain = brain
        self.answers = answers
        self.now_s = 0.0
        self.sends: list[tuple[float, Send]] = []
        self.results: dict[Any, Response] = {}
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._births = itertools.count()

    def at(self, at_s: float, deed: Callable[[], None]) -> None:
        heapq.heappush(self._due, (at_s, next(self._births), deed))

    def ask(self, at_s: float, name: Any, operation: str, op: int, /, attempt: int = 0, **params: Any) -> None:
        request = AppRequest(operation, params, attempt or op * 1000, op)
        self.at(at_s, lambda: self.step(self.brain.handle(request, self.now_s), None, name))

    def step(self, flow: Flow, answer: Any, name: Any) -> None:
        try:
            want = flow.send(answer)
        except StopIteration as end:
            if name is not None:
                self.results[name] = end.value
        else:
            if isinstance(want, Wait):
                at_s, reply = max(self.now_s, want.until_s), None
            else:
                assert isinstance(want, Send)
                self.sends.append((self.now_s, want))
                at_s, reply = self.answers(want, self.now_s)
            self.at(at_s, lambda: self.step(flow, self.now_s if reply is None else reply, name))
        for replay in self.brain.background(self.now_s):
            self.step(replay, None, None)

    def run(self, until_s: float) -> None:
        while True:
            wake_s = self.brain.wake_s()
            next_s = min(self._due[0][0] if self._due else until_s, wake_s)
            if next_s >= until_s:
                self.now_s = until_s
                return
            self.now_s = max(self.now_s, next_s)
            if self._due and self._due[0][0] <= self.now_s:
                heapq.heappop(self._due)[2]()
            else:
                for replay in self.brain.background(self.now_s):
                    self.step(replay, None, None)


class Store:
    """A table store 10 ms away that can be out of reach, or take effect and lose the reply."""

    def __init__(self) -> None:
        self.tables = TableStore()
        self.reachable: Callable[[float], bool] = lambda _: True
        self.loses_reply: Callable[[Send], bool] = lambda _: False

    def __call__(self, want: Send, now_s: float) -> tuple[float, Reply]:
        if not self.reachable(now_s):
            return now_s, Reply(Result.UNSENT, 0, Cause.DNS_EMPTY, now_s)
        at_s = now_s + 0.01
        said = self.tables.perform(want.request.operation, want.request.params, want.attempt_id, at_s)
        if self.loses_reply(want):
            return now_s + want.timeout_s, Reply(Result.TIMEOUT, 0, Cause.TIMEOUT, now_s + want.timeout_s)
        if said.status == 200:
            return at_s, Reply(Result.OK, 200, Cause.NONE, at_s, said.body)
        return at_s, Reply(Result.ERROR, said.status, Cause.CONFLICT, at_s, said.body)


def world(spec: BankingSpec = SPEC) -> tuple[Heap, Store]:
    store = Store()
    return Heap(MobileBanking(spec, GIVEN), store), store


def money(store: Store) -> int:
    accounts = store.tables.export()["tables"].get("accounts", {})
    return sum(item["balance"] for item in accounts.values())


def asked(heap: Heap) -> list[str]:
    return [want.request.params.get("table", want.request.operation) for _, want in heap.sends]


def test_a_live_session_costs_one_call_and_a_missing_one_two() -> None:
    heap, _ = world(SPEC._replace(prewarmed=False))
    heap.ask(0.0, "first", "balance", 1, user=3)
    heap.ask(1.0, "second", "balance", 2, user=3)
    heap.ask(8.0, "still", "balance", 3, user=3)
    heap.ask(8.02, "expired", "balance", 4, user=3)
    heap.run(10.0)
    assert asked(heap) == ["sessions", "accounts", "accounts", "accounts", "sessions", "accounts"]
    assert list(heap.results.values()) == [Response(200, "", {"balance": OPENING_BALANCE})] * 4


def test_prewarmed_sessions_expire_spread_over_the_ttl() -> None:
    brain = MobileBanking(SPEC._replace(users=400), GIVEN)
    alive = [brain.gauges(now_s)["sessions"] for now_s in (0.0, 2.0, 4.0, 6.0, 8.0)]
    assert alive[0] == 400.0
    assert alive[-1] == 0.0
    drawn = [seeds.draw(7, seeds.stream_id("mobile_banking/prewarm"), user) for user in range(400)]
    assert alive[1:4] == [sum(8.0 * u > now_s for u in drawn) for now_s in (2.0, 4.0, 6.0)]
    assert 80 < alive[1] - alive[2] < 120  # a quarter each, about


def test_a_transfer_moves_money_once_and_says_so() -> None:
    heap, store = world()
    heap.ask(0.0, "paid", "transfer", 5, user=1, to=2, amount=30, key=5)
    heap.ask(0.1, "seen", "balance", 6, user=2)
    heap.run(1.0)
    assert heap.results == {
        "paid": Response(200, "", {"transfer": 5}),
        "seen": Response(200, "", {"balance": OPENING_BALANCE + 30}),
    }
    assert store.tables.export()["tables"]["transfers"] == {"5": {"op": 5, "from": 1, "to": 2, "amount": 30}}
    assert money(store) == 0


def test_a_lost_reply_is_repeated_under_its_key_and_pays_once() -> None:
    heap, store = world()
    store.loses_reply = lambda want: want.n == 0
    heap.ask(0.0, "paid", "transfer", 5, user=1, to=2, amount=30, key=5)
    heap.run(1.0)
    assert heap.results["paid"].status == 200
    assert [want.n for _, want in heap.sends] == [0, 1]
    assert store.tables.export()["tables"]["accounts"] == {"1": {"balance": -30}, "2": {"balance": 30}}
    assert store.tables.replayed_total == 1


def test_without_keys_a_lost_reply_pays_twice_and_still_makes_no_money() -> None:
    heap, store = world(SPEC._replace(idempotency_keys=False))
    store.loses_reply = lambda want: want.n == 0
    heap.ask(0.0, "paid", "transfer", 5, user=1, to=2, amount=30, key=5)
    heap.run(1.0)
    transfers = store.tables.export()["tables"]["transfers"]
    assert [record["op"] for record in transfers.values()] == [5, 5]
    assert money(store) == 0


def test_a_transfer_that_could_not_be_confirmed_is_owed_once_and_replayed_under_the_same_token() -> None:
    heap, store = world()
    store.reachable = lambda now_s: now_s >= 10.0
    for attempt in (51, 52, 53):  # the user tries three times
        heap.ask(attempt - 51.0, attempt, "transfer", 5, attempt=attempt, user=1, to=2, amount=30, key=5)
    heap.ask(12.0, "probe", "balance", 6, user=4)
    heap.run(11.0)
    assert [heap.results[attempt] for attempt in (51, 52, 53)] == [Response(503, "dependency")] * 3
    gauges = heap.brain.gauges(11.0)
    assert (gauges["waiting_outbox"], gauges["outbox_added_total"], gauges["outbox_open"]) == (1.0, 1.0, 0.0)
    heap.run(20.0)
    gauges = heap.brain.gauges(20.0)
    assert (gauges["waiting_outbox"], gauges["outbox_sent_total"], gauges["outbox_open"]) == (0.0, 1.0, 1.0)
    assert heap.brain.export() == {"confirmed": [5], "owed": [], "outbox_dropped": 0, "idempotency_keys": True}
    assert store.tables.export()["tables"]["accounts"]["2"] == {"balance": 30}


def test_the_outbox_waits_for_somebody_elses_success_and_then_lets_all_go() -> None:
    heap, store = world(SPEC._replace(outbox=OUTBOX._replace(senders=35)))
    store.reachable = lambda now_s: now_s >= 2.0
    for op in range(1, 31):
        heap.ask(op * 0.01, op, "transfer", op, user=op % 10, to=11, amount=1, key=op)
    heap.run(5.0)
    before = len(heap.sends)
    assert before == 90  # three attempts each; the outbox probes nothing
    heap.ask(6.0, "probe", "balance", 99, user=4)
    heap.run(7.0)
    first_success_s = min(at_s for at_s, want in heap.sends[before:]) + 0.01
    replays = [at_s for at_s, want in heap.sends if want.parent_id == 0]
    assert replays
    assert min(replays) == first_success_s
    assert heap.brain.outbox.sent_total == 30
    assert money(store) == 0


def test_an_operation_confirmed_by_a_later_attempt_is_not_replayed() -> None:
    heap, store = world()
    store.reachable = lambda now_s: now_s >= 1.0
    heap.ask(0.0, "failed", "transfer", 5, attempt=51, user=1, to=2, amount=30, key=5)
    heap.ask(2.0, "paid", "transfer", 5, attempt=52, user=1, to=2, amount=30, key=5)
    heap.run(100.0)
    assert [heap.results[key].status for key in ("failed", "paid")] == [503, 200]
    assert [want for _, want in heap.sends if want.parent_id == 0] == []
    assert heap.brain.outbox.settled_total == 1


def test_a_replay_that_meets_its_own_record_counts_as_done() -> None:
    """The store forgot the token, the record is there: the condition says so, and the money moved once."""
    heap, store = world()
    store.tables = TableStore(token_ttl_s=1.2)
    store.loses_reply = lambda want: want.parent_id != 0 and want.op == 5
    heap.ask(0.0, "unsure", "transfer", 5, user=1, to=2, amount=30, key=5)
    heap.ask(5.0, "probe", "balance", 6, user=4)
    heap.run(100.0)
    assert heap.results["unsure"].status == 503
    assert heap.brain.export()["owed"] == []
    assert store.tables.conflicts_total == 1
    assert store.tables.export()["tables"]["accounts"]["2"] == {"balance": 30}


def test_attempt_ids_never_meet() -> None:
    heap, store = world(SPEC._replace(session_ttl_s=0.5))
    store.reachable = lambda now_s: 3.0 <= now_s < 3.2 or now_s > 60.0
    for op in range(1, 41):
        for n in range(3):
            heap.ask(op * 0.1 + n * 0.4, (op, n), "transfer", op, attempt=op * 10 + n, user=op % 10, to=11, amount=1)
    for op in range(50, 60):
        heap.ask(op * 2.0, op, "balance", op, user=op % 10)
    heap.run(200.0)
    ids = [want.attempt_id for _, want in heap.sends]
    assert len(set(ids)) == len(ids) > 200
    assert heap.brain.export()["owed"] == []


def test_calls_between_attempts_are_counted_as_orbit_and_only_then() -> None:
    policy = compose({"deadline_s": 5.0, "timeout_s": 0.5, "attempts": 3, "backoff": ("fixed", {"delay": 1.0})})
    heap, store = world(SPEC._replace(client=policy))
    store.reachable = lambda _: False
    heap.ask(0.0, "failed", "transfer", 5, user=1, to=2, amount=1)
    heap.run(0.5)
    assert heap.brain.gauges(0.5)["waiting_orbit"] == 1.0
    heap.run(3.0)
    gauges = heap.brain.gauges(3.0)
    assert (gauges["waiting_orbit"], gauges["kv_in_flight"], gauges["in_flight"]) == (0.0, 0.0, 0.0)
    assert gauges["kv_attempts_total"] == 3.0


def test_closing_a_flow_leaves_nothing_counted_and_owes_the_transfer() -> None:
    brain = MobileBanking(SPEC, GIVEN)
    flow = brain.handle(AppRequest("transfer", {"user": 1, "to": 2, "amount": 3}, 51, 5), 0.0)
    assert isinstance(next(flow), Send)
    flow.close()
    gauges = brain.gauges(0.0)
    assert (gauges["in_flight"], gauges["kv_in_flight"]) == (0.0, 0.0)
    assert [op for op, _ in brain.export()["owed"]] == [5]


def test_an_admission_limit_refuses_at_the_door() -> None:
    heap, _ = world(SPEC._replace(admission=ConcurrencySpec(1, 0)))
    heap.ask(0.0, "in", "balance", 1, user=3)
    heap.ask(0.005, "refused", "balance", 2, user=4)
    heap.ask(0.5, "later", "balance", 3, user=4)
    heap.run(1.0)
    assert [heap.results[key].status for key in ("in", "refused", "later")] == [200, 503, 200]
    assert heap.results["refused"].code == "queue_full"


@pytest.mark.parametrize(
    ("operation", "params", "status"),
    [
        ("transfer", {"to": 2}, 400),
        ("transfer", {"user": "1"}, 400),
        ("transfer", {"user": True}, 400),
        ("transfer", {"user": 1, "to": 2, "amount": 0}, 400),
        ("balance", {}, 400),
        ("close_account", {"user": 1}, 404),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_and_owes_nothing(
    operation: str, params: dict[str, Any], status: int
) -> None:
    heap, _ = world()
    heap.ask(0.0, "said", operation, 1, **params)
    heap.run(1.0)
    assert heap.results["said"].status == status
    assert heap.brain.export()["owed"] == []
    assert heap.sends == []


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.tuples(st.floats(0, 20), st.floats(0, 5)), max_size=3), st.floats(0, 0.6))
def test_whatever_fails_money_is_kept_and_every_transfer_happens_once(
    seed: int, holes: list[tuple[float, float]], loss: float
) -> None:
    heap, store = world(SPEC._replace(session_ttl_s=2.0))
    store.reachable = lambda now_s: not any(start <= now_s < start + length for start, length in holes)
    store.loses_reply = lambda want: heap.now_s < 30.0 and seeds.draw(seed, 1, want.attempt_id) < loss
    for op in range(1, 61):
        for n in range(2):
            heap.ask(op * 0.4 + n * 0.7, (op, n), "transfer", op, attempt=op * 10 + n, user=op % 10, to=11, amount=op)
    for op in range(100, 160):
        heap.ask((op - 100) * 2.0, op, "balance", op, user=op % 10)
    heap.run(500.0)
    tables = store.tables.export()["tables"]
    assert {int(key) for key in tables["transfers"]} == set(range(1, 61))
    assert tables["accounts"]["11"] == {"balance": sum(range(1, 61))}
    assert money(store) == 0
    assert heap.brain.export() == {
        "confirmed": list(range(1, 61)), "owed": [], "outbox_dropped": 0, "idempotency_keys": True,
    }  # fmt: skip


class TwoStores:
    """`kv` and `provider`, each a store of its own."""

    def __init__(self) -> None:
        self.kv, self.provider = Store(), Store()
        self.told: list[tuple[str, list[float | None] | None]] = []  # who was asked, and with which `seen_s`

    def __call__(self, want: Send, now_s: float) -> tuple[float, Reply]:
        params = dict(want.request.params)
        self.told.append((want.target, params.pop("seen_s", None)))
        side = self.kv if want.target == "kv" else self.provider
        return side(want._replace(request=want.request._replace(params=params)), now_s)


def two_stores(mode: str = "active_passive") -> tuple[Heap, TwoStores]:
    client = ClientSpec(1.5, 0.5, 1)
    spec = SPEC._replace(client=client, session_ttl_s=1e6, failover=FailoverSpec(mode, 2, 2, 1.0))
    stores = TwoStores()
    return Heap(MobileBanking(spec, GIVEN), stores), stores


def pay(heap: Heap, at_s: float, op: int, amount: int = 10) -> None:
    heap.ask(at_s, op, "transfer", op, user=1, to=2, amount=amount, key=op)


def test_while_the_first_store_is_away_the_second_is_written_and_told_what_it_may_lack() -> None:
    heap, stores = two_stores()
    stores.kv.reachable = lambda now_s: now_s < 1.0
    for op, at_s in enumerate((0.5, 1.0, 1.1, 1.2, 1.3), 1):
        pay(heap, at_s, op)
    heap.run(1.5)
    assert [heap.results[op].status for op in (1, 2, 3, 4, 5)] == [200, 503, 503, 200, 200]
    replayed = 2  # what failed at the first is repeated at the second, as soon as that has answered
    assert stores.told[:4] == [("kv", None), ("kv", None), ("kv", None), ("provider", [None, 0.51, 0.51])]
    assert stores.told[4:] == [("provider", None)] * (1 + replayed)  # the newest version is now at the second
    assert set(stores.provider.tables.export()["tables"]["transfers"]) == {"2", "3", "4", "5"}
    gauges = heap.brain.gauges(1.5)
    assert (gauges["failed_over_total"], gauges["failed_back_total"], gauges["waiting_outbox"]) == (1.0, 0.0, 0.0)


def test_back_home_what_was_written_away_is_missing_and_that_is_counted() -> None:
    heap, stores = two_stores()
    stores.kv.reachable = lambda now_s: now_s >= 2.0
    for op, at_s in enumerate((0.5, 0.6, 0.7, 2.1, 3.2), 1):
        pay(heap, at_s, op)
    heap.ask(3.5, "seen", "balance", 9, user=2)
    heap.run(4.0)
    assert heap.results["seen"].body == {"balance": OPENING_BALANCE + 20}  # two at home, three away
    gauges = heap.brain.gauges(4.0)
    assert gauges["failed_back_total"] == 1.0
    # The first probe wrote an item whose newest version was away; since then the newest is at home, and not the whole.
    assert (gauges["home_divergent_writes_total"], gauges["home_stale_reads_total"]) == (1.0, 0.0)
    assert gauges["home_divergent_items"] == 2.0  # both accounts, not the record of the transfer
    assert money(stores.kv) == money(stores.provider) == 0


def test_a_turn_to_the_other_store_is_noted_once() -> None:
    noted: list[tuple[str, dict[str, Any]]] = []
    stores = TwoStores()
    stores.kv.reachable = lambda now_s: now_s >= 2.0
    spec = SPEC._replace(session_ttl_s=1e6, failover=FailoverSpec("active_passive", 2, 2, 1.0))
    heap = Heap(MobileBanking(spec, GIVEN._replace(note=lambda kind, **fields: noted.append((kind, fields)))), stores)
    for op in range(1, 60):
        pay(heap, op * 0.1, op)
    heap.run(10.0)
    assert noted == [("failed_over", {"down": ["kv"]}), ("failed_back", {"down": []})]


def test_in_active_active_each_user_has_one_home() -> None:
    heap, stores = two_stores("active_active")
    for op in range(1, 41):
        heap.ask(op * 0.1, op, "transfer", op, user=op % 10, to=99, amount=1, key=op)
    heap.run(10.0)
    homes = [
        {record["from"] for record in side.tables.export()["tables"]["transfers"].values()}
        for side in (stores.kv, stores.provider)
    ]
    assert homes[0]
    assert homes[1]
    assert not homes[0] & homes[1]
    assert homes[0] | homes[1] == set(range(10))


def test_failover_without_its_two_stores_is_refused_with_what_to_write() -> None:
    with pytest.raises(ValueError, match=r"depends_on has no provider; write depends_on: \[kv, provider\]"):
        Knobs.model_validate({"failover": {"mode": "active_passive"}})
    Knobs.model_validate({"failover": {"mode": "none"}})
    both = Knobs.model_validate({"failover": {}, "depends_on": ["kv", "provider"]})
    assert Knobs.model_validate(both.model_dump(mode="json", by_alias=True)) == both
    assert Knobs().model_dump(mode="json", by_alias=True)["failover"] == "none"


@pytest.mark.parametrize("knobs", [{}, {"failover": {"mode": "none"}}])
def test_without_the_knobs_the_app_reports_what_it_always_did(knobs: dict[str, Any]) -> None:
    brain = MobileBanking(spec_of(Knobs.model_validate(knobs), 400), GIVEN)
    assert brain.stores is None
    assert brain.offline is None
    assert set(brain.gauges(0.0)) == set(GAUGES)


OFFLINE = OfflineSpec(risk_limit=1000, after_s=0.25, probe_every_s=0.5, stale_balance_s=10.0)


def test_a_small_transfer_is_taken_on_trust_a_large_one_is_not_and_both_are_settled() -> None:
    heap, store = world(SPEC._replace(offline=OFFLINE))
    store.reachable = lambda now_s: now_s >= 2.0
    pay(heap, 0.5, 1, amount=1000)
    pay(heap, 0.6, 2, amount=1001)
    heap.ask(3.0, "probe", "balance", 9, user=4)
    heap.run(5.0)
    assert heap.results[1] == Response(200, "", {"transfer": 1, "degraded": "captured"})
    assert heap.results[2] == Response(503, "dependency")
    assert store.tables.export()["tables"]["accounts"]["2"] == {"balance": 2001}
    assert heap.brain.export()["owed"] == []
    assert heap.brain.gauges(5.0)["captured_total"] == 1.0


def test_while_the_store_is_known_to_be_away_only_one_in_each_period_asks_it() -> None:
    heap, store = world(SPEC._replace(offline=OFFLINE, client=ClientSpec(1.5, 0.5, 1)))
    store.reachable = lambda _: False
    for op in range(1, 41):
        pay(heap, op * 0.05, op)
    heap.run(3.0)
    assert {response.status for response in heap.results.values()} == {200}
    assert [round(at_s, 2) for at_s, _ in heap.sends] == [0.05, 0.1, 0.6, 1.1, 1.6]


def test_a_store_that_hangs_is_given_a_moment_and_not_the_customers_patience() -> None:
    heap, store = world(SPEC._replace(offline=OFFLINE))
    store.loses_reply = lambda _: True
    heap.answers = lambda want, now_s: (
        now_s + want.timeout_s, Reply(Result.TIMEOUT, 0, Cause.TIMEOUT, now_s + want.timeout_s)
    )  # fmt: skip
    pay(heap, 0.0, 1)
    heap.run(0.26)
    assert heap.results[1].body == {"transfer": 1, "degraded": "captured"}


def test_a_balance_seen_before_is_shown_with_its_age_until_it_is_too_old() -> None:
    heap, store = world(SPEC._replace(offline=OFFLINE, session_ttl_s=1e6))
    store.reachable = lambda now_s: now_s < 1.0
    heap.ask(0.49, "fresh", "balance", 1, user=3)
    heap.ask(5.5, "old", "balance", 2, user=3)
    heap.ask(5.6, "unknown", "balance", 3, user=4)
    heap.ask(11.0, "too old", "balance", 4, user=3)
    heap.run(12.0)
    assert heap.results["old"].body == {"balance": OPENING_BALANCE, "age_s": pytest.approx(5.0), "degraded": "stale"}
    assert [heap.results[name].status for name in ("fresh", "unknown", "too old")] == [200, 503, 503]
    heap.brain.crashed(12.0)
    assert heap.brain.offline is not None
    assert heap.brain.offline.seen(3, 12.0) is None


def test_nothing_is_promised_that_the_outbox_has_no_room_for() -> None:
    heap, store = world(SPEC._replace(offline=OFFLINE, outbox=OUTBOX._replace(capacity=1)))
    store.reachable = lambda _: False
    pay(heap, 0.5, 1)
    pay(heap, 0.6, 2)
    heap.run(1.0)
    assert [heap.results[op].status for op in (1, 2)] == [200, 503]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.tuples(st.floats(0, 20), st.floats(0, 5)), max_size=3), st.floats(0, 0.6))
def test_whatever_fails_every_promise_is_kept_exactly_once(
    seed: int, holes: list[tuple[float, float]], loss: float
) -> None:
    heap, store = world(SPEC._replace(offline=OFFLINE, session_ttl_s=2.0))
    store.reachable = lambda now_s: not any(start <= now_s < start + length for start, length in holes)
    store.loses_reply = lambda want: heap.now_s < 30.0 and seeds.draw(seed, 1, want.attempt_id) < loss
    for op in range(1, 61):
        heap.ask(op * 0.4, op, "transfer", op, user=op % 10, to=11, amount=op * 30, key=op)
    for op in range(100, 160):
        heap.ask((op - 100) * 2.0, op, "balance", op, user=op % 10)
    heap.run(500.0)
    done = {int(key) for key in store.tables.export()["tables"]["transfers"]}
    assert {op for op in range(1, 61) if heap.results[op].status == 200} <= done
    assert heap.brain.export()["owed"] == []
    assert store.tables.export()["tables"]["accounts"]["11"] == {"balance": sum(30 * op for op in done)}
