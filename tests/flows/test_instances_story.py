"""Users who start instances: they look, replace, back off, and take away what they gave up on; pages are one call."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from harness.flows.call import CallResult, Client
from harness.flows.stories import instances, pages
from harness.flows.stories.base import StoryContext, make_context
from harness.flows.wants import Cause, Reply, Result, Send, Wait
from harness.policies.client import ClientSpec

OP = 11
SPEC = ClientSpec(6.0, 0.5, 1)


def context() -> StoryContext:
    return make_context(instances.STORY, Client(SPEC, 7, "load/instances", 0.0), 7, 400, {"start": 1.0}, 6.0)


class Manager:
    """Answers at once: an instance is reachable `after_s` after its attach; attaches before `open_s` are refused."""

    def __init__(self, after_s: Callable[[int], float], open_s: float = 0.0) -> None:
        self.after_s = after_s
        self.open_s = open_s
        self.attached: dict[int, float] = {}

    def __call__(self, want: Send, now_s: float) -> Reply:
        what, instance = want.request.operation, want.request.params["instance"]
        if what == "attach":
            if now_s < self.open_s:
                return Reply(Result.REFUSED, 429, Cause.THROTTLED, now_s)
            self.attached[instance] = now_s
        elif what == "detach":
            self.attached.pop(instance, None)
        known = instance in self.attached and now_s >= self.attached[instance] + self.after_s(instance)
        return Reply(Result.OK, 200, Cause.NONE, now_s, {"reachable": known})


def play(manager: Callable[[Send, float], Reply]) -> tuple[CallResult, list[tuple[float, Send]]]:
    flow, answer, now_s = instances.operation(context(), OP, 0.0), None, 0.0
    sent: list[tuple[float, Send]] = []
    while True:
        try:
            want = flow.send(answer)
        except StopIteration as end:
            return end.value, sent
        if isinstance(want, Wait):
            answer = now_s = max(now_s, want.until_s)
        else:
            assert isinstance(want, Send)
            sent.append((now_s, want))
            answer = manager(want, now_s)
            now_s = answer.ended_s


def said(sent: list[tuple[float, Send]]) -> list[tuple[float, str, int]]:
    first = instances.instance_of(OP, 0)
    return [(at_s, want.request.operation, want.request.params["instance"] - first) for at_s, want in sent]


def test_a_reachable_instance_is_seen_at_the_first_look() -> None:
    result, sent = play(Manager(lambda _: 0.1))
    assert (result.ok, result.ended_s) == (True, 0.5)
    assert said(sent) == [(0.0, "attach", 0), (0.5, "reachable", 0)]


def test_an_instance_that_stays_out_of_reach_is_replaced_after_a_third_of_the_deadline() -> None:
    result, sent = play(Manager(lambda instance: 99.0 if instance == instances.instance_of(OP, 0) else 0.1))
    assert (result.ok, result.ended_s) == (True, 2.5)
    assert said(sent) == [
        (0.0, "attach", 0), (0.5, "reachable", 0), (1.5, "reachable", 0), (2.0, "reachable", 0),
        (2.0, "detach", 0), (2.0, "attach", 1), (2.5, "reachable", 1),
    ]  # fmt: skip


def test_whoever_gives_up_has_made_six_changes_and_leaves_nothing_behind() -> None:
    manager = Manager(lambda _: 99.0)
    result, sent = play(manager)
    assert (result.ok, result.ended_s, manager.attached) == (False, 6.0, {})
    changes = [(what, nth) for _, what, nth in said(sent) if what != "reachable"]
    assert changes == [(what, nth) for nth in range(3) for what in ("attach", "detach")]
    assert said(sent)[-1] == (6.0, "detach", 2)


def test_the_refused_back_off_with_the_same_instance_and_replace_nothing() -> None:
    result, sent = play(Manager(lambda _: 0.1, open_s=1.0))
    attaches = [(at_s, nth) for at_s, what, nth in said(sent) if what == "attach"]
    assert result.ok
    assert {nth for _, nth in attaches} == {0}
    gaps = [b - a for (a, _), (b, _) in itertools.pairwise(attaches)]
    assert gaps == pytest.approx([gaps[0] * 2**k for k in range(len(gaps))])
    assert 0.25 <= gaps[0] <= 0.75
    assert "detach" not in {what for _, what, _ in said(sent)}


def test_who_is_refused_to_the_end_ends_refused() -> None:
    result, sent = play(Manager(lambda _: 0.1, open_s=99.0))
    assert (result.ok, result.reply.result) == (False, Result.REFUSED)
    assert {what for _, what, _ in said(sent)} == {"attach"}
    assert len(sent) <= 5


def test_no_answer_to_an_attach_means_there_may_be_something_to_take_away() -> None:
    def deaf(want: Send, now_s: float) -> Reply:
        return Reply(Result.TIMEOUT, 0, Cause.TIMEOUT, now_s + want.timeout_s)

    result, sent = play(deaf)
    assert not result.ok
    assert said(sent)[-1][1] == "detach"
    assert result.ended_s <= 6.0


@pytest.mark.parametrize("after_s", [0.1, 99.0])
def test_no_two_attempts_of_an_operation_share_an_id(after_s: float) -> None:
    _, sent = play(Manager(lambda _: after_s))
    ids = [want.attempt_id for _, want in sent]
    assert len(set(ids)) == len(ids)
    assert {(want.op, want.layer, want.parent_id) for _, want in sent} == {(OP, 0, 0)}


def test_instances_of_users_have_numbers_of_their_own() -> None:
    numbers = [instances.instance_of(op, nth) for op in range(1, 500) for nth in range(instances.TRIES)]
    assert len(set(numbers)) == len(numbers)
    assert min(numbers) > 1 << 40
    assert max(numbers) < 1 << 53, "a JSON number of any reader"


def test_a_page_is_one_call_to_the_balancer() -> None:
    ctx = make_context(pages.STORY, Client(SPEC, 7, "load/pages", 0.0), 7, 400, {"route": 1.0}, 6.0)
    flow = pages.operation(ctx, OP, 1.0)
    want = next(flow)
    assert isinstance(want, Send)
    assert (want.target, want.request.operation, want.op, want.layer) == ("balancer", "route", OP, 0)
    assert 0 <= want.request.params["user"] < 400
