"""The token service: what it issues can be checked without it, and issuing needs a worker and the store."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.flows.wants import Cause, Park, Reply, Result, Send
from harness.models.apps.base import AppRequest
from harness.models.component import Given
from harness.models.identity import Identity, IdentitySpec
from harness.models.identity_tokens import check, issue, key_of
from harness.models.station import Station, StationSpec
from harness.models.workplace import Workplace
from harness.policies.client import ClientSpec
from harness.policies.server import compose

SEED = 7
NOTHING = Given(SEED, 0.0, lambda kind, **fields: None, ("kv", "identity"), 0, "acceptance", False)
READ_S = 0.25


def brain(slots: int = 1, reads_store: bool = True, refresh_ahead_s: float = 2.0, admission=None) -> Identity:
    spec = IdentitySpec(8.0, 0.0, refresh_ahead_s, reads_store, ClientSpec(1.5, 0.5, 2))
    station = StationSpec(slots, 0.125, "fixed", compose({"admission": admission}), "acceptance", False)
    return Identity(spec, Workplace(Station(station, SEED, 0.0), SEED), NOTHING)


def ask(operation: str, attempt: int = 1, **params) -> AppRequest:
    return AppRequest(operation, params, attempt, op=5, layer=2)


def play(subject: Identity, flow, now_s: float = 0.0, store=True):
    """Drive one flow to its end; the store answers 0.25 s after it is asked, well or not."""
    sends = []
    try:
        want = next(flow)
        while True:
            if isinstance(want, Park):
                while not want.gate.is_open:
                    now_s = subject.wake_s()
                    assert subject.background(now_s) == []
                want = flow.send(want.gate.answer)
            else:
                assert isinstance(want, Send)
                sends.append(want)
                now_s += READ_S
                good = Reply(Result.OK, 200, Cause.NONE, now_s, {"item": None})
                want = flow.send(good if store else Reply(Result.ERROR, 500, Cause.SERVER_ERROR, now_s))
    except StopIteration as end:
        return end.value, sends


def test_a_token_needs_a_worker_then_the_store_and_lives_from_when_it_is_issued():
    subject = brain()
    response, sends = play(subject, subject.handle(ask("token", client="app"), 0.0))
    assert (response.status, response.began_s, response.service_s) == (200, 0.0, 0.125)
    assert response.body["expires_s"] == 0.125 + READ_S + 8.0
    assert response.body["refresh_s"] == response.body["expires_s"] - 2.0
    (read,) = sends
    assert (read.target, read.layer, read.parent_id, read.op) == ("kv", 3, 1, 5)
    assert read.request.params == {"table": "principals", "key": "app"}
    assert subject.gauges(1.0)["tokens_issued_total"] == 1.0


def test_what_was_issued_is_checked_without_a_worker_or_the_store():
    subject = brain(slots=1)
    token = play(subject, subject.handle(ask("token", client="app"), 0.0))[0].body["token"]
    subject.faults["capacity"].on({"slots": 0}, 1.0)
    checked, sends = play(subject, subject.handle(ask("check", 2, token=token), 1.0))
    assert (checked.body["valid"], checked.body["client"], sends) == (True, "app", [])
    late, _ = play(subject, subject.handle(ask("check", 3, token=token), 8.375))
    assert late.body == {"valid": False, "reason": "expired"}
    assert subject.gauges(9.0)["checks_failed_total"] == 1.0


def test_without_the_store_nothing_is_issued_and_the_answer_names_the_dependency():
    subject = brain()
    response, sends = play(subject, subject.handle(ask("token", client="app"), 0.0), store=False)
    assert (response.status, response.code, response.body) == (503, "dependency", {"error": "ServiceUnavailable"})
    assert len(sends) == 2  # with the client's retries
    assert subject.gauges(1.0)["dependency_failed_total"] == 1.0


def test_a_full_service_says_so_as_the_real_one_does():
    subject = brain(admission=("concurrency", {"limit": 1, "queue": 0}))
    first = subject.handle(ask("token", 1, client="a"), 0.0)
    assert isinstance(next(first), Park)
    response, _ = play(subject, subject.handle(ask("token", 2, client="b"), 0.0))
    assert (response.status, response.code, response.body) == (503, "queue_full", {"error": "ServiceUnavailable"})


def test_a_crash_loses_the_requests_inside_and_no_token():
    subject = brain(reads_store=False)
    token = play(subject, subject.handle(ask("token", 1, client="a"), 0.0))[0].body["token"]
    under_way = subject.handle(ask("token", 2, client="a"), 1.0)
    next(under_way)
    under_way.close()
    subject.crashed(1.0625)
    subject.restarted(2.0)
    assert subject.gauges(2.0)["in_service"] == 0.0
    assert play(subject, subject.handle(ask("check", 3, token=token), 2.0))[0].body["valid"] is True


@pytest.mark.parametrize(("operation", "params", "status"), [("token", {}, 400), ("token", {"client": "a|b"}, 400),
                                                             ("tokens", {}, 404)])  # fmt: skip
def test_bad_requests_take_no_worker(operation, params, status):
    subject = brain()
    response, _ = play(subject, subject.handle(ask(operation, **params), 0.0))
    assert response.status == status
    assert subject.gauges(0.0)["served_total"] == 0.0


@given(st.text(min_size=1).filter(lambda name: "|" not in name), st.integers(-(10**12), 10**15), st.integers(0, 2**63))
def test_a_token_says_what_was_signed_to_whoever_knows_the_key_and_to_nobody_else(client, expires_ns, seed):
    key, expires_s = key_of(seed), expires_ns * 1e-9
    token = issue(key, client, expires_s)
    assert check(key, token, expires_s - 1.0) == (client, expires_s)
    with pytest.raises(ValueError, match="expired"):
        check(key, token, expires_s)
    with pytest.raises(ValueError, match="forged"):
        check(key_of(seed + 1), token, expires_s - 1.0)


@given(st.text())
def test_no_text_passes_for_a_token(text):
    with pytest.raises(ValueError, match=r"malformed|forged"):
        check(key_of(1), text, -1e9)


@given(st.integers(1, 2**64 - 1))
def test_lives_are_spread_between_their_shortest_and_their_longest(attempt):
    subject = brain(reads_store=False)
    subject.spec = subject.spec._replace(spread=0.5)
    body = play(subject, subject.handle(ask("token", attempt, client="a"), 0.0))[0].body
    assert 0.125 + 4.0 < body["expires_s"] < 0.125 + 8.0
