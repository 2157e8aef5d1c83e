"""The balancer's brain, played in virtual time: capacity follows what is routed, and what is routed follows checks."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest

from harness import build
from harness.flows.wants import Cause, Flow, Park, Reply, Result, Send, Wait
from harness.models.apps.base import AppRequest, Response
from harness.models.balancer import Balancer
from harness.models.component import Given
from harness.spec.components.balancer import Balancer as Knobs

Answers = Callable[[Send, float], tuple[float, Reply]]
BASE = {
    "depends_on": [], "zones": 2, "targets_per_zone": 2, "slots": 4, "checkers": 1, "check_time": "10ms",
    "service": {"mean": "100ms", "distribution": "fixed"},
}  # fmt: skip


class Player:
    """One brain and everything it plays, in order of time and then of birth."""

    def __init__(self, answers: Answers | None = None, **knobs: Any) -> None:
        self.notes: list[tuple[float, str]] = []
        self.sends: list[tuple[float, Send]] = []
        self.answered: dict[int, tuple[float, Response]] = {}
        self.now_s = 0.0
        self.answers = answers
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._births = itertools.count()
        spec = Knobs.model_validate({**BASE, **knobs})
        region = ("dns", "balancer", *spec.depends_on)
        given = Given(7, 0.0, lambda kind, **_: self.notes.append((self.now_s, kind)), region, 0, "acceptance", False)
        brain = build.brain_of("balancer", spec, given)
        assert isinstance(brain, Balancer)
        self.brain = brain

    def at(self, at_s: float, deed: Callable[[], object]) -> None:
        heapq.heappush(self._due, (at_s, next(self._births), deed))  # type: ignore[arg-type]

    def ask(self, at_s: float, number: int, operation: str = "route", **params: Any) -> None:
        request = AppRequest(operation, params, number, number, layer=0)
        self.at(at_s, lambda: self.step(self.brain.handle(request, self.now_s), None, number))

    def step(self, flow: Flow, answer: Any, number: int = 0) -> None:
        try:
            want = flow.send(answer)
        except StopIteration as end:
            if number:
                self.answered[number] = (self.now_s, end.value)
        else:
            if isinstance(want, Park):
                gate = want.gate
                gate.resume = lambda: self.at(self.now_s, lambda: self.step(flow, gate.answer, number))
                if gate.is_open:
                    gate.resume()
            elif isinstance(want, Wait):
                self.at(want.until_s, lambda: self.step(flow, self.now_s, number))
            else:
                assert isinstance(want, Send)
                assert self.answers is not None
                self.sends.append((self.now_s, want))
                at_s, reply = self.answers(want, self.now_s)
                self.at(at_s, lambda: self.step(flow, reply, number))
        self.look()

    def look(self) -> None:
        for flow in self.brain.background(self.now_s):
            self.step(flow, None)

    def run(self, until_s: float) -> None:
        while True:
            next_s = min(self._due[0][0] if self._due else math.inf, max(self.brain.wake_s(), self.now_s))
            if next_s > until_s:
                self.now_s = until_s
                return
            self.now_s = max(self.now_s, next_s)
            if self._due and self._due[0][0] <= self.now_s:
                heapq.heappop(self._due)[2]()
            self.look()

    def gauge(self, name: str) -> float:
        return self.brain.gauges(self.now_s)[name]


def network(*, from_s: float = math.inf, delay_s: float = 0.01, answers: bool = True) -> Answers:
    """A network manager that knows every instance from a moment on."""

    def answer(want: Send, now_s: float) -> tuple[float, Reply]:
        if not answers:
            gives_up_s = now_s + want.timeout_s
            return gives_up_s, Reply(Result.TIMEOUT, 0, Cause.TIMEOUT, gives_up_s)
        at_s = now_s + delay_s
        asked = want.request.params["instances"]
        return at_s, Reply(Result.OK, 200, Cause.NONE, at_s, {"reachable": [now_s >= from_s] * len(asked)})

    return answer


def test_requests_share_the_slots_of_what_is_routed() -> None:
    player = Player()
    for number in range(1, 7):
        player.ask(1.0, number)
    player.run(2.0)
    assert [at_s for at_s, _ in player.answered.values()] == pytest.approx([1.1] * 4 + [1.2] * 2)
    ended_s, response = player.answered[5]
    assert (response.status, response.service_s) == (200, 0.1)
    assert (response.began_s, ended_s) == (1.1, pytest.approx(1.2))


def test_a_target_taken_out_takes_its_slots_along_and_brings_them_back() -> None:
    player = Player()
    player.run(1.0)
    player.brain.faults["flap"].on({"share": "25%"}, 1.0)
    player.run(1.5)
    assert (player.gauge("healthy"), player.gauge("slots"), player.gauge("capacity_share")) == (3.0, 3.0, 0.75)
    player.run(2.0)
    assert (player.gauge("healthy"), player.gauge("slots")) == (4.0, 4.0)
    player.brain.faults["flap"].off(2.0)
    player.run(6.0)
    assert player.gauge("flaps_total") == 2.0


def test_without_capacity_a_request_is_refused_at_once_and_counted() -> None:
    player = Player(zone_threshold=1.0, fail_open=0, name_in_full=False)
    player.brain.faults["flap"].on({"share": 1.0}, 0.0)
    player.run(0.6)
    assert player.gauge("zones_in") == 0.0
    player.ask(0.6, 1)
    player.run(0.6)
    assert player.answered[1][1] == Response(503, "server_error", {"error": "NoHealthyTargets"})
    assert player.gauge("no_capacity_total") == 1.0
    assert [kind for _, kind in player.notes] == ["zone_removed", "zone_removed"]


def test_a_name_with_no_zone_left_answers_with_all_and_healthy_targets_serve_on() -> None:
    player = Player(zone_threshold=1.0, fail_open=0)
    player.brain.faults["flap"].on({"share": "50%"}, 0.0)  # one target of each zone
    flapping = [target.zone for target in player.brain.routing.targets if target.flaps]
    player.run(0.5)
    out = len(set(flapping))
    assert player.gauge("zones_in") == 2.0 - out
    assert player.gauge("name_in_full") == float(out == 2)
    assert player.gauge("slots") == 2.0, "the healthy ones, in whichever zone they are"
    player.run(1.0)
    assert (player.gauge("name_in_full"), player.gauge("slots")) == (0.0, 4.0)


def test_owners_may_ask_for_the_health_of_their_instances_also_of_those_from_before() -> None:
    player = Player()
    player.brain.faults["flap"].on({"share": "100%"}, 0.0)
    player.ask(0.49, 1, "health", instances=[-1, -4, -5, 40])
    player.ask(0.7, 2, "deregister", instance=-4)
    player.ask(0.8, 3, "health", instances="-1")
    player.run(0.8)
    assert player.answered[1][1].body == {"healthy": [False, False, None, None]}
    assert player.answered[2][1].body == {"removed": True}
    assert player.gauge("targets") == 3.0
    assert player.answered[3][1].status == 400


def test_operators_switch_failover_off_and_everything_is_routed() -> None:
    player = Player(fail_open=0)
    player.brain.faults["flap"].on({"share": 1.0}, 0.0)
    player.run(0.5)
    assert player.gauge("slots") == 0.0
    assert player.brain.actions["failover_off"]({}, 0.5) == {"routed": 4}
    assert (player.gauge("slots"), player.gauge("zones_in"), player.gauge("failover")) == (4.0, 2.0, 0.0)
    player.run(3.0)
    assert player.gauge("slots") == 4.0
    player.brain.faults["flap"].off(3.0)
    player.run(4.0)
    assert player.brain.actions["failover_on"]({}, 4.0) == {"healthy": 4}
    player.run(6.0)
    assert (player.gauge("slots"), player.gauge("failover")) == (4.0, 1.0)
    assert [kind for _, kind in player.notes][-2:] == ["failover_off", "failover_on"]


def test_a_registered_instance_serves_once_the_network_knows_it() -> None:
    player = Player(network(from_s=2.0), depends_on=["network"])
    player.ask(0.0, 1, "register", instance=40)
    player.run(1.9)
    assert player.answered[1][1].body == {"zone": 0}
    assert (player.gauge("targets"), player.gauge("unreachable"), player.gauge("slots")) == (5.0, 1.0, 4.0)
    player.run(3.5)
    assert (player.gauge("unreachable"), player.gauge("slots"), player.gauge("healthy")) == (0.0, 5.0, 5.0)
    assert [at_s for at_s, _ in player.sends] == [0.0, 0.5, 1.0, 1.5, 2.0]  # once a round, and no more when known
    assert len({want.attempt_id for _, want in player.sends}) == 5
    assert {(want.op, want.layer, want.request.operation) for _, want in player.sends} == {(0, 1, "reachable_many")}


def test_while_the_network_is_inconsistent_a_new_target_flaps_and_serves_nobody() -> None:
    player = Player(network(), depends_on=["network"])
    player.ask(0.0, 1, "register", instance=40, zone=1)
    player.run(8.0)
    assert player.gauge("flaps_total") >= 12.0
    assert player.gauge("slots") == 4.0


def test_without_an_answer_the_checks_of_a_new_target_fail() -> None:
    player = Player(network(answers=False), depends_on=["network"])
    player.ask(0.0, 1, "register", instance=40)
    player.run(8.0)
    assert (player.gauge("flaps_total"), player.gauge("healthy"), player.gauge("unreachable")) == (0.0, 4.0, 1.0)
    assert player.gauge("failed_checks_total") >= 14.0


def test_an_answer_that_comes_after_its_round_is_none() -> None:
    def slow(want: Send, now_s: float) -> tuple[float, Reply]:
        assert want.timeout_s == pytest.approx(0.5)
        return network(answers=False)(want, now_s)

    player = Player(slow, depends_on=["network"])
    player.ask(0.0, 1, "register", instance=40)
    player.run(2.4)
    assert [at_s for at_s, _ in player.sends] == pytest.approx([0.0, 0.5, 1.0, 1.5, 2.0])


def test_a_balancer_that_does_not_depend_on_the_network_believes_what_is_registered() -> None:
    player = Player()
    player.ask(0.0, 1, "register", instance=40)
    player.ask(0.0, 2, "register", instance=40)  # again: nothing new
    player.run(1.0)
    assert (player.gauge("targets"), player.gauge("slots")) == (5.0, 5.0)
    player.ask(1.0, 3, "deregister", instance=40)
    player.ask(1.0, 4, "deregister", instance=40)
    player.run(1.0)
    assert [player.answered[n][1].body for n in (3, 4)] == [{"removed": True}, {"removed": False}]
    assert (player.gauge("targets"), player.gauge("slots")) == (4.0, 4.0)


def test_a_request_is_forwarded_to_functions_one_layer_further_in() -> None:
    def functions(want: Send, now_s: float) -> tuple[float, Reply]:
        if want.op == 2:
            return now_s, Reply(Result.REFUSED, 429, Cause.THROTTLED, now_s)
        if want.op == 3:
            return now_s, Reply(Result.ERROR, 500, Cause.SERVER_ERROR, now_s)
        return now_s + 0.05, Reply(Result.OK, 200, Cause.NONE, now_s + 0.05, {"value": 4})

    player = Player(functions, depends_on=["functions"], client={"attempts": 1})
    for number in (1, 2, 3):
        player.ask(1.0, number)
    player.run(3.0)
    assert player.answered[1] == (pytest.approx(1.15), Response(200, "", {"answer": {"value": 4}}, 1.0, 0.1))
    assert (player.answered[2][1].status, player.answered[2][1].code) == (429, "throttled")
    assert (player.answered[3][1].status, player.answered[3][1].code) == (503, "dependency")
    _, want = player.sends[0]
    assert (want.target, want.layer, want.op, want.parent_id, want.request.operation) == (
        "functions",
        1,
        1,
        1,
        "invoke",
    )


def test_fewer_slots_by_a_fault_and_more_by_operators() -> None:
    player = Player()
    player.brain.faults["capacity"].on({"slots": 1}, 0.0)
    assert player.gauge("slots") == 1.0
    assert player.brain.actions["add_capacity"]({"slots": 2}, 0.0) == {"slots": 1}
    player.brain.faults["capacity"].off(0.0)
    assert player.gauge("slots") == 6.0
    with pytest.raises(ValueError, match="whole number of at least 1"):
        player.brain.actions["add_capacity"]({"slots": 0}, 0.0)
    with pytest.raises(ValueError, match="lies between"):
        player.brain.faults["flap"].on({"share": 1.5}, 0.0)


def test_a_crash_loses_checks_and_questions_and_the_restart_begins_them_anew() -> None:
    player = Player(network(from_s=5.0), depends_on=["network"])
    player.ask(0.0, 1, "register", instance=40)
    player.run(1.2)
    player.brain.crashed(1.2)
    assert player.brain.checks.next_s() == math.inf
    player.now_s = 4.0
    player.brain.restarted(4.0)
    player.run(7.0)
    assert (player.gauge("unreachable"), player.gauge("healthy"), player.gauge("slots")) == (0.0, 5.0, 5.0)
    assert player.gauge("checks_total") > 20.0


@pytest.mark.parametrize(
    ("operation", "params", "status", "says"),
    [
        ("register", {}, 400, "instance is None"),
        ("register", {"instance": 1, "zone": 2}, 400, "zones are numbered 0 to 1"),
        ("deregister", {"instance": "x"}, 400, "instance is 'x'"),
        ("rout", {}, 404, "route, register, deregister"),
    ],
)
def test_a_bad_request_says_what_is_wrong(operation: str, params: dict[str, Any], status: int, says: str) -> None:
    player = Player()
    player.ask(0.0, 1, operation, **params)
    player.run(0.0)
    answer = player.answered[1][1]
    assert answer.status == status
    assert says in answer.body["message"]


def test_slots_that_cannot_be_shared_evenly_are_refused() -> None:
    with pytest.raises(ValueError, match="5 slots cannot be shared evenly by 4 targets"):
        Knobs.model_validate({**BASE, "slots": 5})
