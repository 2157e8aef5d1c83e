"""Holding a token: who asks the issuer, when, and what the others do meanwhile."""

from __future__ import annotations

import pytest

from harness.flows.client import Client
from harness.flows.credentials import HolderSpec, TokenHolder
from harness.flows.wants import Cause, Park, Reply, Result, Send, Wait
from harness.policies.client import ClientSpec


def holder(**knobs) -> TokenHolder:
    return TokenHolder(HolderSpec(**knobs), Client(ClientSpec(1.5, 0.5, 2), 7, "app/identity", 0.0), "app")


def get(subject: TokenHolder, op: int, now_s: float):
    return subject.get(op=op, layer=1, parent_id=100 + op, now_s=now_s, deadline_s=now_s + 1.0)


def good(ended_s: float, expires_s: float, refresh_s: float | None = None) -> Reply:
    body = {"token": f"until {expires_s}", "expires_s": expires_s, "refresh_s": refresh_s or expires_s}
    return Reply(Result.OK, 200, Cause.NONE, ended_s, body)


def bad(ended_s: float) -> Reply:
    return Reply(Result.ERROR, 500, Cause.SERVER_ERROR, ended_s)


def end(flow, answer=None):
    with pytest.raises(StopIteration) as ended:
        flow.send(answer)
    return ended.value.value


def warm(subject: TokenHolder, expires_s: float = 10.0, refresh_s: float | None = None) -> None:
    flow = get(subject, 1, 0.0)
    next(flow)
    end(flow, good(0.25, expires_s, refresh_s))


def test_a_good_token_is_used_without_asking_anybody():
    subject = holder()
    warm(subject)
    assert end(get(subject, 2, 9.75)) == ("until 10.0", 9.75, None)


def test_the_first_ask_names_the_principal_on_behalf_of_the_caller():
    send = next(get(holder(), 1, 0.0))
    assert isinstance(send, Send)
    assert (send.target, send.request.operation, send.request.params) == ("identity", "token", {"client": "app"})
    assert (send.op, send.layer, send.parent_id) == (1, 1, 101)


def test_in_single_flight_one_asks_and_all_share_what_comes_of_it():
    subject = holder()
    first, second, third = (get(subject, op, 0.0) for op in (1, 2, 3))
    next(first)
    parks = [next(second), next(third)]
    assert all(isinstance(park, Park) for park in parks)
    assert end(first, good(0.25, 10.0)).token == "until 10.0"
    answers = [end(flow, park.gate.answer) for flow, park in zip((second, third), parks, strict=True)]
    assert [(answer.token, answer.ended_s) for answer in answers] == [("until 10.0", 0.25)] * 2
    assert (subject.renewals_total, subject.shared_total, subject.client.counters.calls) == (1, 2, 1)


def test_in_single_flight_a_failure_is_shared_too():
    subject = holder()
    first, second = get(subject, 1, 0.0), get(subject, 2, 0.0)
    next(first)
    park = next(second)
    first.send(bad(0.25))
    assert end(first, bad(0.5)).token is None
    shared = end(second, park.gate.answer)
    assert (shared.token, shared.ended_s, shared.renewal.ok) == (None, 0.5, False)
    assert subject.client.counters.attempts == 2


def test_a_shared_renewal_is_not_cut_by_the_deadline_of_whoever_began_it():
    subject = holder()
    flow = subject.get(op=1, layer=1, parent_id=1, now_s=0.0, deadline_s=0.125)
    assert next(flow).timeout_s == 0.5


def test_when_the_one_that_asks_is_given_up_the_next_takes_over():
    subject = holder()
    first, second, third = (get(subject, op, 0.0) for op in (1, 2, 3))
    next(first)
    parks = [next(second), next(third)]
    first.close()
    assert [park.gate.is_open for park in parks] == [True, True]
    assert second.send(parks[0].gate.answer) == Wait(0.0)
    assert isinstance(second.send(0.375), Send)
    assert third.send(parks[1].gate.answer) == Wait(0.0)
    assert isinstance(third.send(0.375), Park)


def test_without_single_flight_every_call_asks_for_itself_within_its_own_deadline():
    subject = holder(single_flight=False)
    flows = [subject.get(op=op, layer=1, parent_id=op, now_s=0.0, deadline_s=0.125) for op in (1, 2, 3)]
    sends = [next(flow) for flow in flows]
    assert [send.timeout_s for send in sends] == [0.125] * 3
    assert len({send.attempt_id for send in sends}) == 3
    assert [end(flow, good(0.125, 10.0 - n)).token for n, flow in enumerate(flows)] == ["until 10.0"] * 3


def test_ahead_of_time_one_call_renews_with_one_attempt_while_the_others_use_what_is_held():
    subject = holder(refresh_ahead_s=4.0)
    warm(subject)
    assert end(get(subject, 2, 5.75)).renewal is None
    first = get(subject, 3, 6.0)
    next(first)
    assert end(get(subject, 4, 6.0)) == ("until 10.0", 6.0, None)
    kept = end(first, bad(6.25))  # and no second attempt
    assert (kept.token, kept.ended_s, kept.renewal.attempts) == ("until 10.0", 6.25, 1)


def test_after_a_failure_ahead_of_time_the_issuer_is_left_alone_for_a_while():
    subject = holder(refresh_ahead_s=4.0, retry_wait_s=1.0)
    warm(subject)
    flow = get(subject, 2, 6.0)
    next(flow)
    end(flow, bad(6.25))
    assert end(get(subject, 3, 7.125)).renewal is None
    assert isinstance(next(get(subject, 4, 7.25)), Send)


def test_a_token_that_ended_while_its_renewal_failed_is_not_used():
    subject = holder(refresh_ahead_s=4.0)
    warm(subject)
    flow = get(subject, 2, 9.875)
    next(flow)
    assert end(flow, bad(10.0)).token is None


def test_the_issuer_says_when_to_renew_unless_the_holder_knows_better():
    told, own = holder(), holder(refresh_ahead_s=1.0)
    for subject in (told, own):
        warm(subject, 10.0, refresh_s=5.0)
    assert isinstance(next(get(told, 2, 5.0)), Send)
    assert end(get(own, 2, 5.0)).renewal is None


def test_a_token_got_elsewhere_is_held_until_it_ends():
    subject = holder()
    subject.adopt("before", 3.0)
    assert end(get(subject, 1, 2.75)).token == "before"
    assert isinstance(next(get(subject, 2, 3.0)), Send)
