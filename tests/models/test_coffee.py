"""Coffee without its store: the counter sells at the rate of people, and points come late, each of them once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.small_store import on_stage

APP = "coffee"
BOX = {"senders": 3, "retry_wait": "1s"}


def scene_of(takes_s=0.25, **knobs):
    return on_stage(APP, {"outbox": BOX, **knobs}, takes_s)


def order(scene, op):
    return scene.ask(APP, "order_ahead", {"user": op, "item": 2}, op)


def earn(scene, op, points=5):
    return scene.ask(APP, "earn", {"user": op % 4, "points": points}, op)


def said(answer):
    assert len(answer) == 1
    return answer[0].status, (answer[0].body or {}).get("degraded")


def test_in_good_times_an_order_is_one_write_and_points_are_posted_at_once():
    scene, store, app = scene_of()
    answers = [order(scene, 1), earn(scene, 2)]
    scene.until(1.0)
    assert [said(answer) for answer in answers] == [(200, None)] * 2
    assert store.asked == ["orders", "points"]
    assert (store.records("orders"), store.records("points")) == ({1: 1}, {2: 1})
    assert store.table("loyalty") == {"2": {"points": 5}}
    assert app.export()["owed"] == []


def test_the_counter_serves_at_its_rate_and_its_line_ends_at_the_door():
    scene, store, app = scene_of(fallbacks={"counter": "4/s", "counter_room": 3})
    store.away = True
    answers = [order(scene, op) for op in (1, 2, 3, 4)]
    scene.until(0.5)
    assert [answer[0].status for answer in answers] == [200, 200, 200, 503]
    assert [answer[0].body["served_s"] for answer in answers[:3]] == [0.25, 0.5, 0.75]
    assert app.gauges(0.5)["waiting_counter"] == 1.0
    assert [op for op, _ in app.export()["owed"]] == [1, 2, 3]
    store.away = False
    scene.until(5.0)
    assert store.records("orders") == {1: 1, 2: 1, 3: 1}
    assert {record["at"] for record in store.table("orders").values()} == {"counter"}
    assert app.export()["owed"] == []


def test_an_order_that_had_reached_the_store_is_not_entered_again():
    scene, store, app = scene_of()
    store.loses = "reply"
    answer = order(scene, 1)
    scene.until(2.0)
    assert said(answer) == (200, "counter")
    store.loses = ""
    scene.until(5.0)
    assert store.records("orders") == {1: 1}
    assert store.table("orders")["1"]["at"] == "app"
    assert app.export()["owed"] == []


def test_without_keys_it_is_entered_again():
    scene, store, _ = scene_of(idempotency_keys=False)
    store.loses = "reply"
    order(scene, 1)
    scene.until(2.0)
    store.loses = ""
    scene.until(5.0)
    assert store.records("orders") == {1: 4}  # three attempts of the app, and the till's


def test_a_customer_who_asks_again_stands_in_line_once():
    scene, store, app = scene_of(fallbacks={"counter": "1/s"})
    store.away = True
    first, again = order(scene, 1), order(scene, 1)
    scene.until(1.0)
    assert first[0].body == again[0].body
    assert app.counter.done_total == 1


def test_points_are_not_collapsed_and_the_ledger_catches_up():
    scene, store, app = scene_of()
    store.away = True
    answers = [earn(scene, op, points=1) for op in range(4, 44, 4)]  # all of one customer
    scene.until(10.0)
    assert [said(answer) for answer in answers] == [(200, None)] * 10
    assert (app.gauges(10.0)["waiting_points"], store.table("points")) == (10.0, {})
    store.away = False
    scene.until(20.0)
    assert store.table("loyalty") == {"0": {"points": 10}}
    assert app.export()["owed"] == []


def test_points_written_while_the_customer_waits_fail_with_the_store():
    scene, store, app = scene_of(fallbacks={"late_points": False})
    assert app.spec.late_points is False
    good = earn(scene, 1)
    scene.until(1.0)
    store.away = True
    bad = earn(scene, 2)
    scene.until(2.0)
    assert (said(good), said(bad)) == ((200, None), (503, None))
    assert app.export()["owed"] == []


def test_a_full_outbox_takes_no_more_points():
    scene, store, app = on_stage(APP, {"outbox": {"capacity": 2}})
    store.away = True
    answers = [earn(scene, op) for op in (1, 2, 3)]
    scene.until(1.0)
    assert [answer[0].status for answer in answers] == [200, 200, 503]
    assert app.export()["outbox_dropped"] == 1


@pytest.mark.parametrize(("stale_s", "degraded"), [("3s", (200, "stale")), (0, (503, None))])
def test_a_menu_is_shown_old_rather_than_not_at_all(stale_s, degraded):
    scene, store, _ = scene_of(menu_fresh="1s", fallbacks={"stale_menu": stale_s})
    scene.ask(APP, "menu", {"store": 1})
    scene.until(0.5)
    fresh = scene.ask(APP, "menu", {"store": 1})
    store.away = True
    scene.until(2.0)
    old = scene.ask(APP, "menu", {"store": 1})
    scene.until(4.5)
    too_old = scene.ask(APP, "menu", {"store": 1})
    scene.until(5.0)
    assert (said(fresh), said(old), said(too_old)) == ((200, None), degraded, (503, None))
    assert store.asked == ["menus"]


def test_with_the_counter_closed_an_order_fails_with_the_store():
    scene, store, app = scene_of(fallbacks={"counter": "none"})
    store.away = True
    answer = order(scene, 1)
    scene.until(1.0)
    assert said(answer) == (503, None)
    assert (app.gauges(1.0)["turned_away_total"], app.export()["owed"]) == (1.0, [])


MOODS = st.lists(
    st.tuples(st.sampled_from(["well", "away", "reply", "request"]), st.integers(1, 10)), min_size=1, max_size=10
)


@settings(max_examples=50)
@given(MOODS)
def test_whatever_the_store_does_every_point_that_was_promised_is_posted_once(moods):
    scene, store, app = scene_of()
    op, promised = 0, {}
    for mood, quarters in moods:
        store.away, store.loses = mood == "away", mood if mood in ("reply", "request") else ""
        for _ in range(quarters):
            op += 1
            answer = earn(scene, op, points=op)
            order(scene, op + 10_000)
            assert answer[0].status == 200
            promised[op] = 1
            scene.until(scene.now_s + 0.25)
    store.away, store.loses = False, ""
    scene.until(scene.now_s + 120.0)
    assert app.export()["owed"] == []
    assert store.records("points") == promised
    assert sum(held["points"] for held in store.table("loyalty").values()) == sum(promised)
    assert set(store.records("orders").values()) <= {1}
