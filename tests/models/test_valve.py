"""The operators' valve and the error fault at a component's door."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.flows.wants import Cause
from harness.models.station import Station, StationSpec
from harness.models.store_controls import StoreControls
from harness.models.valve import Valve
from harness.policies.server import compose

IN, OUT = Cause.NONE, Cause.THROTTLED
GAPS = st.lists(st.integers(0, 8), min_size=1, max_size=60)  # sixty-fourths of a second: exact in binary


def at(gaps: list[int]) -> list[float]:
    """Arrival moments from the gaps between them."""
    moments, now = [], 0
    for gap in gaps:
        now += gap
        moments.append(now / 64)
    return moments


def ask(valve: Valve, moments: list[float], criticality: int = 0) -> list[Cause]:
    return [valve.admit(number, criticality, True, now_s) for number, now_s in enumerate(moments)]


def test_an_untouched_valve_lets_everything_in_and_counts_nothing():
    valve = Valve(7, 0.0)
    assert ask(valve, [0.0] * 5, criticality=9) == [IN] * 5
    assert set(valve.gauges(0.0).values()) == {0.0}


def test_a_throttled_intake_lets_in_its_rate_evenly_spaced():
    valve = Valve(7, 0.0)
    assert valve.actions["throttle_intake"]({"rate": "2/s"}, 0.0) == {"rate_per_s": 2.0}
    assert ask(valve, [0.0, 0.25, 0.5, 0.75, 1.0, 5.0, 5.0, 5.5]) == [IN, OUT, IN, OUT, IN, IN, OUT, IN]
    assert valve.gauges(6.0)["intake_refused_total"] == 3.0


@given(GAPS)
def test_the_valve_of_a_component_and_that_of_a_store_decide_alike(gaps):
    valve = Valve(1, 0.0)
    station = Station(StationSpec(4, 0.1, "fixed", compose({}), "acceptance", False), seed=1, now_s=0.0)
    controls = StoreControls(station, seed=1)
    valve.actions["throttle_intake"]({"rate": "16/s"}, 0.0)
    controls.act["throttle_intake"]({"rate": "16/s"}, 0.0)
    moments = at(gaps)
    assert ask(valve, moments) == [station.offer(number, now_s) for number, now_s in enumerate(moments)]


def test_a_ramp_lets_in_as_many_as_its_growing_rate_has_room_for_and_then_all():
    valve = Valve(7, 0.0)
    valve.actions["ramp"]({"from": "0/s", "to": "8/s", "over": "4s"}, 0.0)  # A(t) = t^2
    asked = [n / 64 for n in range(4 * 64)]
    let_in = [now_s for now_s, cause in zip(asked, ask(valve, asked), strict=True) if cause is IN]
    assert let_in[:2] == [0.0, 1.0]  # A(0) = 0 and A(1) = 1
    assert len(let_in) == 16  # one at each of A = 0, 1, ... 15, all reached before 4 s
    assert all(math.ceil(math.sqrt(n) * 64) / 64 <= came_s for n, came_s in enumerate(let_in))
    assert ask(valve, [4.0] * 9) == [IN] * 9


@given(GAPS, st.integers(0, 4), st.integers(4, 32))
def test_no_window_of_a_ramp_lets_in_more_than_its_rate_and_one(gaps, from_per_s, to_per_s):
    valve = Valve(7, 0.0)
    valve.actions["ramp"]({"from": f"{from_per_s}/s", "to": f"{to_per_s}/s", "over": "8s"}, 0.0)

    def allowed(t: float) -> float:
        return t * (from_per_s + (to_per_s - from_per_s) * t / 16)

    moments = at(gaps)
    let_in = [t for t, cause in zip(moments, ask(valve, moments), strict=True) if cause is IN and t < 8.0]
    for first, begin in enumerate(let_in):
        for count, end in enumerate(let_in[first:], start=1):
            assert count <= 1 + allowed(end) - allowed(begin)


@given(GAPS)
def test_a_request_that_the_ramp_refuses_takes_no_turn_of_the_throttle(gaps):
    """With a ramp that lets nobody in but the first, the throttle stays rested for whoever comes after it opens."""
    valve = Valve(7, 0.0)
    valve.actions["ramp"]({"from": "0/s", "to": "0.0001/s", "over": "9s"}, 0.0)
    assert valve.admit(0, 0, True, 0.0) is IN
    valve.actions["throttle_intake"]({"rate": "1/h"}, 0.0)
    moments = at(gaps)
    assert [valve.admit(1, 0, True, now_s) for now_s in moments if now_s < 9.0].count(IN) == 0
    assert [valve.admit(1, 0, True, 9.0), valve.admit(2, 0, True, 9.0)] == [IN, OUT]


def test_shedding_looks_at_criticality_only_and_takes_no_turn():
    valve = Valve(7, 0.0)
    valve.actions["shed"]({"above": 1}, 0.0)
    valve.actions["throttle_intake"]({"rate": "1/s"}, 0.0)
    assert [valve.admit(n, n, True, 0.0) for n in (3, 2, 1, 0)] == [OUT, OUT, IN, OUT]
    assert valve.gauges(0.0) == {"intake_refused_total": 1.0, "shed_total": 2.0, "errors_injected_total": 0.0}


def test_opening_takes_the_three_restrictions_away_and_leaves_the_fault():
    valve = Valve(7, 0.0)
    valve.actions["shed"]({"above": 0}, 0.0)
    valve.actions["throttle_intake"]({"rate": "1/h"}, 0.0)
    valve.actions["ramp"]({"from": "0/s", "to": "1/h", "over": "1h"}, 0.0)
    valve.faults["errors"].on({"share": "100%"}, 0.0)
    valve.actions["open_intake"]({}, 0.0)
    assert ask(valve, [0.0] * 3, criticality=5) == [Cause.INJECTED] * 3
    valve.faults["errors"].off(0.0)
    assert ask(valve, [0.0] * 3, criticality=5) == [IN] * 3


@given(st.integers(0, 2**64 - 1), *[st.floats(0.0, 1.0, exclude_min=True)] * 2)
def test_whom_the_fault_hits_is_the_attempt_s_luck_and_a_larger_share_hits_them_too(attempt, one, other):
    hit = {}
    for share in sorted((one, other)):
        valve = Valve(7, 0.0)
        valve.faults["errors"].on({"share": share}, 0.0)
        hit[share] = valve.admit(attempt, 0, True, 0.0) is Cause.INJECTED
        assert valve.gauges(0.0)["errors_injected_total"] == float(hit[share])
    assert hit[min(one, other)] <= hit[max(one, other)]


@pytest.mark.parametrize(
    ("deed", "params", "said"),
    [
        ("throttle_intake", {}, "rate: None is not a rate"),
        ("throttle_intake", {"rate": "0/s"}, "rate is 0/s; it must be above 0/s"),
        ("ramp", {"from": "-1/s", "to": "2/s", "over": "1s"}, "from is -1/s; it must be at least 0/s"),
        ("ramp", {"from": "3/s", "to": "2/s", "over": "1s"}, "a ramp grows"),
        ("ramp", {"from": "1/s", "to": "2/s", "over": "0s"}, "above 0 s"),
        ("ramp", {"from": "1/s", "to": "2/s"}, "None is not a duration"),
        ("shed", {"above": -1}, "at least 0"),
        ("shed", {"above": True}, "whole number"),
    ],
)
def test_bad_parameters_are_refused_and_change_nothing(deed, params, said):
    valve = Valve(7, 0.0)
    with pytest.raises(ValueError, match=said):
        valve.actions[deed](params, 0.0)
    assert ask(valve, [0.0] * 3, criticality=9) == [IN] * 3


@pytest.mark.parametrize("share", ["101%", -0.1, None, math.nan])
def test_a_share_that_is_none_is_refused_and_changes_nothing(share):
    valve = Valve(7, 0.0)
    with pytest.raises(ValueError, match="share"):
        valve.faults["errors"].on({"share": share}, 0.0)
    assert ask(valve, [0.0] * 3) == [IN] * 3
