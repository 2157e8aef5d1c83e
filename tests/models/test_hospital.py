"""The hospital without its store: records are read from the ward's copy, charts go on paper and keep their order."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import build
from harness.flows.wants import Cause, Reply, Result
from harness.models.apps.base import AppRequest
from harness.spec.components.hospital import Hospital
from tests.models import stage
from tests.models.small_store import on_stage

APP = "hospital"
PAPER = {"clerks": 2, "rate": "8/s", "retry_wait": "1s"}


def scene_of(takes_s=0.0625, **knobs):
    return on_stage(APP, {"paper": PAPER, **knobs}, takes_s)


def chart(scene, op, patient=1):
    return scene.ask(APP, "chart", {"patient": patient, "key": op}, op)


def read(scene, patient, op=900):
    return scene.ask(APP, "read", {"patient": patient}, op)


def said(answer):
    assert len(answer) == 1
    return answer[0].status, (answer[0].body or {}).get("degraded")


def charted(store):
    """(patient, order, operation) as they took effect."""
    rows = [effect[6] for effect in store.tables.effects if effect[3] == "charts"]
    return [(put["of"], put["order"], put["op"]) for put in rows]


def test_in_good_times_each_operation_asks_the_store_once():
    scene, store, app = scene_of()
    answers = [chart(scene, 1), read(scene, 2), scene.ask(APP, "page", {"ward": 0}, 3)]
    scene.until(1.0)
    assert [said(answer) for answer in answers] == [(200, None)] * 3
    assert sorted(store.asked) == ["charts", "page", "patients"]
    assert charted(store) == [(1, 1, 1)]
    assert app.gauges(1.0)["degraded_total"] == 0.0
    assert app.export()["owed"] == []


def test_a_record_is_read_from_the_copy_when_the_store_is_away_and_says_how_old_it_is():
    scene, store, app = scene_of()
    scene.until(5.0)
    store.away = True
    answer = read(scene, 7)
    scene.until(5.5)
    assert said(answer) == (200, "replica")
    assert answer[0].body["age_s"] == 5.0
    assert app.gauges(5.5)["replica_served_total"] == 1.0


def test_a_slow_store_is_given_the_patience_of_the_knob_and_no_more():
    _, _, app = scene_of(replica_after="250ms")
    flow = app.handle(AppRequest("read", {"patient": 7}, 1, 1), 2.0)
    want = next(flow)
    assert want.timeout_s == 0.25
    with pytest.raises(StopIteration) as end:
        flow.send(Reply(Result.TIMEOUT, 0, Cause.TIMEOUT, 2.25))
    assert (end.value.value.status, end.value.value.body["degraded"]) == (200, "replica")


def test_without_a_copy_a_record_cannot_be_read():
    scene, store, _ = scene_of(local_replica=False)
    store.away = True
    answer = read(scene, 7)
    scene.until(1.0)
    assert said(answer) == (503, None)


def test_charts_on_paper_are_entered_at_the_rate_of_clerks_in_the_order_of_each_patient():
    scene, store, app = scene_of()
    store.away = True
    answers = [chart(scene, op, op % 2) for op in range(1, 9)]
    scene.until(0.5)
    assert [said(answer) for answer in answers] == [(200, "paper")] * 8
    assert app.gauges(0.5)["waiting_paper"] == 8.0
    assert [op for op, _ in app.export()["owed"]] == list(range(1, 9))
    store.away = False
    scene.until(4.0)
    entered = charted(store)
    assert sorted(entered) == sorted((op % 2, op, op) for op in range(1, 9))
    for patient in (0, 1):
        orders = [order for of, order, _ in entered if of == patient]
        assert orders == [op for op in range(1, 9) if op % 2 == patient]
    times = [effect[0] for effect in store.tables.effects]
    assert all(b - a == 0.125 for a, b in pairwise(times))
    assert app.export()["owed"] == []


def test_who_charts_while_an_earlier_entry_is_under_way_writes_behind_it():
    scene, store, _ = scene_of()
    first, second, other = chart(scene, 1), chart(scene, 2), chart(scene, 3, patient=2)
    scene.until(2.0)
    assert [said(answer) for answer in (first, second, other)] == [(200, None), (200, "paper"), (200, None)]
    assert [order for of, order, _ in charted(store) if of == 1] == [1, 2]


def test_a_chart_whose_reply_was_lost_is_entered_once():
    scene, store, app = scene_of()
    store.loses = "reply"
    answer = chart(scene, 1)
    scene.until(2.0)
    assert said(answer) == (200, "paper")
    store.loses = ""
    scene.until(10.0)
    assert store.records("charts") == {1: 1}
    assert app.export()["owed"] == []


def test_without_keys_it_is_entered_again_each_time():
    scene, store, _ = scene_of(idempotency_keys=False, client={"attempts": 2, "timeout": "500ms", "deadline": "1.5s"})
    store.loses = "reply"
    chart(scene, 1)
    scene.until(1.25)
    store.loses = ""
    scene.until(10.0)
    assert store.records("charts") == {1: 3}


def test_paper_outlives_the_process_and_numbers_do_too():
    scene, store, app = scene_of()
    store.away = True
    for op in (1, 2, 3):
        chart(scene, op)
    scene.until(0.5)
    scene.crash(APP)
    scene.until(1.0)
    store.away = False
    scene.restart(APP)
    late = chart(scene, 2)
    scene.until(6.0)
    assert said(late) == (200, "paper")
    assert charted(store) == [(1, 1, 1), (1, 2, 2), (1, 3, 3)]
    assert app.export()["owed"] == []


def test_without_paper_charting_fails_and_nothing_is_owed():
    scene, store, app = scene_of(paper=None)
    store.away = True
    answer = chart(scene, 1)
    scene.until(1.0)
    assert said(answer) == (503, None)
    assert app.export()["owed"] == []


def test_when_the_paper_is_full_the_next_one_is_turned_away():
    scene, store, app = scene_of(paper={**PAPER, "room": 2})
    store.away = True
    answers = [chart(scene, op, patient=op) for op in (1, 2, 3, 4)]
    scene.until(0.5)
    assert [said(answer)[0] for answer in answers] == [200, 200, 503, 503]
    assert [op for op, _ in app.export()["owed"]] == [1, 2]


def test_no_more_wait_behind_each_other_than_there_is_paper():
    scene, store, app = scene_of(paper={**PAPER, "room": 2})
    store.away = True
    answers = [chart(scene, op, patient=1) for op in (1, 2, 3, 4)]
    scene.until(0.5)
    assert [said(answer)[0] for answer in answers] == [503, 200, 200, 503]  # the first has nowhere to go any more
    assert [op for op, _ in app.export()["owed"]] == [2, 3]


@settings(max_examples=40)
@given(
    steps=st.lists(
        st.tuples(
            st.integers(1, 3), st.sampled_from([0.0, 0.125, 0.5]), st.sampled_from(["", "reply", "request", "away"])
        ),
        min_size=1,
        max_size=25,
    )
)
def test_whatever_happens_every_chart_is_there_once_and_in_order(steps):
    scene, store, app = scene_of()
    now_s, taken = 0.0, []
    for op, (patient, gap_s, trouble) in enumerate(steps, start=1):
        store.away, store.loses = trouble == "away", trouble if trouble in ("reply", "request") else ""
        chart(scene, op, patient)
        taken.append((patient, op))
        now_s += gap_s
        scene.until(now_s)
    store.away, store.loses = False, ""
    scene.until(now_s + 60.0)
    assert app.export()["owed"] == []
    entered = charted(store)
    assert sorted((of, op) for of, _, op in entered) == sorted(taken)
    for patient in (1, 2, 3):
        orders = [order for of, order, _ in entered if of == patient]
        assert orders == sorted(orders)


def test_a_crowd_of_pages_leaves_room_for_records():
    scene, store, app = scene_of(
        takes_s=0.25, priority={"kind": "partitioned", "limit": 4, "sheddable_plus": 0.5, "sheddable": 0.25}
    )
    with_criticality(scene)
    pages = [scene.ask(APP, "page", {"ward": 0}, op) for op in range(1, 6)]
    reads = [read(scene, 1, op) for op in (10, 11)]
    scene.until(1.0)
    assert [answer[0].status for answer in pages] == [200, 200, 503, 503, 503]
    assert pages[2][0].code == "queue_full"
    assert [answer[0].status for answer in reads] == [200, 200]
    assert app.gauges(1.0)["crowded_out_total"] == 3.0
    assert store.asked == ["page", "page", "patients", "patients"]


def with_criticality(scene):
    """Requests on the stage carry none; the pages of this scene are of criticality 2."""
    brain = scene.brains[APP]
    serve = brain.serve
    brain.serve = lambda request, now_s: serve(
        request._replace(criticality=2 if request.operation == "page" else 0), now_s
    )


@pytest.mark.parametrize(
    ("operation", "params", "said_"),
    [
        ("read", {"patient": "x"}, "patient is 'x'"),
        ("chart", {}, "patient is None"),
        ("operate", {}, "no 'operate'; there are: chart, page, read, schedule"),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(operation, params, said_):
    scene, store, _ = scene_of()
    answer = scene.ask(APP, operation, params)
    scene.until(0.1)
    assert answer[0].status in (400, 404)
    assert said_ in answer[0].body["message"]
    assert store.asked == []


def test_a_priority_that_orders_a_line_is_refused_with_the_reason():
    with pytest.raises(ValueError, match=r"priority: criticality orders a line, and an app has none"):
        build.brain_of(APP, Hospital.model_validate({"priority": "criticality"}), stage.given())
