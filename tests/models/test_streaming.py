"""Streaming without its store: old manifests, licences on trust for a while, and prefetching that stays outside."""

from __future__ import annotations

import pytest

from tests.models.small_store import on_stage

APP = "streaming"
BOX = {"senders": 2, "retry_wait": "1s"}


def scene_of(takes_s=0.125, **knobs):
    return on_stage(APP, {"outbox": BOX, **knobs}, takes_s)


def manifest(scene, title=3, user=1, **told):
    return scene.ask(APP, "manifest", {"user": user, "title": title, **told}, 900)


def licence(scene, op):
    return scene.ask(APP, "licence", {"user": 1, "title": 3, "key": op}, op)


def said(answer):
    assert len(answer) == 1
    return answer[0].status, (answer[0].body or {}).get("degraded")


def test_a_manifest_is_asked_for_once_while_it_is_fresh():
    scene, store, _ = scene_of(fresh="2s")
    manifest(scene)
    scene.until(1.0)
    second = manifest(scene)
    scene.until(1.0)
    assert said(second) == (200, None)
    scene.until(2.25)
    manifest(scene)
    scene.until(3.0)
    assert store.asked == ["manifests", "manifests"]


def test_an_old_manifest_is_better_than_none_and_a_very_old_one_is_not():
    scene, store, app = scene_of(fresh="2s", stale="4s")
    manifest(scene)
    scene.until(1.0)
    store.away = True
    scene.until(5.0)
    old = manifest(scene)
    scene.until(7.0)
    too_old, other = manifest(scene), manifest(scene, title=4)
    scene.until(8.0)
    assert (said(old), old[0].body["age_s"]) == ((200, "stale"), 4.875)
    assert [said(too_old), said(other)] == [(503, None)] * 2
    assert app.gauges(8.0)["stale_served_total"] == 1.0


def test_a_licence_is_granted_on_trust_and_written_down_once_afterwards():
    scene, store, app = scene_of()
    store.loses = "reply"
    trusted = licence(scene, 7)
    scene.until(2.0)
    assert said(trusted) == (200, "grace")
    assert [op for op, _ in app.export()["owed"]] == [7]
    again = licence(scene, 7)
    scene.until(2.0)
    assert said(again) == (200, "grace")
    store.loses = ""
    scene.until(10.0)
    assert store.records("licences") == {7: 1}
    assert app.export()["owed"] == []
    assert app.gauges(10.0)["grace_total"] == 1.0


def test_trust_ends_some_time_after_the_store_was_last_heard_of():
    scene, store, app = scene_of(licences={"grace": "5s"})
    licence(scene, 1)
    scene.until(1.0)
    store.away = True
    scene.until(5.0)
    trusted = licence(scene, 2)
    scene.until(5.125)
    refused = licence(scene, 3)
    scene.until(6.0)
    assert [said(trusted), said(refused)] == [(200, "grace"), (503, None)]
    assert [op for op, _ in app.export()["owed"]] == [2]


def test_failing_closed_refuses_at_once():
    scene, store, _ = scene_of(licences={"fail": "closed"})
    store.away = True
    answer = licence(scene, 1)
    scene.until(1.0)
    assert said(answer) == (503, None)


def test_what_players_tell_counts_once_however_often_they_tell_it():
    scene, _, app = scene_of(player_buffer="7s")
    answers = [
        manifest(scene, user=1, stalled_s=2.5, masked=3),
        manifest(scene, user=1, stalled_s=2.5, masked=3),
        manifest(scene, user=2, masked=1),
        manifest(scene, user=1, stalled_s=1.0, masked=2),  # overtaken on its way
    ]
    scene.until(1.0)
    assert answers[0][0].body["buffer_s"] == 7.0
    gauges = app.gauges(1.0)
    assert (gauges["rebuffer_s_total"], gauges["masked_total"]) == (2.5, 4.0)
    assert (app.export()["rebuffer_s"], app.export()["masked"]) == (2.5, 4)


@pytest.mark.parametrize(
    ("operation", "params", "told"),
    [
        ("manifest", {"user": 1, "title": 1, "stalled_s": -1}, "stalled_s is -1"),
        ("manifest", {"user": 1, "title": 1, "masked": "x"}, "masked is 'x'"),
        ("licence", {"title": 1}, "user is None"),
        ("rewind", {"title": 1}, "no 'rewind'; there are: licence, manifest, prefetch"),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(operation, params, told):
    scene, store, _ = scene_of()
    answer = scene.ask(APP, operation, params)
    scene.until(0.1)
    assert answer[0].status in (400, 404)
    assert told in answer[0].body["message"]
    assert store.asked == []
