"""The smart home's cloud: sessions die with it, connections take their turn, a batch of readings is written once."""

from __future__ import annotations

import pytest

from harness import build
from harness.models.apps.smart_home import FROM_BEFORE
from harness.spec.components.smart_home import SmartHome
from tests.models import stage
from tests.models.small_store import on_stage

APP = "smart_home"
SERVICE = {"slots": 1, "service": {"mean": "500ms", "distribution": "fixed"}}


def scene_of(takes_s=0.25, **knobs):
    return on_stage(APP, {"session_service": SERVICE, **knobs}, takes_s)


def connect(scene, device):
    return scene.ask(APP, "connect", {"device": device})


def report(scene, device, session, readings, **more):
    return scene.ask(
        APP, "report", {"device": device, "session": session, "batch": readings[0], "readings": readings, **more}
    )


def test_devices_come_into_the_run_with_a_session_and_a_batch_is_one_write():
    scene, store, app = scene_of()
    answer = report(scene, 5, FROM_BEFORE, [11, 12, 13])
    scene.until(1.0)
    assert answer[0].status == 200
    assert store.asked == ["telemetry"]
    assert store.records("telemetry") == {11: 1, 12: 1, 13: 1}
    assert app.gauges(1.0)["readings_total"] == 3.0


def test_a_connection_takes_a_worker_of_the_session_service_and_one_read():
    scene, store, app = scene_of(prewarmed=False)
    answers = [connect(scene, device) for device in (1, 2, 3)]
    scene.until(0.5)
    assert app.gauges(0.5)["waiting_queue"] == 1.0
    scene.until(1.25)
    assert [len(answer) for answer in answers] == [1, 1, 0]  # done at 0.5 s and 1 s, and 0.25 s for the read
    scene.until(5.0)
    response = answers[2][0]
    assert (response.began_s, response.service_s, store.asked) == (1.0, 0.5, ["devices"] * 3)
    assert app.gauges(5.0)["sessions"] == 3.0


def test_sessions_die_with_the_process_and_a_report_without_one_is_told():
    scene, store, app = scene_of()
    scene.crash(APP)
    scene.until(1.0)
    scene.restart(APP)
    answer = report(scene, 5, FROM_BEFORE, [11])
    scene.until(2.0)
    assert (answer[0].status, answer[0].code) == (401, "conflict")
    assert store.asked == []
    assert app.gauges(2.0)["unknown_session_total"] == 1.0
    come = connect(scene, 5)
    scene.until(4.0)
    session = come[0].body["session"]
    wrong, right = report(scene, 6, session, [12]), report(scene, 5, session, [11])
    scene.until(5.0)
    assert [wrong[0].status, right[0].status] == [401, 200]


def test_the_same_batch_again_changes_nothing_and_without_keys_it_does():
    for keys, records in ((True, {11: 1, 12: 1}), (False, {11: 2, 12: 2})):
        scene, store, _ = scene_of(idempotency_keys=keys, client={"attempts": 1, "timeout": "500ms"})
        store.loses = "reply"
        lost = report(scene, 5, FROM_BEFORE, [11, 12])
        scene.until(1.0)
        assert (lost[0].status, lost[0].code) == (503, "dependency")
        store.loses = ""
        report(scene, 5, FROM_BEFORE, [11, 12])
        scene.until(2.0)
        assert store.records("telemetry") == records


def test_nobody_connects_while_the_store_is_away_but_sessions_stay():
    scene, store, _ = scene_of()
    store.away = True
    answers = [connect(scene, 1), report(scene, 5, FROM_BEFORE, [11])]
    scene.until(2.0)
    assert [answer[0].code for answer in answers] == ["dependency", "dependency"]
    store.away = False
    again = report(scene, 5, FROM_BEFORE, [11])
    scene.until(3.0)
    assert again[0].status == 200


def test_a_device_with_two_sessions_counts_once():
    scene, _, app = scene_of()
    connect(scene, 1)
    connect(scene, 1)
    connect(scene, 400)  # one more than came with a session
    scene.until(5.0)
    assert app.gauges(5.0)["connected_total"] == 3.0
    assert app.gauges(5.0)["sessions"] == 401.0


def test_every_answer_tells_how_to_behave_without_the_service():
    scene, _, _ = scene_of(reconnect={"kind": "slots", "rate": "4/s"}, keep=7, collapse=True)
    answer = report(scene, 399, FROM_BEFORE, [11])
    scene.until(1.0)
    assert answer[0].body == {
        "reconnect": ["slots", 0.2, 15.0, 4.0, 400], "keep": 7, "collapse": True, "slot": 399,
    }  # fmt: skip


def test_turns_are_handed_out_at_their_rate():
    scene, _, app = scene_of(reconnect={"kind": "token", "rate": "4/s"})
    answers = [scene.ask(APP, "turn", {"device": device}) for device in range(4)]
    scene.until(0.5)
    late = scene.ask(APP, "turn", {"device": 9})
    scene.until(0.5)
    assert [answer[0].body["wait_s"] for answer in answers] == [0.0, 0.25, 0.5, 0.75]
    assert late[0].body["wait_s"] == 0.5
    assert app.gauges(0.5)["turns_total"] == 5.0


def test_readings_that_devices_threw_away_are_expired_for_the_audit_once_each():
    scene, _, app = scene_of()
    for readings in ([11], [12]):
        report(scene, 5, FROM_BEFORE, readings, dropped=[[3, 1.5], [4, 2.5]])
    scene.until(2.0)
    assert app.export() == {"owed": [], "expired": [(3, 1.5), (4, 2.5)], "idempotency_keys": True}


@pytest.mark.parametrize(
    ("operation", "params", "said"),
    [
        ("report", {"device": "x"}, "device is 'x'; give the device's number"),
        ("report", {"device": 1, "session": 0, "batch": 1, "readings": []}, "give readings as a list"),
        ("report", {"device": 1, "session": 0, "batch": 1, "readings": ["a"]}, "give readings as a list"),
        ("report", {"device": 1, "session": 0, "batch": 1, "readings": [1], "dropped": [7]}, "dropped as a list"),
        ("fly", {"device": 1}, "no 'fly'; there are: connect, report, turn"),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(operation, params, said):
    scene, store, _ = scene_of()
    answer = scene.ask(APP, operation, params)
    scene.until(0.1)
    assert answer[0].status in (400, 404)
    assert said in answer[0].body["message"]
    assert store.asked == []


def test_a_session_service_that_is_full_says_so():
    scene, _, _ = scene_of(session_service={**SERVICE, "admission": {"kind": "concurrency", "limit": 1, "queue": 0}})
    answers = [connect(scene, device) for device in (1, 2)]
    scene.until(1.0)
    assert [(answer[0].status, answer[0].code) for answer in answers] == [(200, ""), (503, "queue_full")]


def test_an_app_that_depends_on_nothing_is_refused():
    with pytest.raises(ValueError, match="smart_home depends on nothing; it needs a store first"):
        build.brain_of(APP, SmartHome.model_validate({"depends_on": []}), stage.given())
