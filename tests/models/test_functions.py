"""Functions as callers, senders and operators meet them: calls, events, and a poller that dies and stays dead."""

from __future__ import annotations

import math
from typing import Any

import pytest

from harness.flows.client import Client
from harness.flows.wants import Cause
from harness.models.fleet import Fleet
from harness.models.fleet_hosts import FleetSpec
from harness.models.functions import Functions, FunctionsSpec
from harness.models.functions_environments import EnvironmentsSpec
from harness.models.functions_events import EventsSpec
from harness.models.pollers import PollerSpec
from harness.models.queue import Queue, QueueSpec
from harness.models.queue_messages import MessagesSpec
from harness.models.station import Station, StationSpec
from harness.models.workplace import Workplace
from harness.policies.client import ClientSpec
from tests.models import stage
from tests.models.stage import Stage, bad, good

ONCE = ClientSpec(math.inf, 1.0, 1)
POLLS = PollerSpec(batch=2, wait_s=0.5, patience_s=2.0, checkpoint_s=0.5, lanes=1, most_lanes=4, lanes_per_s=10.0)


class Scene:
    """Functions on a stage, with a queue beside them if they poll one, and a store that answers by a script."""

    def __init__(
        self, slots: int = 2, mean_s: float = 0.5, poller: PollerSpec | None = None, fleet: FleetSpec | None = None,
        **knobs: Any,
    ) -> None:  # fmt: skip
        self.notes: list[tuple[str, dict[str, Any]]] = []
        given = stage.given(notes=self.notes)
        place = Workplace(Station(StationSpec(slots, mean_s, "fixed"), 7, 0.0), 7)
        clients = {name: Client(ONCE, 7, f"functions/{name}", 0.0) for name in ("kv", "queue")}
        spec = FunctionsSpec(
            knobs.pop("environments", EnvironmentsSpec(prewarmed=slots)), knobs.pop("events", EventsSpec()), slots,
            mean_s, poller=poller, **knobs,
        )  # fmt: skip
        asks = Client(ONCE, 7, "functions/compute", 0.0)
        steered = None if fleet is None else Fleet(fleet, "functions", asks, None, given.note, 7, 0.0)
        self.functions = Functions(spec, place, clients, steered, given)
        door = Workplace(Station(StationSpec(4, 0.0, "fixed"), 7, 0.0), 7)
        self.queue = Queue(QueueSpec(MessagesSpec(visibility_s=5.0)), door, given)
        self.play = Stage(functions=self.functions, queue=self.queue)
        self.play.answers["kv"] = good({})

    def seen(self, gauge: str) -> float:
        return self.functions.gauges(self.play.now_s)[gauge]


def test_a_call_runs_at_once_or_is_refused_with_the_real_code() -> None:
    scene = Scene(slots=2, mean_s=0.5)
    answers = [scene.play.ask("functions", "invoke") for _ in range(3)]
    scene.play.until(0.5)
    assert [answer[0].status for answer in answers] == [200, 200, 429]
    assert (answers[0][0].began_s, answers[0][0].service_s) == (0.0, 0.5)
    refused = answers[2][0]
    assert refused.code == "throttled"
    assert refused.body == {"error": "TooManyRequestsException", "reason": "ConcurrentInvocationLimitExceeded"}
    assert (scene.seen("throttled_sync_total"), scene.seen("throttled_concurrency_total")) == (1.0, 1.0)


def test_a_cold_start_takes_longer_and_holds_the_environment_meanwhile() -> None:
    scene = Scene(slots=1, environments=EnvironmentsSpec(keep_warm_s=1.0), cold_start_s=0.25)
    cold = scene.play.ask("functions", "invoke")
    scene.play.until(0.1)
    assert scene.play.ask("functions", "invoke")[0].status == 429
    scene.play.until(0.75)
    assert (cold[0].began_s, scene.seen("cold_starts_total")) == (0.25, 1.0)
    warm = scene.play.ask("functions", "invoke")
    scene.play.until(1.25)
    assert (warm[0].began_s, scene.seen("cold_starts_total")) == (0.75, 1.0)


def test_a_slow_store_eats_concurrency_and_a_failing_one_fails_the_call() -> None:
    scene = Scene(slots=1, mean_s=0.5, touches_store=True)
    scene.play.answers["kv"] = lambda request, now_s: good()(request, now_s)._replace(ended_s=now_s + 2.0)
    slow = scene.play.ask("functions", "invoke")
    scene.play.until(2.0)
    assert scene.play.ask("functions", "invoke")[0].status == 429
    scene.play.until(2.5)
    assert slow[0].status == 200
    scene.play.answers["kv"] = bad()
    failed = scene.play.ask("functions", "invoke")
    scene.play.until(3.0)
    assert (failed[0].status, failed[0].code, failed[0].body) == (503, "dependency", {"error": "Unhandled"})


def test_an_event_is_accepted_at_once_runs_when_it_can_and_twice_if_it_failed_late() -> None:
    scene = Scene(slots=1, mean_s=0.5, touches_store=True)
    scene.play.answers["kv"] = bad()
    accepted = scene.play.ask("functions", "invoke_async", op=3)
    assert (accepted[0].status, accepted[0].body) == (200, {"accepted": 0})
    scene.play.until(1.0)
    scene.play.answers["kv"] = good()
    scene.play.until(2.0)
    assert scene.functions.export()["events"] == {
        "accepted": 1, "done": 1, "failed": 0, "expired": 0, "purged": 0, "waiting": 0, "running": 0, "duplicates": 1,
    }  # fmt: skip


def test_events_wait_while_calls_have_the_environments_and_operators_may_drop_them() -> None:
    scene = Scene(slots=1, mean_s=1.0)
    scene.play.ask("functions", "invoke")
    for _ in range(3):
        scene.play.ask("functions", "invoke_async")
    scene.play.until(0.5)
    assert (scene.seen("waiting_async"), scene.seen("async_running")) == (3.0, 0.0)
    assert scene.functions.actions["drop_queue"]({}, 0.5) == {"dropped": 3}
    assert scene.functions.export()["events"]["purged"] == 3


def test_messages_are_fetched_run_and_deleted_each_once() -> None:
    scene = Scene(slots=4, mean_s=0.25, poller=POLLS)
    for n in range(5):
        scene.play.ask("queue", "send", {"body": n})
    scene.play.until(2.0)
    assert scene.functions.message_runs == dict.fromkeys(range(5), 1)
    ends = scene.queue.export()
    assert (ends["deleted"], ends["waiting"], ends["in_flight"]) == (5, 0, 0)
    assert scene.seen("poller_messages_total") == 5.0


def test_results_are_written_under_the_operation_the_sender_named() -> None:
    scene = Scene(poller=POLLS, touches_store=True)
    scene.play.ask("queue", "send", {"body": {"op": 17}})
    scene.play.until(1.0)
    writes = [asked.params["writes"] for _, target, asked in scene.play.sent if target == "kv"]
    assert [{"table": "results", "key": "17", "put": {"done": True}}] in writes


def test_a_poller_dies_when_the_store_fails_for_its_patience_and_does_not_come_back_by_itself() -> None:
    scene = Scene(poller=POLLS)
    scene.play.until(1.0)
    scene.play.answers["kv"] = bad()
    scene.play.until(3.4)
    assert scene.seen("poller_alive") == 1.0, "a checkpoint failed first at 1.5 s"
    scene.play.until(3.5)
    assert scene.seen("poller_alive") == 0.0
    assert scene.notes == [("poller_died", {"because": "kv"})]
    scene.play.answers["kv"] = good()
    scene.play.ask("queue", "send", {"body": "nobody comes"})
    scene.play.until(60.0)
    assert scene.queue.gauges(60.0)["oldest_message_s"] == 56.5
    assert scene.functions.actions["restart_poller"]({}, 60.0) == {"restarted": True, "alive": True}
    scene.play.until(61.0)
    assert scene.queue.export()["deleted"] == 1
    assert scene.notes[1:] == [("poller_restarted", {"dead_for_s": 56.5})]


def test_a_store_that_is_back_in_time_costs_nothing() -> None:
    scene = Scene(poller=POLLS)
    scene.play.until(1.0)
    scene.play.answers["kv"] = bad()
    scene.play.until(3.4)
    scene.play.answers["kv"] = good()
    scene.play.until(10.0)
    assert scene.seen("poller_deaths_total") == 0.0


def test_a_killed_poller_stays_down_while_the_fault_lasts_and_dead_after_it() -> None:
    scene = Scene(poller=POLLS)
    scene.play.until(1.0)
    kill = scene.functions.faults["kill_poller"]
    kill.on({}, 1.0)
    assert scene.functions.actions["restart_poller"]({}, 2.0) == {"restarted": False, "alive": False}
    kill.off(3.0)
    scene.play.until(4.0)
    assert scene.seen("poller_alive") == 0.0
    assert scene.functions.actions["restart_poller"]({}, 4.0) == {"restarted": True, "alive": True}
    assert scene.functions.actions["restart_poller"]({}, 4.0) == {"restarted": False, "alive": True}


def test_what_a_dying_poller_held_is_run_again_by_the_next_one() -> None:
    scene = Scene(mean_s=0.5, poller=POLLS)
    scene.play.ask("queue", "send", {"body": "twice"})
    scene.play.until(0.25)
    scene.functions.faults["kill_poller"].on({}, 0.25)
    scene.functions.faults["kill_poller"].off(0.25)
    scene.play.until(1.0)
    scene.functions.actions["restart_poller"]({}, 1.0)
    scene.play.until(6.0)
    assert scene.functions.export()["messages"] == [[0, 2]]
    assert scene.seen("message_duplicates_total") == 1.0
    assert scene.queue.export()["sent"] == [[0, 0, 2]]


def test_draining_takes_every_environment_unless_calls_go_first() -> None:
    def refused(share: str | None) -> tuple[float, float]:
        scene = Scene(slots=4, mean_s=0.5, poller=POLLS._replace(lanes=6, most_lanes=6))
        for n in range(200):
            scene.play.ask("queue", "send", {"body": n})
        if share is not None:
            scene.functions.actions["prioritise_sync"]({"share": share}, 0.0)
        statuses = []
        for step in range(1, 40):
            scene.play.until(step * 0.25)
            statuses += [scene.play.ask("functions", "invoke")]
        scene.play.until(12.0)
        return sum(answer[0].status == 429 for answer in statuses) / 39, scene.seen("poller_messages_total")

    alike, first = refused(None), refused("50%")
    assert alike[0] > 0.4
    assert first[0] == 0.0, "one call every 0.25 s of 0.5 s each needs two of four environments"
    assert first[1] < alike[1] <= 200, "the price is a longer drain"


def test_priority_is_ended_by_treating_all_alike() -> None:
    scene = Scene(async_share=0.9, sync_share=0.25)
    act = scene.functions.actions
    assert scene.seen("background_share") == 0.9
    assert act["prioritise_sync"]({}, 0.0) == {"background_share": 0.25}
    assert act["prioritise_sync"]({"share": "95%"}, 0.0) == {"background_share": 0.9}
    assert act["treat_alike"]({}, 0.0) == {"background_share": 0.9}
    with pytest.raises(ValueError, match="between 0% and 100%"):
        act["prioritise_sync"]({"share": 2.0}, 0.0)


def test_capacity_that_a_fault_takes_comes_back_with_what_operators_added() -> None:
    scene = Scene(slots=4)
    fault = scene.functions.faults["capacity"]
    fault.on({"slots": 1}, 0.0)
    assert [scene.play.ask("functions", "invoke")[0:1] for _ in range(2)][1][0].status == 429
    scene.functions.actions["add_capacity"]({"slots": 2}, 0.1)
    assert scene.seen("concurrency_limit") == 1.0
    fault.off(0.2)
    assert scene.seen("concurrency_limit") == 6.0
    with pytest.raises(ValueError, match="whole number"):
        fault.on({"slots": -1}, 0.3)


def test_a_crash_loses_calls_repeats_events_and_brings_messages_back() -> None:
    scene = Scene(slots=4, mean_s=1.0, poller=POLLS)
    call = scene.play.ask("functions", "invoke")
    scene.play.ask("functions", "invoke_async")
    scene.play.ask("queue", "send", {"body": "a"})
    scene.play.until(0.5)
    assert (scene.seen("environments_busy"), scene.queue.gauges(0.5)["in_flight"]) == (3.0, 1.0)
    scene.play.crash("functions")
    scene.play.until(1.0)
    scene.play.restart("functions")
    scene.play.until(12.0)
    assert call == []
    assert scene.functions.export()["events"]["done"] == 1
    assert scene.queue.export()["deleted"] == 1
    assert (scene.seen("environments_busy"), scene.seen("poller_alive")) == (0.0, 1.0)


def test_hosts_that_cannot_be_launched_leave_calls_refused_long_after() -> None:
    fleet = FleetSpec(initial=1, minimum=1, maximum=4, slots_per_host=1, target=1.0, boot_s=0.5)
    scene = Scene(slots=1, mean_s=0.5, fleet=fleet)
    scene.play.answers["compute"] = bad(503, Cause.THROTTLED)

    def load(until_s: float) -> list[int]:
        answers = []
        while scene.play.now_s < until_s:
            answers += [scene.play.ask("functions", "invoke"), scene.play.ask("functions", "invoke")]
            scene.play.until(scene.play.now_s + 0.5)
        return [answer[0].status for answer in answers]

    assert load(5.0).count(429) == 10, "half of them, for as long as compute is frozen"
    assert scene.notes == [("scaling_frozen", {"fleet": "functions", "reason": "insufficient"})]
    numbers = iter(range(9))
    scene.play.answers["compute"] = lambda request, now_s: good({"instance": next(numbers)})(request, now_s)
    load(8.0)
    assert load(12.0).count(429) == 0
    assert scene.seen("hosts_usable") >= 2.0
