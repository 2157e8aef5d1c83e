"""The second provider: a store with few workers whose copy is as old as the last answer of the first."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.flows.wants import Cause, Park, Reply, Result, Send
from harness.models.apps.base import AppRequest
from harness.models.component import Given
from harness.models.provider import Provider, ProviderSpec
from harness.models.station import Station, StationSpec
from harness.models.workplace import Workplace
from harness.policies.client import ClientSpec
from harness.policies.server import compose

SEED = 7


def brain(replicates: bool = True, slots: int = 1, admission=None) -> Provider:
    spec = ProviderSpec(replicates, 0.5, 0.25, ClientSpec(0.5, 0.5, 1))
    station = StationSpec(slots, 0.125, "fixed", compose({"admission": admission}), "acceptance", False)
    place = Workplace(Station(station, SEED, 0.0), SEED)
    return Provider(spec, place, Given(SEED, 0.0, lambda kind, **fields: None, ("kv",), 0, "acceptance", False))


def serve(subject: Provider, operation: str, params: dict, now_s: float, attempt: int = 1):
    """One request to its end, with no other work beside it."""
    flow = subject.handle(AppRequest(operation, params, attempt, 1), now_s)
    try:
        want = next(flow)
        assert isinstance(want, Park)
        while not want.gate.is_open:
            subject.place.settle(subject.place.next_s())
        flow.send(want.gate.answer)
    except StopIteration as end:
        return end.value
    raise AssertionError("a request waits for a worker only")


def replicate(subject: Provider, now_s: float, well: bool, took_s: float = 0.0) -> Send:
    """The pull that is due at `now_s`, answered by the first provider or not."""
    assert subject.wake_s() == now_s
    (flow,) = subject.background(now_s)
    send = next(flow)
    ended_s = now_s + took_s
    reply = Reply(Result.OK, 200, Cause.NONE, ended_s) if well else Reply(Result.TIMEOUT, 0, Cause.TIMEOUT, ended_s)
    with pytest.raises(StopIteration):
        flow.send(reply)
    return send


def put(key: str = "a") -> dict:
    return {"writes": [{"table": "users", "key": key, "put": {"n": 1}}]}


def test_it_reads_and_writes_like_the_first_and_its_workers_decide_when():
    subject = brain()
    written = serve(subject, "write", put(), 0.0)
    assert (written.status, written.began_s, written.service_s, written.body["stale"]) == (200, 0.0, 0.125, False)
    read = serve(subject, "read", {"table": "users", "key": "a"}, 1.0, attempt=2)
    assert read.body == {"item": {"n": 1}, "version": 1, "stale": False}
    assert subject.gauges(2.0)["served_total"] == 2.0


def test_it_replicates_as_system_work_and_stands_still_while_the_first_is_away():
    subject = brain()
    first = replicate(subject, 0.5, well=True)
    assert (first.op, first.parent_id, first.layer, first.target) == (0, 0, 1, "kv")
    assert subject.copied_to_s == 0.25
    second = replicate(subject, 1.0, well=False, took_s=0.75)
    assert (subject.copied_to_s, subject.gauges(2.0)["replication_lag_s"]) == (0.25, 1.75)
    assert first.attempt_id != second.attempt_id
    replicate(subject, 1.75, well=True)  # one at a time: the next begins when the slow one is over
    assert subject.copied_to_s == 1.5


def test_without_a_first_provider_nothing_is_replicated():
    subject = brain(replicates=False)
    assert (subject.wake_s(), subject.background(9.0)) == (math.inf, [])


def test_a_read_of_what_has_not_arrived_is_stale_and_a_write_to_it_divergent():
    subject = brain()
    replicate(subject, 0.5, well=True)  # complete up to 0.25
    old = {"table": "users", "key": "a", "seen_s": 0.25}
    assert serve(subject, "read", old, 1.0).body["stale"] is False
    assert serve(subject, "read", {**old, "seen_s": 0.5}, 2.0, 2).body["stale"] is True
    assert serve(subject, "write", {**put("a"), "seen_s": 0.5}, 3.0, 3).body["stale"] is True
    assert serve(subject, "write", put("b"), 4.0, 4).body["stale"] is False
    seen = subject.gauges(5.0)
    assert (seen["stale_reads_total"], seen["divergent_writes_total"], seen["divergent_items"]) == (1.0, 1.0, 1.0)
    export = subject.export()
    assert export["divergent"] == [["users", "a", 0.5]]
    assert export["written_here"] == [["users", "a", 3.125], ["users", "b", 4.125]]


def test_a_conflict_changes_nothing_and_counts_nothing():
    subject = brain()
    write = {"writes": [{**put()["writes"][0], "if": {"version": 3}}], "seen_s": 9.0}
    response = serve(subject, "write", write, 0.0)
    assert (response.status, response.code) == (409, "conflict")
    assert subject.export()["written_here"] == subject.export()["divergent"] == []


@pytest.mark.parametrize(("admission", "status", "code", "said"), [
    (("concurrency", {"limit": 1, "queue": 0}), 503, "queue_full", "ServiceUnavailable"),
    (("token_bucket", {"rate": 1.0}), 429, "throttled", "ThrottlingException"),
])  # fmt: skip
def test_its_own_admission_says_no_as_real_ones_do(admission, status, code, said):
    subject = brain(admission=admission)
    assert isinstance(next(subject.handle(AppRequest("read", {"key": "a"}, 1, 1), 0.0)), Park)
    response = serve(subject, "read", {"key": "a"}, 0.0, 2)
    assert (response.status, response.code, response.body) == (status, code, {"error": said})


def test_a_crash_loses_work_and_no_items_and_it_replicates_again_at_once():
    subject = brain()
    serve(subject, "write", put(), 0.0)
    flow = subject.handle(AppRequest("read", {"key": "a"}, 2, 1), 0.25)
    next(flow)
    flow.close()
    subject.crashed(0.3125)
    assert subject.wake_s() == math.inf
    subject.restarted(2.0)
    assert subject.wake_s() == 2.0
    assert (subject.gauges(2.0)["items"], subject.gauges(2.0)["in_service"]) == (1.0, 0.0)


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 40)), max_size=30))
def test_stale_and_divergent_are_counted_to_the_request(requests):
    """Against a plain account: the copy ends at -0.25 s here, so whoever has seen anything since is ahead of it."""
    subject = brain(replicates=False)
    stale = divergent = 0
    for number, (writes, knows, key) in enumerate(requests):
        params = put(str(key)) if writes else {"table": "users", "key": str(key)}
        if knows:
            params["seen_s"] = number - 0.125
            stale += not writes
            divergent += writes
        else:
            params["seen_s"] = -1.0
        assert serve(subject, "write" if writes else "read", params, float(number), number + 1).body["stale"] is knows
    seen = subject.gauges(99.0)
    assert (seen["stale_reads_total"], seen["divergent_writes_total"]) == (stale, divergent)


def test_of_a_write_of_several_items_only_those_that_are_not_here_diverge_and_each_once():
    subject = brain()
    replicate(subject, 0.5, well=True)  # complete up to 0.25
    writes = [{"table": "users", "key": key, "put": {"n": 1}} for key in "abc"]
    for attempt in (1, 2, 3):
        told = {"writes": writes, "seen_s": [None, 0.375, 0.125]}
        assert serve(subject, "write", told, float(attempt), attempt).body["stale"] is True
    seen = subject.gauges(5.0)
    assert (seen["divergent_writes_total"], seen["divergent_items"]) == (3.0, 1.0)
    assert subject.export()["divergent"] == [["users", "b", 0.375]]
    assert subject.export()["copies"] == [(0.5, 0.25)]


@pytest.mark.parametrize(("seen_s", "said"), [
    ([1.0], "seen_s has 1 moments for 3 items; give one for each, or one for all"),
    ([1.0, "late", None], "seen_s is 'late'; give seconds from the run's zero, or null for no write"),
    (True, "seen_s is True; give seconds from the run's zero, or null for no write"),
])  # fmt: skip
def test_moments_that_make_no_sense_are_refused(seen_s, said):
    writes = [{"table": "users", "key": key, "put": {"n": 1}} for key in "abc"]
    flow = brain().handle(AppRequest("write", {"writes": writes, "seen_s": seen_s}, 1, 1), 0.0)
    with pytest.raises(StopIteration) as end:
        next(flow)
    assert (end.value.value.status, end.value.value.body["message"]) == (400, said)


def test_a_copy_of_itself_is_no_copy():
    """The first's name may lead here: then the answer is its own, and says nothing of the first."""
    subject = brain()
    replicate(subject, 0.5, well=True)
    (flow,) = subject.background(1.0)
    next(flow)
    own = serve(subject, "read", {"table": "replication", "key": "position"}, 1.0)
    with pytest.raises(StopIteration):
        flow.send(Reply(Result.OK, 200, Cause.NONE, 1.25, own.body))
    assert (subject.copied_to_s, subject.pulls_failed_total) == (0.25, 1)
