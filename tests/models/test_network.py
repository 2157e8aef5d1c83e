"""The network manager: what is accepted becomes true later, in order, once, and slower the more of it waits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.models.apps.base import AppRequest, Response
from harness.models.component import Given
from harness.models.network import Network, NetworkSpec
from harness.models.network_backlog import Backlog
from harness.models.station import StationSpec
from harness.policies.admission import QueueSpec
from harness.policies.server import ServerSpec

ONE = StationSpec(1, 1.0, "fixed")  # one change a second


def given_() -> Given:
    return Given(7, 0.0, lambda kind, **fields: None, ("network",), 0, "acceptance", False)


def manager(workers: StationSpec = ONE, cost: float = 0.0, limit: int | None = None) -> Network:
    return Network(NetworkSpec(workers, cost, limit), given_())


def ask(network: Network, now_s: float, operation: str, **params: Any) -> Response:
    flow = network.handle(AppRequest(operation, params, 1, 1), now_s)
    with pytest.raises(StopIteration) as end:
        next(flow)
    response: Response = end.value.value
    return response


def reachable(network: Network, now_s: float, *instances: int) -> list[bool]:
    found: list[bool] = ask(network, now_s, "reachable_many", instances=list(instances)).body["reachable"]
    return found


def test_an_instance_is_attached_at_once_and_reachable_when_its_change_is_carried_out() -> None:
    network = manager()
    assert ask(network, 0.0, "attach", instance=5) == Response(200, "", {"change": 1})
    assert network.wake_s() == 1.0
    assert ask(network, 0.999, "reachable", instance=5).body == {"reachable": False}
    assert ask(network, 1.0, "reachable", instance=5).body == {"reachable": True}


def test_changes_of_new_and_of_ended_instances_wait_in_one_line() -> None:
    network = manager()
    ask(network, 0.0, "attach", instance=1)
    ask(network, 0.0, "detach", instance=1)
    ask(network, 0.0, "attach", instance=2)
    assert network.gauges(0.0)["waiting_changes"] == 2.0
    assert [reachable(network, t_s, 1, 2) for t_s in (1.0, 2.0, 3.0)] == [[True, False], [False, False], [False, True]]


def test_to_ask_for_what_is_wanted_already_changes_nothing() -> None:
    network = manager(limit=1)
    ask(network, 0.0, "attach", instance=1)
    ask(network, 0.0, "attach", instance=2)
    assert ask(network, 0.0, "attach", instance=1) == Response(200, "", {"change": 1})  # even over the limit
    assert ask(network, 0.0, "detach", instance=9) == Response(200, "", {"change": 0})
    assert network.export()["accepted"] == 2


def test_over_the_limit_attaches_are_refused_as_requests_and_detaches_are_not() -> None:
    network = manager(limit=2)
    answers = [ask(network, 0.0, "attach", instance=number).status for number in range(5)]
    assert answers == [200, 200, 200, 429, 429]  # one is carried out, two wait
    refused = ask(network, 0.0, "attach", instance=9)
    assert (refused.code, refused.body) == ("throttled", {"error": "RequestLimitExceeded"})
    assert ask(network, 0.0, "detach", instance=0).status == 200
    seen = network.gauges(0.0)
    assert (seen["refused_by_queue_total"], seen["waiting_changes"]) == (3.0, 3.0)
    assert ask(network, 2.0, "attach", instance=9).status == 200  # one waits by then


def test_operators_can_set_the_limit_and_hear_how_many_wait() -> None:
    network = manager()
    for number in range(4):
        ask(network, 0.0, "attach", instance=number)
    assert network.actions["limit_by_queue"]({"limit": 2}, 0.5) == {"limit": 2, "waiting": 3}
    assert ask(network, 0.5, "attach", instance=8).status == 429
    for wrong in (None, "2", -1, True, 1.5):
        with pytest.raises(ValueError, match="must be a whole number of at least 0"):
            network.actions["limit_by_queue"]({"limit": wrong}, 0.5)
    assert network.limit == 2


def test_the_workers_own_admission_refuses_too_and_is_counted_apart() -> None:
    network = manager(ONE._replace(server=ServerSpec(admission=QueueSpec(1))))
    assert [ask(network, 0.0, "attach", instance=number).status for number in range(3)] == [200, 200, 503]
    seen = network.gauges(0.0)
    assert (seen["refused_total"], seen["refused_by_queue_total"]) == (1.0, 0.0)


def test_a_change_started_while_a_hundred_wait_takes_longer_by_the_cost() -> None:
    backlog = Backlog(ONE, 0.5, 7, 0.0)
    for number in range(102):
        backlog.accept(number, "attach", 0.0)
    ends = []
    while (at_s := backlog.next_s()) < 6.0:
        ends.append(at_s)
        backlog.settle(at_s)
    # The first began with nobody waiting; each next one with those that wait as it is taken: 101, 100, 99, ...
    assert ends[0] == 1.0
    assert ends[1] == pytest.approx(1.0 + 1.505)
    assert ends[2] == pytest.approx(1.0 + 1.505 + 1.5)
    assert ends[3] == pytest.approx(1.0 + 1.505 + 1.5 + 1.495)


def test_how_late_one_looks_changes_no_moment() -> None:
    early, late = Backlog(ONE, 0.5, 7, 0.0), Backlog(ONE, 0.5, 7, 0.0)
    for backlog in (early, late):
        for number in range(30):
            backlog.accept(number, "attach", 0.0)
    while early.next_s() < 20.0:
        early.settle(early.next_s())
    late.settle(20.0)
    assert early.gauges(20.0) == late.gauges(20.0)
    assert early.next_s() == late.next_s()


def test_a_later_change_is_not_undone_by_an_earlier_one_that_took_longer() -> None:
    backlog = Backlog(StationSpec(2, 1.0), 0.0, 7, 0.0)  # exponential: changes overtake each other
    pairs = 200
    for number in range(pairs):
        backlog.accept(number, "attach", 0.0)
        backlog.accept(number, "detach", 0.0)
    overtaken = 0
    done: set[tuple[int, str]] = set()
    while backlog.pending:
        for change in backlog.settle(backlog.next_s()):
            overtaken += change.kind == "attach" and (change.instance, "detach") in done
            done.add((change.instance, change.kind))
    assert overtaken > 0, "nothing overtook, so nothing was tested"
    assert (backlog.reachable, backlog.attached, backlog.propagated_total) == (0, 0, 2 * pairs)


def test_what_operators_drop_is_lost_and_may_be_asked_for_again() -> None:
    network = manager()
    for number in range(3):
        ask(network, 0.0, "attach", instance=number)
    assert network.actions["drop_queue"]({}, 0.5) == {"dropped": 2}
    assert reachable(network, 5.0, 0, 1, 2) == [True, False, False]
    assert network.gauges(5.0)["attached"] == 1.0
    ask(network, 5.0, "attach", instance=1)
    assert reachable(network, 6.0, 0, 1, 2) == [True, True, False]


def test_a_dropped_detach_leaves_the_instance_in_reach_until_it_is_asked_for_again() -> None:
    network = manager()
    ask(network, 0.0, "attach", instance=1)
    ask(network, 0.0, "detach", instance=1)
    network.actions["drop_queue"]({}, 0.5)
    assert reachable(network, 9.0, 1) == [True]
    ask(network, 9.0, "detach", instance=1)
    assert reachable(network, 10.0, 1) == [False]


def test_a_crash_loses_the_work_and_not_the_changes() -> None:
    network = manager()
    for number in range(3):
        ask(network, 0.0, "attach", instance=number)
    network.crashed(1.5)
    assert network.wake_s() == float("inf")
    assert network.gauges(2.0)["waiting_changes"] == 2.0
    network.restarted(4.0)
    assert [network.wake_s(), *reachable(network, 5.0, 0, 1, 2)] == [5.0, True, True, False]
    assert reachable(network, 6.0, 2) == [True]
    assert network.export() == {"accepted": 3, "propagated": 3, "dropped": 0, "pending": 0}


def test_a_slow_spell_multiplies_the_cost_and_ends_with_its_heal() -> None:
    network = manager()
    network.faults["latency"].on({"factor": 4}, 0.0)
    ask(network, 0.0, "attach", instance=1)
    assert network.wake_s() == 4.0
    network.faults["latency"].off(1.0)
    ask(network, 4.0, "attach", instance=2)
    network.background(4.0)
    assert network.wake_s() == 5.0
    with pytest.raises(ValueError, match="either mean"):
        network.faults["latency"].on({}, 5.0)


def test_fewer_workers_by_a_fault_and_more_by_operators() -> None:
    network = manager(ONE._replace(slots=2))
    network.faults["capacity"].on({"slots": 1}, 0.0)
    for number in range(4):
        ask(network, 0.0, "attach", instance=number)
    assert network.gauges(0.0)["in_service"] == 1.0
    network.actions["add_capacity"]({"slots": 1}, 0.0)
    network.faults["capacity"].off(0.0)
    assert network.gauges(0.0)["in_service"] == 3.0


@pytest.mark.parametrize(
    ("operation", "params", "says"),
    [
        ("attach", {}, "instance is None"),
        ("attach", {"instance": True}, "instance is True"),
        ("detach", {"instance": "i-1"}, "instance is 'i-1'"),
        ("reachable", {"instance": 1.5}, "instance is 1.5"),
        ("reachable_many", {"instances": 3}, "a list of at most"),
        ("reachable_many", {"instances": [1, None]}, "a list of at most"),
    ],
)
def test_a_bad_request_says_what_is_wrong(operation: str, params: dict[str, Any], says: str) -> None:
    answer = ask(manager(), 0.0, operation, **params)
    assert (answer.status, answer.code) == (400, "bad_request")
    assert says in answer.body["message"]


def test_an_unknown_operation_is_told_which_there_are() -> None:
    answer = ask(manager(), 0.0, "reach")
    assert answer.status == 404
    assert "attach, detach, reachable, reachable_many" in answer.body["message"]


DEEDS = st.lists(
    st.tuples(
        st.sampled_from(["attach", "attach", "attach", "detach", "drop", "crash", "slow", "quick", "slots"]),
        st.integers(0, 5),
        st.floats(0.0, 2.0),
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(DEEDS, st.integers(1, 3), st.sampled_from([0.0, 5.0]), st.one_of(st.none(), st.integers(0, 4)))
def test_every_accepted_change_is_applied_lost_or_on_its_way_and_the_latest_one_wins(
    deeds: list[tuple[str, int, float]], slots: int, cost: float, limit: int | None
) -> None:
    network = manager(StationSpec(slots, 0.5), cost, limit)
    now_s, lost = 0.0, False
    wanted: dict[int, bool] = {}
    for deed, number, gap_s in deeds:
        now_s += gap_s
        network.background(now_s)
        if deed in ("attach", "detach"):
            if ask(network, now_s, deed, instance=number).status == 200:
                wanted[number] = deed == "attach"
        elif deed == "drop":
            lost = bool(network.actions["drop_queue"]({}, now_s)["dropped"]) or lost  # type: ignore[index]
        elif deed == "crash":
            network.crashed(now_s)
            network.restarted(now_s + 0.1)
            now_s += 0.1
        elif deed == "slots":
            network.faults["capacity"].on({"slots": number}, now_s)
        else:
            network.faults["latency"].on({"factor": 3 if deed == "slow" else 1}, now_s)
        counts = network.export()
        assert counts["accepted"] == counts["propagated"] + counts["dropped"] + counts["pending"]
    network.faults["capacity"].off(now_s)
    while network.wake_s() < float("inf"):
        network.background(network.wake_s())
    counts, seen = network.export(), network.gauges(1e6)
    assert counts["pending"] == 0
    assert counts["accepted"] == counts["propagated"] + counts["dropped"]
    assert seen["attached"] == seen["reachable"] == sum(network.backlog.is_reachable(n) for n in range(6))
    if not lost:
        assert all(network.backlog.is_reachable(number) == want for number, want in wanted.items())
