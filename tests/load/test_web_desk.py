"""A press of a button is one deed, checked, done and written down; what is refused changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from harness.errors import RunError
from harness.load.web import state
from harness.load.web.desk import Desk, Running
from harness.plan import make_plan
from harness.record.folder import RunFolder
from harness.record.journal import read_journal
from harness.spec.load import load_experiment
from harness.timeline import Due


class Ports:
    """A region that notes what it is asked, and refuses on demand."""

    def __init__(self) -> None:
        self.asked: list[Due] = []
        self.refuses = ""
        self.expired = False

    def do(self, due: Due) -> object:
        self.asked.append(due)
        if self.refuses:
            raise RunError(self.refuses)
        return not self.expired if due.deed == "heal" else None


class Bench(NamedTuple):
    desk: Desk
    ports: Ports
    folder: RunFolder
    clock: list[float]

    def press(self, **how: Any) -> tuple[int, dict[str, Any]]:
        base = {"deed": "inject", "component": "kv", "name": "latency", "params": {"factor": 4}, "ttl_s": 5.0}
        return self.desk.press({**base, "press": f"p{len(self.ports.asked)}-{self.clock[0]}", **how})

    def journal(self) -> list[tuple[str, str]]:
        return [(entry["kind"], entry.get("what", "")) for entry in read_journal(self.folder.journal)]


@pytest.fixture(scope="module")
def facts(experiments: Path) -> dict[str, Any]:
    return make_plan(load_experiment(experiments / "dns_race.yaml"), "naive").to_json()


@pytest.fixture
def bench(tmp_path: Path, facts: dict[str, Any]) -> Iterator[Bench]:
    desk, ports, clock, folder = Desk(), Ports(), [10.0], RunFolder(tmp_path)
    faked: Any = ports
    desk.open(Running(folder, facts, lambda: clock[0], faked))
    yield Bench(desk, ports, folder, clock)
    desk.close()


def test_a_fault_is_injected_with_its_time_to_live_and_written_down(bench: Bench) -> None:
    assert bench.press(press="one")[0] == 200
    due = bench.ports.asked[0]
    assert (due.deed, due.component, due.name, due.params, due.ttl_s) == ("inject", "kv", "latency", {"factor": 4}, 5.0)
    (entry,) = read_journal(bench.folder.journal)
    assert (entry["who"], entry["kind"], entry["press"], entry["ttl_s"]) == ("operator", "inject", "one", 5.0)
    assert (entry["component"], entry["name"], entry["what"]) == ("kv", "latency", "kv.latency")


def test_the_same_press_counts_once_however_late_it_comes_again(bench: Bench) -> None:
    assert bench.press(press="one")[0] == 200
    bench.clock[0] += 100.0
    assert bench.press(press="one")[0] == 409
    assert len(bench.ports.asked) == 1


def test_two_presses_of_one_button_within_a_second_are_one(bench: Bench) -> None:
    assert bench.press(press="one")[0] == 200
    bench.clock[0] += 0.9
    status, answer = bench.press(press="two")
    assert (status, "pressed twice" in answer["error"]) == (409, True)
    bench.clock[0] += 0.1
    assert bench.press(press="three")[0] == 200
    assert len(bench.ports.asked) == 2


def test_another_deed_may_follow_at_once(bench: Bench) -> None:
    assert bench.press(press="one")[0] == 200
    assert bench.press(press="two", params={"factor": 5})[0] == 200


def test_what_the_component_refuses_is_said_in_its_words_and_may_be_pressed_again(bench: Bench) -> None:
    bench.ports.refuses = "kv: refused with 400: too slow"
    assert bench.press(press="one") == (502, {"error": "kv: refused with 400: too slow"})
    assert bench.journal() == [("inject_failed", "kv.latency")]
    bench.ports.refuses = ""
    assert bench.press(press="two")[0] == 200


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"deed": "break"}, "deed"),
        ({"component": None}, "component"),
        ({"press": "x" * 101}, "press"),
        ({"params": [1]}, "params"),
        ({"ttl_s": None}, "ttl_s"),
        ({"ttl_s": True}, "ttl_s"),
        ({"ttl_s": 0}, "ttl_s"),
        ({"ttl_s": float("nan")}, "ttl_s"),
        ({"ttl_s": 3601}, "ttl_s"),
        ({"fix": True}, "fault fixes nothing"),
        ({"fix": "yes"}, "fix"),
        ({"params": {"factor": "much"}}, "factor"),
        ({"params": {"factor": 2, "mean": "1s"}}, "exactly one"),
        ({"params": {"speed": 2}}, "speed"),
        ({"name": "capacity", "params": {}}, "slots"),
    ],
)
def test_wrong_arguments_are_refused_with_what_is_allowed(bench: Bench, how: dict[str, Any], words: str) -> None:
    status, answer = bench.press(**how)
    assert (status, words in answer["error"]) == (400, True), answer
    assert bench.ports.asked == []


@pytest.mark.parametrize("body", [None, [], "inject", 7])
def test_a_body_that_is_no_press_is_refused(bench: Bench, body: object) -> None:
    assert bench.desk.press(body)[0] == 400


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"component": "airline"}, "dns, kv, mobile_banking"),
        ({"name": "latncy"}, "latency"),
        ({"name": "heal"}, "latency"),
    ],
)
def test_what_does_not_exist_is_not_found_and_what_exists_is_named(
    bench: Bench, how: dict[str, Any], words: str
) -> None:
    status, answer = bench.press(**how)
    assert (status, words in answer["error"]) == (404, True), answer


def test_a_fix_is_marked_where_measures_count_from(bench: Bench) -> None:
    bench.press(press="one")
    assert bench.press(press="two", deed="heal", fix=True, params={}, ttl_s=None)[0] == 200
    assert bench.journal() == [("inject", "kv.latency"), ("heal", "kv.heal"), ("fix", "kv.heal")]
    assert bench.press(deed="action", component="dns", name="restore", params={}, fix=True)[0] == 200
    assert bench.journal()[-1] == ("fix", "dns.restore")


def test_what_is_still_on_when_the_load_ends_is_healed_and_what_was_healed_is_not(bench: Bench) -> None:
    bench.press(press="one")
    bench.press(press="two", name="errors", params={"share": "20%"})
    bench.press(press="three", deed="heal", params={})
    asked = len(bench.ports.asked)
    bench.desk.close()
    assert [(due.deed, due.name) for due in bench.ports.asked[asked:]] == [("heal", "errors")]
    assert bench.journal()[-1] == ("heal", "undo")


def test_what_ended_by_itself_is_not_written_down_as_healed(bench: Bench) -> None:
    bench.press(press="one")
    bench.ports.expired = True
    bench.desk.close()
    assert bench.journal() == [("inject", "kv.latency")]


def test_a_component_that_is_gone_does_not_keep_the_record_open(bench: Bench) -> None:
    bench.press(press="one")
    bench.ports.refuses = "kv: has the process ended?"
    bench.desk.close()
    assert [kind for kind, _ in bench.journal()] == ["inject", "note"]


def test_without_a_run_nothing_can_be_pressed(bench: Bench) -> None:
    bench.desk.close()
    status, answer = bench.press()
    assert (status, "Start" in answer["error"]) == (409, True)


def test_without_a_region_it_is_left_to_hands(tmp_path: Path, facts: dict[str, Any]) -> None:
    desk = Desk()
    desk.open(Running(RunFolder(tmp_path), facts, lambda: 1.0, None))
    body = {"deed": "inject", "component": "kv", "name": "latency", "params": {"factor": 2}, "ttl_s": 1, "press": "a"}
    assert desk.press(body)[0] == 409
    desk.close()


def test_digits_of_a_form_are_numbers(bench: Bench) -> None:
    assert bench.press(name="capacity", params={"slots": "3"})[0] == 200
    assert bench.ports.asked[0].params == {"slots": 3}


def test_every_button_names_a_verb_and_starts_with_what_the_plan_does(facts: dict[str, Any]) -> None:
    told = state.of_plan(facts)
    assert told["components"] == ["dns", "kv", "mobile_banking"]
    by_name = {(verb["component"], verb["name"]): verb for verb in told["verbs"]}
    stall = by_name["dns", "stall_enactor"]
    assert (stall["kind"], stall["fault"], stall["ttl_s"], stall["ttl_max_s"]) == ("inject", True, 2.2, 3600.0)
    (enactor,) = stall["params"]
    assert (enactor["kind"], enactor["default"], enactor["choices"]) == ("choice", "az1", ["az1", "az2", "az3"])
    restore = by_name["dns", "restore"]
    assert (restore["kind"], restore["fault"], restore["ttl_s"]) == ("action", False, None)
    latency = by_name["kv", "latency"]
    kinds = [(param["name"], param["kind"]) for param in latency["params"]]
    assert kinds == [("mean", "duration"), ("factor", "number")]
    assert latency["one_of"] == ["mean", "factor"]
    assert all(verb["name"] != "heal" for verb in told["verbs"])
    assert [(entry["what"], entry["fix"]) for entry in told["planned"]] == [
        ("dns.stall_enactor", False), ("dns.restore", True),
    ]  # fmt: skip


def test_a_run_of_unknown_length_shows_no_phases(facts: dict[str, Any]) -> None:
    assert state.of_plan({**facts, "end_s": 3605.0})["phases"] == []
    assert next(phase["name"] for phase in state.of_plan(facts)["phases"]) == "warm_up"
