"""The fleet: how many hosts it wants, how many it gets, and what a compute that says no does to it."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.flows.client import Client
from harness.flows.wants import Cause, Flow, Reply, Request, Result
from harness.models.component import Brain
from harness.models.fleet import Fleet
from harness.models.fleet_hosts import FleetSpec
from harness.models.fleet_targets import Targets
from harness.policies.client import ClientSpec
from harness.spec.components.functions import Functions
from tests.models import stage
from tests.models.stage import Stage, bad

ONCE = ClientSpec(math.inf, 1.0, 1)


class Owner(Brain):
    """A component that is nothing but its fleet."""

    def __init__(self, spec: FleetSpec, network: bool = False, grace_s: float | None = None) -> None:
        super().__init__()
        targets = None if grace_s is None else Targets(Client(ONCE, 7, "owner/balancer", 0.0), "owner", grace_s)
        self.notes: list[tuple[str, dict[str, Any]]] = []
        asked = Client(ONCE, 7, "owner/network", 0.0) if network else None
        note = stage.given(notes=self.notes).note
        self.fleet = Fleet(spec, "owner", Client(ONCE, 7, "owner/compute", 0.0), asked, note, 7, 0.0, targets)
        self.seen: list[tuple[float, int]] = []

    def background(self, now_s: float) -> list[Flow]:
        flows = self.fleet.background(now_s)
        usable = self.fleet.usable(now_s)
        if not self.seen or self.seen[-1][1] != usable:
            self.seen.append((now_s, usable))
        return flows

    def wake_s(self) -> float:
        return self.fleet.wake_s()


class Compute:
    """Launches at once, one instance for a token; `deaf` loses the answers, not the work."""

    def __init__(self) -> None:
        self.numbers = itertools.count()
        self.running: set[int] = set()
        self.known: dict[str, int] = {}
        self.deaf = False

    def __call__(self, request: Request, now_s: float) -> Reply:
        if request.operation == "launch":
            token = request.params["token"]
            if token not in self.known:
                self.known[token] = next(self.numbers)
                self.running.add(self.known[token])
            if self.deaf:
                return Reply(Result.TIMEOUT, 0, Cause.TIMEOUT, now_s)
            return Reply(Result.OK, 200, Cause.NONE, now_s, {"instance": self.known[token]})
        self.running.discard(request.params["instance"])
        return Reply(Result.OK, 200, Cause.NONE, now_s, {})


def _play(spec: FleetSpec, network: bool = False) -> tuple[Owner, Stage, Compute]:
    owner, compute = Owner(spec, network), Compute()
    play = Stage(owner=owner)
    play.answers["compute"] = compute
    return owner, play, compute


def test_the_number_wanted_is_demand_over_what_a_host_is_meant_to_carry() -> None:
    spec = FleetSpec(minimum=2, maximum=9, slots_per_host=5, target=0.8)
    assert [spec.desired(demand) for demand in (0.0, 8.0, 8.01, 12.0, 36.0, 1000.0)] == [2, 2, 3, 3, 9, 9]


def test_more_demand_launches_hosts_that_serve_once_they_have_booted() -> None:
    owner, play, compute = _play(FleetSpec(initial=2, minimum=1, slots_per_host=5, target=1.0, step=2, boot_s=1.5))
    owner.fleet.observe(20.0, 0.0)
    play.until(4.0)
    assert owner.seen == [(0.0, 2), (2.5, 4)], "two hosts asked for at 1 s"
    assert len(compute.running) == 2
    owner.fleet.observe(25.0, 4.0)
    play.until(7.0)
    assert owner.seen[2:] == [(6.5, 5)]


def test_work_that_was_refused_counts_as_demand() -> None:
    owner, play, _ = _play(FleetSpec(initial=1, slots_per_host=1, target=1.0, boot_s=0.5))
    owner.fleet.observe(1.0, 0.0)
    owner.fleet.missed(2.0)
    play.until(1.0)
    assert owner.fleet.desired == 3


def test_less_demand_ends_hosts_after_the_cooldown_and_the_newest_unready_first() -> None:
    owner, play, compute = _play(
        FleetSpec(initial=1, minimum=1, slots_per_host=1, target=1.0, cooldown_s=3.0, step=9, boot_s=0.0), network=True
    )
    play.answers["network"] = bad()
    owner.fleet.observe(3.0, 0.0)
    play.until(1.0)
    assert len(compute.running) == 2
    owner.fleet.observe(0.0, 1.0)
    play.until(3.9)
    assert len(owner.fleet.hosts) == 3
    play.until(4.0)
    assert len(owner.fleet.hosts) == 1
    assert compute.running == set()
    assert owner.fleet.usable(4.0) == 1, "the one that serves was kept"


def test_a_host_counts_only_when_the_network_can_reach_it() -> None:
    owner, play, _ = _play(FleetSpec(initial=0, minimum=2, slots_per_host=1, boot_s=0.25), network=True)
    up_s = {0: 4.0, 1: 2.0}

    def network(request: Request, now_s: float) -> Reply:
        found = [now_s >= up_s[number] for number in request.params["instances"]]
        return Reply(Result.OK, 200, Cause.NONE, now_s, {"reachable": found})

    play.answers["network"] = network
    play.until(6.0)
    assert owner.seen == [(0.0, 0), (2.0, 1), (4.0, 2)]
    asked = [request.params["instances"] for _, target, request in play.sent if target == "network"]
    assert asked == [[0, 1], [0], [0]], "those known to be reachable are not asked about again"


def test_a_host_nobody_can_reach_is_replaced_at_the_price_of_two_changes() -> None:
    spec = FleetSpec(initial=0, minimum=1, replace_after_s=2.0, boot_s=0.0)
    owner, play, compute = _play(spec, network=True)
    play.answers["network"] = bad()
    play.until(3.0)
    changes = [(at_s, request.operation) for at_s, target, request in play.sent if target == "compute"]
    assert changes == [(1.0, "launch"), (3.0, "terminate"), (3.0, "launch")] or changes == [
        (1.0, "launch"),
        (3.0, "launch"),
        (3.0, "terminate"),
    ]
    assert compute.running == {1}
    assert owner.fleet.gauges(3.0)["replaced_total"] == 1.0


def test_a_frozen_compute_is_felt_only_as_hosts_reach_the_end_of_their_life() -> None:
    spec = FleetSpec(initial=4, minimum=4, maximum=4, life_s=20.0, boot_s=0.5)
    owner, play, compute = _play(spec)
    play.answers["compute"] = bad(503, Cause.THROTTLED)
    play.until(40.0)
    usable = [usable for _, usable in owner.seen]
    assert usable == [4, 3, 2, 1, 0]
    assert owner.seen[1][0] >= 2.0, "not at once"
    assert owner.fleet.failed_total["insufficient"] > 4
    assert owner.notes == [("scaling_frozen", {"fleet": "owner", "reason": "insufficient"})]
    play.answers["compute"] = compute
    play.until(42.0)
    assert owner.fleet.usable(42.0) == 4
    assert [kind for kind, _ in owner.notes] == ["scaling_frozen", "scaling_again"]


def test_refusals_are_counted_by_reason() -> None:
    owner, play, _ = _play(FleetSpec(initial=0, minimum=1, step=1))
    for status, cause in ((503, Cause.THROTTLED), (429, Cause.THROTTLED), (503, Cause.DEPENDENCY)):
        play.answers["compute"] = bad(status, cause)
        play.until(play.now_s + 1.0)
    assert owner.fleet.failed_total == {"insufficient": 1, "request_limit": 1, "other": 1}


def test_a_launch_whose_answer_was_lost_leaves_no_instance_behind() -> None:
    owner, play, compute = _play(FleetSpec(initial=0, minimum=2, step=2, boot_s=0.0))
    compute.deaf = True
    play.until(3.0)
    assert (len(compute.running), len(owner.fleet.hosts)) == (2, 0)
    compute.deaf = False
    play.until(4.0)
    assert {host.instance for host in owner.fleet.hosts.there.values()} == compute.running == {0, 1}


def test_a_crash_of_the_owner_forgets_no_host_and_no_launch() -> None:
    owner, play, compute = _play(FleetSpec(initial=1, minimum=3, step=2, boot_s=0.0))
    answer = compute
    play.answers["compute"] = lambda request, now_s: answer(request, now_s)._replace(ended_s=now_s + 0.4)
    play.until(1.2)
    assert owner.fleet.launching == 2
    play.crash("owner")
    owner.fleet.crashed()
    play.restart("owner")
    play.until(3.0)
    assert len(owner.fleet.hosts) == 3
    assert {host.instance for host in owner.fleet.hosts.there.values()} == {None, 0, 1} == {None, *compute.running}


_WANTS = st.lists(st.tuples(st.floats(0.0, 60.0), st.booleans()), min_size=1, max_size=25)


@given(wants=_WANTS, seed=st.integers(0, 3))
@settings(deadline=None, max_examples=60)
def test_there_are_never_more_hosts_than_the_maximum(wants: list[tuple[float, bool]], seed: int) -> None:
    spec = FleetSpec(initial=2, minimum=1, maximum=6, slots_per_host=3, life_s=8.0, step=3, boot_s=0.7, cooldown_s=1.0)
    owner, play, compute = _play(spec)
    for demand, frozen in wants:
        play.answers["compute"] = bad() if frozen else compute
        owner.fleet.observe(demand, play.now_s)
        play.until(play.now_s + 0.5 + seed / 4)
        there = len(owner.fleet.hosts) + owner.fleet.launching
        assert there <= 6
        assert owner.fleet.usable(play.now_s) <= len(owner.fleet.hosts)
        launched = {host.instance for host in owner.fleet.hosts.there.values() if host.instance is not None}
        assert launched <= compute.running
        assert len(compute.running - launched) == owner.fleet.gauges(play.now_s)["hosts_ending"], "none is forgotten"


class Balancer:
    """Knows what was registered; `sick` are called unhealthy, and `deaf` answers nothing."""

    def __init__(self, *before: int) -> None:
        self.known = set(before)
        self.sick: set[int] = set()
        self.deaf = False

    def __call__(self, request: Request, now_s: float) -> Reply:
        if self.deaf:
            return Reply(Result.TIMEOUT, 0, Cause.TIMEOUT, now_s)
        body: dict[str, Any] = {}
        if request.operation == "register":
            self.known.add(request.params["instance"])
        elif request.operation == "deregister":
            self.known.discard(request.params["instance"])
        else:
            asked = request.params["instances"]
            body = {"healthy": [one not in self.sick if one in self.known else None for one in asked]}
        return Reply(Result.OK, 200, Cause.NONE, now_s, body)


def _behind(spec: FleetSpec, grace_s: float) -> tuple[Owner, Stage, Balancer]:
    owner, balancer = Owner(spec, grace_s=grace_s), Balancer(*range(-spec.initial, 0))
    play = Stage(owner=owner)
    play.answers |= {"compute": Compute(), "balancer": balancer}
    return owner, play, balancer


def test_a_host_is_a_target_from_its_launch_to_its_end() -> None:
    owner, play, balancer = _behind(FleetSpec(initial=1, minimum=3, maximum=3, step=9, boot_s=50.0), 5.0)
    play.until(1.0)
    assert balancer.known == {-1, 0, 1}, "though they have not booted"
    owner.fleet.spec = owner.fleet.spec._replace(minimum=2, maximum=2)
    play.until(7.0)
    assert len(owner.fleet.hosts) == 2
    assert len(balancer.known) == 2, "the surplus one was given up after the cooldown"


def test_hosts_called_unhealthy_are_replaced_once_they_are_old_enough_and_some_at_a_time() -> None:
    spec = FleetSpec(initial=4, minimum=4, maximum=4, step=9, boot_s=0.0, unhealthy_step=2)
    owner, play, balancer = _behind(spec, 3.0)
    balancer.sick = {-1, -2, -3}
    play.until(3.9)
    assert owner.fleet.unhealthy_total == 0, "asked at 3 s, and looked at with the next evaluation"
    play.until(4.0)
    assert owner.fleet.unhealthy_total == 2
    play.until(5.0)
    assert owner.fleet.unhealthy_total == 3
    assert balancer.known == {-4, 0, 1, 2}
    assert len(owner.fleet.hosts) == 4
    play.until(20.0)
    assert owner.fleet.unhealthy_total == 3


def test_no_answer_and_an_unknown_target_are_no_evidence() -> None:
    spec = FleetSpec(initial=2, minimum=2, maximum=2, boot_s=0.0)
    owner, play, balancer = _behind(spec, 0.0)
    balancer.known.discard(-1)
    balancer.sick = {-1}
    play.until(5.0)
    balancer.sick, balancer.deaf = {-1, -2}, True
    play.until(10.0)
    assert owner.fleet.unhealthy_total == 0


def test_what_the_balancer_did_not_hear_is_told_again() -> None:
    spec = FleetSpec(initial=1, minimum=2, maximum=2, boot_s=0.0)
    owner, play, balancer = _behind(spec, math.inf)
    balancer.deaf = True
    play.until(3.5)
    assert balancer.known == {-1}
    assert owner.fleet.targets is not None
    assert owner.fleet.targets.owed == 1
    play.crash("owner")
    owner.fleet.crashed()
    play.restart("owner")
    balancer.deaf = False
    play.until(5.0)
    assert balancer.known == {-1, 0}
    assert owner.fleet.targets.owed == 0


def test_a_fleet_behind_a_balancer_says_that_it_depends_on_one() -> None:
    knobs = {"depends_on": ["compute"], "fleet": {"behind_balancer": True}}
    with pytest.raises(ValidationError, match="add balancer to depends_on"):
        Functions.model_validate(knobs)
    found = Functions.model_validate({**knobs, "depends_on": ["compute", "balancer"]}).fleet
    assert found is not None
    assert found.grace_s == 5.0
