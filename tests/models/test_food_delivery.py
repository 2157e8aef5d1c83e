"""Orders that die between payment and dispatch: what waits, what goes cold, and that the money always adds up."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.models.apps.food_delivery import list_price
from tests.models.small_store import on_stage

APP = "food_delivery"
BOX = {"senders": 2, "retry_wait": "1s", "expiry": "5s"}


def scene_of(accept="paid", **knobs):
    return on_stage(APP, {"outbox": BOX, "fallbacks": {"accept": accept}, **knobs})


def order(scene, op=1, restaurant=3, **params):
    return scene.ask(APP, "order", {"user": 5, "restaurant": restaurant, **params}, op)


def said(answer):
    assert len(answer) == 1
    return answer[0].status, (answer[0].body or {}).get("degraded")


def money(store):
    """Paid, given back, and what the meals cost that were sent, in pence."""
    return (
        sum(record.get("amount", 0) for record in store.table("payments").values()),
        sum(record["amount"] for record in store.table("refunds").values()),
        sum(record["price"] for record in store.table("dispatches").values() if "op" in record),
    )


def test_an_order_is_quoted_paid_and_dispatched_in_this_order_and_the_menu_is_remembered():
    scene, store, app = scene_of()
    first = order(scene)
    scene.until(2.0)
    second = order(scene, op=2)
    scene.until(4.0)
    assert said(first) == said(second) == (200, None)
    assert store.asked == ["menus", "payments", "dispatches", "payments", "dispatches"]
    assert store.records("payments") == store.records("dispatches") == {1: 1, 2: 1}
    assert money(store) == (2 * list_price(3), 0, 2 * list_price(3))
    assert app.export()["owed"] == app.export()["paid_undispatched"] == []


def stuck(accept="paid", **knobs):
    scene, store, app = scene_of(accept, **knobs)
    quote = scene.ask(APP, "quote", {"restaurant": 3})
    scene.until(1.0)
    assert said(quote) == (200, None)
    answer = order(scene)
    store.away = True  # the payment left already; the dispatch will find nobody
    scene.until(2.0)
    return scene, store, app, answer


def test_a_paid_order_waits_until_its_dispatch_is_confirmed():
    scene, store, app, answer = stuck()
    assert said(answer) == (200, "outbox")
    assert app.export()["owed"] == [(1, 1.25)]
    assert app.export()["paid_undispatched"] == [[1, 1.25]]
    store.away = False
    scene.until(6.0)
    assert store.records("payments") == store.records("dispatches") == {1: 1}
    assert app.export()["owed"] == app.export()["expired"] == app.export()["paid_undispatched"] == []


def test_without_an_outbox_a_paid_order_is_forgotten_and_counted():
    scene, store, app, answer = stuck("none")
    store.away = False
    scene.until(60.0)
    assert said(answer) == (503, None)
    assert (app.export()["owed"], app.export()["paid_undispatched"]) == ([], [[1, 1.25]])
    assert money(store) == (list_price(3), 0, 0)


@pytest.mark.parametrize(("accept", "status"), [("none", 503), ("paid", 503), ("all", 200)])
def test_an_order_that_surely_was_not_paid_is_taken_on_credit_or_not_at_all(accept, status):
    scene, store, app = scene_of(accept)
    scene.ask(APP, "quote", {"restaurant": 3})
    scene.until(1.0)
    store.away = True
    answer = order(scene)
    scene.until(2.0)
    assert said(answer) == (status, "outbox" if status == 200 else None)
    assert app.export()["owed"] == ([(1, 1.0)] if accept == "all" else [])
    store.away = False
    scene.until(4.5)
    assert store.records("dispatches") == ({1: 1} if accept == "all" else {})


@pytest.mark.parametrize("loses", ["reply", "request"])
def test_a_payment_that_may_have_happened_is_found_out_about(loses):
    scene, store, app = scene_of()
    store.loses = loses
    answer = order(scene)
    scene.until(2.0)  # its deadline of 1.5 s from 0.25 on: three attempts in vain
    assert said(answer) == (503, None)
    assert [op for op, _ in app.export()["owed"]] == [1]
    store.loses = ""
    scene.until(5.0)
    assert store.records("payments") == store.records("dispatches") == {1: 1}


def test_a_cold_order_is_thrown_away_and_refunded_once():
    scene, store, app, _ = stuck()
    scene.until(10.0)
    store.away = False
    scene.until(20.0)
    export = app.export()
    assert (export["owed"], export["expired"], export["refunds_owed"]) == ([], [(1, 1.25)], [])
    assert export["paid_undispatched"] == []
    assert store.records("dispatches") == {}
    assert money(store) == (list_price(3), list_price(3), 0)


def test_a_refund_that_is_switched_off_leaves_the_money_where_it_is():
    scene, store, app, _ = stuck(fallbacks={"accept": "paid", "refunds": False})
    scene.until(10.0)
    store.away = False
    scene.until(20.0)
    assert [op for op, _ in app.export()["paid_undispatched"]] == [1]
    assert money(store) == (list_price(3), 0, 0)


@pytest.mark.parametrize(("loses", "paid"), [("reply", 1), ("request", 0)])
def test_a_cold_order_whose_payment_is_unknown_is_voided_or_refunded(loses, paid):
    scene, store, app = scene_of()
    store.loses = loses
    order(scene)
    scene.until(2.0)
    store.loses, store.away = "", True
    scene.until(10.0)
    store.away = False
    scene.until(20.0)
    assert [op for op, _ in app.export()["expired"]] == [1]
    assert money(store) == (paid * list_price(3), paid * list_price(3), 0)
    assert (app.voided_total, app.refunded_total) == (1 - paid, paid)


def test_a_dispatch_that_landed_after_all_is_not_refunded():
    scene, store, app = scene_of()
    scene.ask(APP, "quote", {"restaurant": 3})
    scene.until(1.0)
    order(scene)
    scene.until(1.125)
    store.loses = "reply"  # the payment left before; the dispatch lands and nobody hears of it
    scene.until(4.0)
    store.away = True
    scene.until(12.0)
    store.away, store.loses = False, ""
    scene.until(20.0)
    assert [op for op, _ in app.export()["expired"]] == [1]
    assert store.records("dispatches") == {1: 1}
    assert money(store) == (list_price(3), 0, list_price(3))
    assert app.export()["paid_undispatched"] == app.export()["refunds_owed"] == []


def test_without_keys_every_attempt_pays_again():
    scene, store, _ = scene_of("paid", idempotency_keys=False)
    store.loses = "reply"
    order(scene)
    scene.until(2.0)
    assert store.records("payments") == {1: 3}


def test_work_that_only_waits_finds_out_by_itself_that_the_store_is_back():
    scene, store, app, _ = stuck(probe_every="500ms")
    scene.until(3.1)
    assert store.asked == ["menus", "payments"]
    store.away = False
    scene.until(3.4)  # one every half second since 1.25, the last at 3.25
    assert store.asked[2:] == ["probe"]
    scene.until(5.0)
    assert app.export()["owed"] == []


def test_a_price_is_used_while_it_is_not_too_old_and_a_location_is_left_out():
    scene, store, app = scene_of(menu_fresh="2s", fallbacks={"stale_menu": "3s"})
    scene.ask(APP, "quote", {"restaurant": 3})
    scene.until(1.0)
    store.away = True
    answers = [scene.ask(APP, "location", {"driver": 4})]
    for at_s in (1.5, 4.0, 6.0):
        scene.until(at_s)
        answers.append(scene.ask(APP, "quote", {"restaurant": 3}))
    scene.until(7.0)
    assert [said(answer) for answer in answers] == [(200, "omitted"), (200, None), (200, "stale"), (503, None)]
    gauges = app.gauges(7.0)
    assert (gauges["degraded_total"], gauges["stale_served_total"], gauges["omitted_total"]) == (2.0, 1.0, 1.0)


def test_with_its_fallbacks_off_the_app_is_down_with_its_store():
    off = {"accept": "none", "stale_menu": 0, "omit_location": False}
    scene, store, _ = on_stage(APP, {"fallbacks": off})
    store.away = True
    answers = [
        scene.ask(APP, "location", {"driver": 4}), scene.ask(APP, "quote", {"restaurant": 3}), order(scene),
    ]  # fmt: skip
    scene.until(1.0)
    assert [said(answer) for answer in answers] == [(503, None)] * 3


@pytest.mark.parametrize(
    ("operation", "params", "status"),
    [("refund", {}, 404), ("order", {"user": 1}, 400), ("order", {"user": True, "restaurant": 1}, 400)],
)
def test_what_makes_no_sense_is_said_to_make_none(operation, params, status):
    scene, _, _ = scene_of()
    answer = scene.ask(APP, operation, params)
    scene.until(1.0)
    assert answer[0].status == status
    assert answer[0].body["message"]


def test_what_waits_survives_a_crash_and_is_done_once():
    scene, store, app, _ = stuck()
    store.away = False
    scene.until(2.6)  # probed at 2.25, answered at 2.5; now its replay is under way
    assert app.boxes["outbox"].sending == 1
    scene.crash(APP)
    scene.until(3.0)
    scene.restart(APP)
    scene.until(6.0)
    assert app.export()["owed"] == []
    assert store.records("dispatches") == {1: 1}


MOODS = st.lists(
    st.tuples(st.sampled_from(["well", "away", "reply", "request"]), st.integers(1, 12)), min_size=1, max_size=12
)


@settings(max_examples=60)
@given(MOODS, st.sampled_from(["paid", "all"]))
def test_whatever_the_store_does_nobody_pays_for_a_meal_that_is_not_sent_or_pays_twice(moods, accept):
    scene, store, app = scene_of(accept)
    op = 0
    for mood, quarters in moods:
        store.away, store.loses = mood == "away", mood if mood in ("reply", "request") else ""
        for _ in range(quarters):
            op += 1
            order(scene, op, restaurant=op % 3)
            scene.until(scene.now_s + 0.25)
    store.away, store.loses = False, ""
    scene.until(scene.now_s + 120.0)
    assert app.export()["owed"] == app.export()["refunds_owed"] == app.export()["paid_undispatched"] == []
    paid, back, meals = money(store)
    assert paid - back == meals
    for table in ("payments", "dispatches", "refunds"):
        assert set(store.records(table).values()) <= {1}
