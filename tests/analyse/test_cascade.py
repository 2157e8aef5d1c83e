"""The cascade on planted truth: what was in trouble when, what it follows, and when it had drained, to the window."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analyse import analyse, deeds
from harness.analyse.lanes import Lane, call_graph, explained
from harness.analyse.spans import Span, joined, length_s, where, within, without
from harness.record.journal import Journal
from tests.analyse.planted import Truth, plant

SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 6)).map(lambda p: (float(p[0]), float(p[0] + p[1]))))


def covered(spans: list[Span]) -> set[int]:
    """The unit steps that whole-numbered spans cover."""
    return {step for start_s, end_s in spans for step in range(int(start_s), int(end_s))}


def lanes_of(folder: Any) -> dict[str, dict[str, Any]]:
    return {lane["component"]: lane for lane in analyse(folder)["cascade"]}


@given(SPANS, SPANS)
def test_joining_and_taking_away_lose_and_invent_nothing(one: list[Span], other: list[Span]) -> None:
    union, left = joined(one), without(joined(one), other)
    assert covered(union) == covered(one)
    assert length_s(union) == len(covered(one))
    assert all(before[1] < after[0] for before, after in pairwise(union))
    assert covered(left) == covered(one) - covered(other)
    assert covered(within(one, 5.0, 9.0)) == covered(one) & set(range(5, 9))


def test_a_stretch_is_found_by_its_windows_and_short_gaps_are_closed() -> None:
    holds = np.array([True, True, False, True, False, False, False, True])
    assert where(holds, 0.25) == [(0.0, 0.5), (0.75, 1.0), (1.75, 2.0)]
    assert joined(where(holds, 0.25), 0.25) == [(0.0, 1.0), (1.75, 2.0)]


def test_work_that_waits_is_trouble_from_where_it_left_normal_until_under_the_line(tmp_path: Path) -> None:
    waiting = ((0.0, 0.0), (7.0, 0.0), (9.0, 100.0), (12.0, 100.0), (16.0, 0.0), (29.0, 0.0))
    measures = analyse(plant(tmp_path, Truth(waiting=waiting)))
    (lane,) = measures["cascade"]
    assert lane["triggers"] == [[6.0, 8.0, "kv.latency"]]
    assert lane["trouble"] == [[6.75, 15.75]]
    assert lane["sustained"] == [[8.0, 15.75]]
    assert (lane["sustained_s"], lane["peak"], lane["peak_at_s"]) == (7.75, 100.0, 9.25)
    assert (lane["began_s"], lane["ended_s"], lane["drained_s"]) == (6.0, 15.75, 15.75)
    assert (lane["trigger"], lane["follows"], lane["action"]) == ("kv.latency", None, None)


def test_work_that_still_waits_when_the_load_ends_has_not_drained_and_the_reason_is_given(tmp_path: Path) -> None:
    measures = analyse(plant(tmp_path, Truth(waiting=((0.0, 0.0), (7.0, 0.0), (9.0, 100.0), (40.0, 100.0)))))
    (lane,) = measures["cascade"]
    assert (lane["drained_s"], lane["ended_s"]) == (None, None)
    assert lane["trouble"] == [[6.75, 28.0]]
    assert measures["reasons"]["cascade.kv.drained_s"].startswith("100 items still waited at the end of the load")
    assert measures["reasons"]["cascade.kv.ended_s"] == "still in trouble at the end of the load"


def test_what_the_baseline_shows_as_well_is_no_trouble(tmp_path: Path) -> None:
    ripple = tuple((step * 0.5, 8.0 if step % 2 else 0.0) for step in range(60))
    lane = lanes_of(plant(tmp_path, Truth(waiting=ripple)))["kv"]
    assert (lane["trouble"], lane["drained_s"], lane["ended_s"]) == ([], None, 8.0)


def test_refusals_are_trouble_window_by_window(tmp_path: Path) -> None:
    lane = lanes_of(plant(tmp_path, Truth(refused=((6.0, 9.0),))))["kv"]
    assert lane["refusing"] == lane["trouble"] == [[6.0, 9.0]]
    assert lane["sustained"] == [[8.0, 9.0]]


def test_queue_delay_is_trouble_only_over_the_callers_timeout(tmp_path: Path) -> None:
    late = lanes_of(plant(tmp_path / "late", Truth(waits=((9.0, 11.0, 0.8),))))["kv"]
    assert late["trouble"] == [[9.75, 11.0]]
    patient = lanes_of(plant(tmp_path / "patient", Truth(waits=((9.0, 11.0, 0.4),))))["kv"]
    assert patient["trouble"] == []


def test_actions_and_notes_are_told_by_component_and_routine_is_not(tmp_path: Path) -> None:
    folder = plant(tmp_path, Truth())
    journal = Journal(folder.journal, "orchestrator")
    journal.write(9.0, "action", id="a", what="kv.drop_queue", component="kv", name="drop_queue")
    journal.write(10.0, "action", id="b", what="kv.shed", component="kv", name="shed", fired_by={"because": "x"})
    journal.close()
    store = Journal(folder.journal, "kv")
    for at_s in (11.0, 12.0):
        store.write(at_s, "poller_died", because="its lease ran out")
    store.write(13.0, "apply")
    store.close()
    lane = lanes_of(folder)["kv"]
    assert lane["actions"] == [[9.0, "drop_queue", False], [10.0, "shed", True]]
    assert lane["action"] == "drop_queue, shed"
    assert lane["notes"] == [{"kind": "poller_died", "count": 2, "at_s": [11.0, 12.0]}]


def edge(at_s: float, kind: str, what: str) -> dict[str, Any]:
    component, _, name = what.partition(".")
    return {"t_s": at_s, "kind": kind, "what": what, "component": component, "name": name}


def test_a_fault_that_comes_and_goes_is_several_triggers_and_one_nobody_healed_ends_with_the_fix() -> None:
    journal = [
        edge(1.0, "inject", "kv.latency"),
        edge(2.0, "heal", "kv.latency"),
        edge(3.0, "inject", "kv.latency"),
        edge(4.0, "inject", "dns.empty_record"),
        edge(4.5, "heal", "kv.latency"),
    ]
    assert deeds.faults(journal, "kv", 6.0, 20.0) == ((1.0, 2.0, "kv.latency"), (3.0, 4.5, "kv.latency"))
    assert deeds.faults(journal, "dns", 6.0, 20.0) == ((4.0, 6.0, "dns.empty_record"),)
    assert deeds.faults(journal, "dns", None, 20.0) == ((4.0, 20.0, "dns.empty_record"),)


def test_a_name_is_empty_until_its_record_is_back_however_seldom_anybody_asks() -> None:
    first = {"t_s": 2.0, "kind": "first_empty_answer", "who": "dns"}
    assert deeds.empty([first, {"t_s": 9.0, "kind": "restored", "who": "dns"}], 20.0) == [(2.0, 9.0)]
    assert deeds.empty([first, edge(8.0, "heal", "dns.empty_record")], 20.0) == [(2.0, 8.0)]
    assert deeds.empty([first], 20.0) == [(2.0, 20.0)]


def lane(name: str, trouble: list[Span], fault: Span | None = None) -> Lane:
    faults = () if fault is None else ((*fault, f"{name}.crash"),)
    starts = [start_s for start_s, _ in trouble] + ([] if fault is None else [fault[0]])
    return Lane(
        name, faults, trouble, [], (), {}, 0.0, None, 0.0, None, min(starts, default=None), None, {}
    )  # fmt: skip


CHAIN = [
    lane("dns", [(11.0, 20.0)], (10.0, 12.0)),
    lane("kv", [(20.5, 30.0)]),
    lane("compute", [(13.0, 40.0)]),
    lane("network", [(35.0, 50.0)]),
    lane("functions", [(36.0, 60.0)]),
    lane("identity", []),
]
CALLS = call_graph(
    {"spec": {"region": {name: {"depends_on": ["kv", "network"]} for name in ("compute", "functions")}}},
    ["load->functions"],
)


def told() -> dict[str, Lane]:
    return {one.component: one for one in explained(CHAIN, CALLS)}


@pytest.mark.parametrize(
    ("component", "trigger"),
    [
        ("dns", "dns.crash"),
        ("kv", "after compute, which calls it"),
        ("compute", "after dns, on which it depends"),
        ("network", "after compute, which calls it"),
        ("functions", "after network, on which it depends"),
        ("identity", None),
    ],
)
def test_each_lane_follows_its_own_fault_or_a_dependency_or_a_caller(component: str, trigger: str | None) -> None:
    assert told()[component].trigger == trigger


def test_the_sustaining_effect_is_the_trouble_that_outlasts_its_trigger() -> None:
    found = told()
    assert found["dns"].sustained == [(12.0, 20.0)]
    assert found["compute"].sustained == [(20.0, 40.0)], "dns was in trouble to 20 s"
    assert found["network"].sustained == [(35.0, 50.0)], "what callers let go is a moment, and no trigger that lasts"
    assert found["functions"].sustained == [(50.0, 60.0)]


def test_where_nobody_was_in_trouble_the_last_note_of_a_neighbour_is_told() -> None:
    poller = lane("functions", [])._replace(notes={"scaling_frozen": [3.0, 9.0], "poller_died": [4.0]})
    calls = call_graph({"spec": {"region": {"functions": {"depends_on": ["queue"]}}}}, [])
    found = {one.component: one for one in explained([lane("queue", [(5.0, 8.0)]), poller], calls)}
    assert found["queue"].trigger == "after functions noted: poller died"
    assert found["queue"].sustained == [(5.0, 8.0)]


def test_trouble_that_nothing_came_before_has_no_trigger_and_says_so() -> None:
    (alone,) = explained([lane("kv", [(5.0, 6.0)])], call_graph({}, []))
    assert (alone.trigger, alone.sustained) == (None, [(5.0, 6.0)])
    assert alone.why["trigger"] == "no fault, and no trouble or note of a component it has to do with, came before it"


def test_the_flagship_tells_its_cascade_and_a_fixed_race_has_none(simulated: Any) -> None:
    found = lanes_of(simulated("dns_race", "naive"))
    assert list(found) == ["dns", "kv", "mobile_banking"]
    assert [found[name]["trigger"] for name in found] == [
        "dns.stall_enactor",
        "after mobile_banking, which calls it",
        "after dns, on which it depends",
    ]
    begins = [found[name]["began_s"] for name in ("dns", "mobile_banking", "kv")]
    assert begins == sorted(begins)
    assert found["kv"]["drained_s"] is None
    assert found["kv"]["began_s"] >= 22.0, "the store falls only when its name is back"
    assert "kv" not in lanes_of(simulated("dns_race", "race_fixed"))


def test_a_second_fault_elsewhere_is_a_trigger_too_and_trouble_that_follows_from_ones_own_is_not() -> None:
    calls = call_graph({"spec": {"region": {"bank": {"depends_on": ["kv"]}}}}, [])
    store, names = lane("kv", [(10.0, 13.0)], (10.0, 10.2)), lane("dns", [(12.0, 22.0)], (11.0, 12.0))
    bank = lane("bank", [(10.5, 30.0)])
    found = {one.component: one for one in explained([names, store, bank], calls)}
    assert found["bank"].trigger == "after kv, on which it depends"
    assert found["bank"].sustained == [(22.0, 30.0)]
    late, pulled = lane("bank", [(12.5, 30.0)]), lane("kv", [(14.0, 30.0)])
    after_it = {one.component: one for one in explained([names, pulled, late], calls)}
    assert after_it["bank"].trigger == "after dns, on which it depends"
    assert after_it["bank"].sustained == [(22.0, 30.0)], "the store has no fault of its own"
