"""Launches and leases in exact virtual time, against a real table of a store that answers at once or not at all."""

from __future__ import annotations

import math
from typing import Any

import pytest

from harness.flows.lease_manager import LeaseSpec
from harness.flows.wants import Cause, Reply, Request, Result
from harness.models.component import Brain
from harness.models.compute import Compute, ComputeSpec
from harness.models.table import TableStore
from harness.policies.client import ClientSpec
from harness.policies.pacing import PaceSpec
from tests.models import stage

LEASES = LeaseSpec(droplets=4, attempts_per_tick=4, timeout_ticks=3, lease_ticks=30, check_ticks=10)
Notes = list[tuple[str, dict[str, Any]]]


class Region:
    """Compute on a stage, with a store and, if wanted, a network."""

    def __init__(
        self,
        leases: LeaseSpec = LEASES,
        api: PaceSpec | None = None,
        network: bool = False,
        leased: bool = True,
    ) -> None:
        self.notes: Notes = []
        self.table = TableStore()
        self.store_up = True
        self.delay_s = 0.01
        self._attempts = 0
        given = stage.given(region=("kv", "compute", "network") if network else ("kv", "compute"), notes=self.notes)
        self.brain = Compute(ComputeSpec(leases, 0.1, api, ClientSpec(1.5, 0.5, 3), leased), given)
        self.stage = stage.Stage(compute=self.brain, idle=Brain())
        self.stage.answers["kv"] = self._store
        self.stage.answers["network"] = stage.good()

    def _store(self, request: Request, now_s: float) -> Reply:
        if not self.store_up:
            return Reply(Result.UNSENT, 0, Cause.DNS_EMPTY, now_s)
        self._attempts += 1
        found = self.table.perform(request.operation, request.params, self._attempts, now_s)
        if found.status == 409:
            return Reply(Result.ERROR, 409, Cause.CONFLICT, now_s)
        assert found.status == 200, found
        return Reply(Result.OK, 200, Cause.NONE, now_s + self.delay_s, found.body)

    def ask(self, operation: str, op: int = 1, for_s: float = 0.09, **params: Any) -> Any:
        """(status, code, body) of one request."""
        answers = self.stage.ask("compute", operation, params, op)
        self.stage.until(self.stage.now_s + for_s)
        assert answers, "no answer yet"
        return answers[0].status, answers[0].code, answers[0].body

    def gauge(self, name: str) -> float:
        return self.brain.gauges(self.stage.now_s)[name]


@pytest.mark.parametrize(("c", "t"), [(4, 3), (50, 20)])
@pytest.mark.parametrize("fix", [{}, {"line_cap": 0}, {"drop_expired": True}])
def test_the_threshold_is_exact_with_a_store_that_answers_within_the_tick(c: int, t: int, fix: dict[str, Any]) -> None:
    droplets = 2 * c * t
    if "line_cap" in fix:
        fix = {"line_cap": c * t}
    region = Region(LeaseSpec(droplets, c, t, 10_000, 9_000, **fix), leased=False)
    region.stage.until(0.1 * (droplets // c) - 0.05)  # just before tick N / C begins
    assert region.gauge("leased") == (droplets if fix else c * t)
    assert region.gauge("wasted_attempts_total") == (0 if fix else c * (droplets // c - t))
    assert region.gauge("waiting_leases") == (0 if fix else c * t)
    region.stage.until(region.stage.now_s + 1.0)
    assert region.gauge("leased") == (droplets if fix else c * t)
    assert region.gauge("lease_worker_busy") == (0.0 if fix else 1.0)


@pytest.mark.parametrize(("now_s", "first_s"), [(-0.98, 0.0), (0.0, 0.0), (0.31, 0.4)])
def test_ticks_begin_at_multiples_of_their_length_and_none_before_zero(now_s: float, first_s: float) -> None:
    spec = ComputeSpec(LEASES, 0.1, None, ClientSpec(1.5, 0.5, 3))
    assert Compute(spec, stage.given()._replace(now_s=now_s)).wake_s() == pytest.approx(first_s, abs=1e-12)


def test_leases_run_out_slowly_while_the_store_is_gone_and_are_all_wanted_when_it_is_back() -> None:
    region = Region(LeaseSpec(droplets=40, attempts_per_tick=4, timeout_ticks=3, lease_ticks=15, check_ticks=10))
    region.stage.until(0.95)
    assert region.gauge("leased") == 40
    region.store_up = False
    region.stage.until(1.45)
    assert region.gauge("store_gone") == 1.0
    assert region.gauge("leased") == 40
    left = []
    for _ in range(12):
        region.stage.until(region.stage.now_s + 0.1)
        left.append(region.gauge("leased"))
    assert left == sorted(left, reverse=True)
    assert left[-1] == 0
    assert {later - before for before, later in zip(left[1:], left, strict=False)} <= {0, 4}
    region.store_up = True
    region.stage.until(region.stage.now_s + 10.0)
    assert region.gauge("leased") == 12
    assert region.gauge("waiting_leases") == 28
    assert [kind for kind, _ in region.notes] == ["store_gone", "leases_lost", "store_back"]
    region.brain.actions["throttle_intake"]({}, region.stage.now_s)
    assert region.brain.actions["restart_managers"]({}, region.stage.now_s) == {"dropped": 28}
    region.stage.until(region.stage.now_s + 2.0)
    assert region.gauge("leased") == 40
    assert region.notes[-1] == ("all_leased", {"leased": 40, "droplets": 40})


def test_a_lease_is_a_conditional_write_and_a_lost_answer_does_no_harm() -> None:
    region = Region(leased=False)
    region.stage.until(0.05)
    assert region.table.read("leases", "3").body["version"] == 1
    region.brain.keeper._versions[3] = 0  # as if the answer had been lost
    region.stage.until(1.35)  # the next check repeats the same write
    assert region.table.replayed_total == 1
    assert region.gauge("lease_conflicts_total") == 0
    region.table.write([{"table": "leases", "key": "3", "put": {}}], None, 1, region.stage.now_s)  # by somebody else
    region.stage.until(4.0)
    assert region.gauge("lease_conflicts_total") == 1
    assert region.gauge("leased") == 4


def test_a_launch_takes_a_droplet_and_a_termination_frees_it() -> None:
    region = Region()
    assert region.ask("launch", owner=5) == (200, "", {"instance": 1, "replayed": False})
    assert region.gauge("droplets_launchable") == 3
    assert region.table.read("instances", "1").body["item"]["state"] == "running"
    assert region.ask("describe", instance=1)[2] == {"instance": 1, "state": "running"}
    assert region.ask("terminate", owner=5) == (200, "", {"terminated": 1})
    assert region.ask("terminate", owner=5) == (200, "", {"terminated": None})
    assert region.gauge("droplets_launchable") == 4
    assert region.table.read("instances", "1").body["item"]["state"] == "terminated"


def test_without_a_free_leased_droplet_there_is_insufficient_capacity() -> None:
    region = Region()
    for op in range(4):
        assert region.ask("launch", op=op + 1)[0] == 200
    assert region.ask("launch", op=9) == (503, "throttled", {"error": "InsufficientInstanceCapacity"})
    cold = Region(LEASES, leased=False)
    cold.store_up = False
    cold.stage.until(1.0)
    assert cold.gauge("droplets_free") == 4
    assert cold.ask("launch") == (503, "throttled", {"error": "InsufficientInstanceCapacity"})
    assert cold.gauge("insufficient_capacity_total") == 1


def test_the_interface_has_a_bucket_and_operators_may_make_it_smaller() -> None:
    region = Region(LEASES, PaceSpec(1.0, 2))
    said = [region.ask("terminate", instance=9)[0] for _ in range(3)]
    assert said == [200, 200, 429]
    region.stage.until(3.0)
    region.brain.actions["throttle_api"]({"rate": "0.5/s"}, 3.0)
    assert region.ask("terminate", instance=9)[0] == 200
    assert region.ask("launch") == (429, "throttled", {"error": "RequestLimitExceeded"})
    region.brain.actions["open_api"]({}, region.stage.now_s)
    assert region.ask("launch")[0] == 200
    assert region.gauge("request_limit_exceeded_total") == 2


def test_a_failed_record_gives_the_droplet_back() -> None:
    region = Region()
    region.store_up = False
    assert region.ask("launch") == (503, "dependency", {"error": "Unavailable"})
    assert region.gauge("launching") == 0
    assert region.gauge("droplets_launchable") == 4


def test_the_second_try_of_a_launch_is_the_same_instance_also_while_it_is_under_way() -> None:
    region = Region()
    first = region.stage.ask("compute", "launch", {"token": "a"}, 1)
    second = region.stage.ask("compute", "launch", {"token": "a"}, 1)
    region.stage.until(0.05)
    assert first[0].body == second[0].body == {"instance": 1, "replayed": False}
    assert region.ask("launch", token="a")[2] == {"instance": 1, "replayed": True}
    assert region.gauge("instances") == 1
    region.ask("terminate", instance=1)
    assert region.ask("launch", token="a")[2] == {"instance": 2, "replayed": False}


def test_an_instance_with_a_time_to_run_ends_by_itself() -> None:
    region = Region()
    region.ask("launch", run_for_s=2.0)
    region.stage.until(2.0)
    assert region.gauge("instances") == 1
    region.stage.until(2.02)
    assert (region.gauge("instances"), region.gauge("instances_ended_total")) == (0, 1)


def test_the_network_is_told_and_a_refusal_takes_the_launch_back() -> None:
    region = Region(network=True)
    region.ask("launch")
    region.stage.answers["network"] = stage.bad(429, Cause.THROTTLED)
    assert region.ask("launch", op=2) == (429, "throttled", {"error": "RequestLimitExceeded"})
    assert region.gauge("network_refused_total") == 1
    assert region.gauge("droplets_launchable") == 3


def test_what_the_network_did_not_hear_is_repeated_the_latest_change_only() -> None:
    region = Region(network=True)
    region.stage.answers["network"] = stage.bad(500)
    assert region.ask("launch")[0] == 200
    assert region.gauge("waiting_network_changes") == 1
    region.ask("terminate", instance=1)
    region.stage.crash("compute")
    region.stage.until(1.0)
    region.stage.answers["network"] = stage.good()
    region.stage.restart("compute")
    region.stage.until(3.0)
    assert region.gauge("waiting_network_changes") == 0
    told = [request.operation for at_s, target, request in region.stage.sent if target == "network" and at_s >= 1.0]
    assert told == ["detach"]


def test_a_crash_loses_the_line_and_neither_leases_nor_instances() -> None:
    region = Region(
        LeaseSpec(droplets=48, attempts_per_tick=4, timeout_ticks=3, lease_ticks=90, check_ticks=80), leased=False
    )
    region.stage.until(0.35)
    region.ask("launch", token="a")
    assert region.gauge("leased") == 12
    region.stage.crash("compute")
    region.stage.until(2.0)
    region.stage.restart("compute")
    assert (region.gauge("leased"), region.gauge("waiting_leases"), region.gauge("instances")) == (12, 0, 1)
    assert region.ask("launch", token="a")[2] == {"instance": 1, "replayed": True}
    region.stage.until(2.95)
    assert 0 < region.gauge("leased") - 12 <= 10  # those whose check came since


@pytest.mark.parametrize(
    ("operation", "params", "said"),
    [
        ("launch", {"run_for_s": -1}, "run_for_s is -1"),
        ("launch", {"run_for_s": math.nan}, "run_for_s is nan"),
        ("terminate", {}, "give instance or owner"),
        ("terminate", {"instance": "x"}, "instance is 'x'"),
        ("reboot", {}, "no 'reboot'; there are: launch, terminate, describe"),
    ],
)
def test_bad_requests_are_told_what_is_allowed(operation: str, params: dict[str, Any], said: str) -> None:
    status, _, body = Region().ask(operation, **params)
    assert status in (400, 404)
    assert said in body["message"]


def test_bad_deeds_are_refused() -> None:
    brain = Region().brain
    with pytest.raises(ValueError, match="cap is 0"):
        brain.actions["throttle_intake"]({"cap": 0}, 0.0)
    with pytest.raises(ValueError, match="rate"):
        brain.actions["throttle_api"]({"rate": "0/s"}, 0.0)
