"""Stories: what users want is the same in every variant and engine, and the services understand it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import SpecError
from harness.flows.call import Client
from harness.flows.stories import kv_reads, mobile_banking
from harness.flows.stories.base import Story, StoryContext, find_story, make_context
from harness.flows.wants import Cause, Reply, Request, Result, Send
from harness.models.apps.base import AppRequest, Response
from harness.models.apps.mobile_banking import BankingSpec, MobileBanking
from harness.models.component import Given
from harness.models.outbox import OutboxSpec
from harness.models.table import TableStore
from harness.policies.client import ClientSpec
from harness.spec.vocabulary import STORIES

SPEC = ClientSpec(1.5, 0.5, 3)
GIVEN = Given(7, 0.0, lambda kind, **fields: None, ("kv", "mobile_banking"), 0, "acceptance", False)


def context(story: Story, seed: int = 7, users: int = 400, mix: dict[str, float] | None = None) -> StoryContext:
    shares = mix or dict.fromkeys(story.operations, 1.0)
    return make_context(story, Client(SPEC, seed, f"load/{story.name}", 0.0), seed, users, shares, 1.5)


@pytest.mark.parametrize("name", STORIES)
def test_every_story_of_the_vocabulary_exists_and_agrees_with_it(name: str) -> None:
    story = find_story(name).STORY
    assert (story.name, story.app) == (name, STORIES[name].target)
    assert set(story.operations) == set(STORIES[name].operations)


def test_an_unknown_story_says_where_stories_are() -> None:
    with pytest.raises(SpecError, match=r"load\.nothing: there is no such story; each is a file in harness/flows"):
        find_story("nothing")


def test_a_module_that_is_no_story_is_refused() -> None:
    with pytest.raises(SpecError, match="defines no STORY"):
        find_story("base")


@given(st.integers(0, 2**63 - 1), st.integers(1, 2**62), st.integers(1, 1000))
def test_an_operation_asks_the_same_whatever_the_client_and_the_order(seed: int, op: int, users: int) -> None:
    one = context(mobile_banking.STORY, seed, users)
    other = one._replace(client=Client(ClientSpec(9.0, 9.0, 1), seed, "load/other", 3.0))
    mobile_banking.request_of(other, op + 1)
    assert mobile_banking.request_of(one, op) == mobile_banking.request_of(other, op)


@given(st.integers(0, 2**63 - 1), st.integers(1, 2**62), st.integers(1, 1000))
def test_a_transfer_goes_from_a_user_to_somebody_else_with_the_operation_as_its_key(
    seed: int, op: int, users: int
) -> None:
    request = mobile_banking.request_of(context(mobile_banking.STORY, seed, users, {"transfer": 1.0}), op)
    assert (request.operation, request.write, request.params["key"]) == ("transfer", True, op)
    assert 0 <= request.params["user"] < users
    assert 0 <= request.params["to"] < max(users, 2)
    assert request.params["to"] != request.params["user"]
    assert 1 <= request.params["amount"] <= mobile_banking.AMOUNT_MAX


def test_the_mix_is_met_and_all_users_take_part() -> None:
    ctx = context(mobile_banking.STORY, users=50, mix={"transfer": 0.7, "balance": 0.3})
    requests = [mobile_banking.request_of(ctx, op) for op in range(1, 10_001)]
    transfers = sum(request.operation == "transfer" for request in requests)
    assert abs(transfers - 7000) < 4 * (10_000 * 0.7 * 0.3) ** 0.5
    assert {request.params["user"] for request in requests} == set(range(50))


def test_an_operation_without_a_share_is_never_drawn() -> None:
    ctx = context(mobile_banking.STORY, mix={"transfer": 0.0, "balance": 2.0})
    assert {mobile_banking.request_of(ctx, op).operation for op in range(1, 200)} == {"balance"}


@pytest.mark.parametrize(("mix", "complaint"), [({"refund": 1.0}, "no operation 'refund'"), ({"read": 0.0}, "above 0")])
def test_a_mix_that_cannot_be_met_is_refused(mix: dict[str, float], complaint: str) -> None:
    with pytest.raises(SpecError, match=complaint):
        context(kv_reads.STORY, mix=mix)


@pytest.mark.parametrize("module", [mobile_banking, kv_reads])
def test_an_operation_is_one_call_of_layer_0_with_retries_until_its_deadline(module: object) -> None:
    story = module.STORY  # type: ignore[attr-defined]
    flow = module.operation(context(story), 5, 10.0)  # type: ignore[attr-defined]
    first = next(flow)
    assert isinstance(first, Send)
    assert (first.target, first.layer, first.parent_id, first.op, first.n) == (story.app, 0, 0, 5, 0)
    assert first.timeout_s == 0.5
    second = flow.send(Reply(Result.TIMEOUT, 0, Cause.TIMEOUT, 10.5))
    assert (second.n, second.request) == (1, first.request)
    third = flow.send(Reply(Result.TIMEOUT, 0, Cause.TIMEOUT, 11.25))
    assert third.timeout_s == 0.25  # the deadline is at 11.5
    with pytest.raises(StopIteration) as ended:
        flow.send(Reply(Result.OK, 200, Cause.NONE, 11.375))
    result = ended.value.value
    assert (result.ok, result.attempts, result.ended_s) == (True, 3, 11.375)


def test_a_late_start_does_not_move_the_deadline() -> None:
    flow = kv_reads.operation(context(kv_reads.STORY), 5, 10.0, deadline_s=10.125)
    first = next(flow)
    assert isinstance(first, Send)
    assert first.timeout_s == 0.125


def app() -> MobileBanking:
    outbox = OutboxSpec(senders=1, pace=None, retry_wait_s=1.0, capacity=10)
    return MobileBanking(BankingSpec(400, 8.0, True, outbox, True, SPEC), GIVEN)


@pytest.mark.parametrize("op", range(1, 21))
def test_the_app_understands_what_its_users_ask(op: int) -> None:
    request = mobile_banking.request_of(context(mobile_banking.STORY), op)
    flow = app().handle(AppRequest(request.operation, request.params, 99, op), 0.0)
    assert isinstance(next(flow), Send)  # it turns to its store; a bad request is answered at once


def test_the_app_refuses_what_no_story_asks() -> None:
    flow = app().handle(AppRequest("transfer", {"user": "seven"}, 99, 1), 0.0)
    with pytest.raises(StopIteration) as ended:
        next(flow)
    response = ended.value.value
    assert isinstance(response, Response)
    assert response.status == 400


def test_the_store_understands_a_read() -> None:
    request: Request = kv_reads.request_of(context(kv_reads.STORY), 3)
    assert TableStore().perform(request.operation, request.params, 1, 0.0).status == 200
