"""What faults and operators can do to a store's station."""

from __future__ import annotations

import math

import pytest

from harness.flows.wants import Cause
from harness.models.station import Station, StationSpec
from harness.models.store_controls import StoreControls
from harness.policies.server import compose


@pytest.fixture
def station():
    spec = StationSpec(4, 0.1, "fixed", compose({}), "acceptance", False)
    return Station(spec, seed=1, now_s=0.0)


@pytest.fixture
def controls(station):
    return StoreControls(station, seed=1)


def test_a_throttled_intake_lets_in_its_rate_and_no_more(station, controls):
    controls.act["throttle_intake"]({"rate": "2/s"}, 0.0)
    causes = [station.offer(attempt, attempt * 0.25) for attempt in range(8)]
    assert causes == [Cause.NONE, Cause.THROTTLED] * 4


def test_an_opened_intake_lets_everything_in_again(station, controls):
    controls.act["throttle_intake"]({"rate": "1/min"}, 0.0)
    assert [station.offer(1, 0.0), station.offer(2, 0.0)] == [Cause.NONE, Cause.THROTTLED]
    controls.act["open_intake"]({}, 0.0)
    assert station.offer(3, 0.0) is Cause.NONE


def test_capacity_added_during_a_fault_counts_from_its_end(station, controls):
    controls.on["capacity"]({"slots": 0}, 0.0)
    assert controls.act["add_capacity"]({"slots": 2}, 1.0) == {"slots": 6}
    assert station.gauges(1.0)["slots"] == 0.0
    controls.off["capacity"](2.0)
    assert station.gauges(2.0)["slots"] == 6.0


def test_a_latency_fault_replaces_the_earlier_one_entirely(station, controls):
    controls.on["latency"]({"mean": "1s"}, 0.0)
    controls.on["latency"]({"factor": 3}, 0.0)
    station.offer(1, 0.0)
    assert math.isclose(station.next_event_s(), 0.3)


@pytest.mark.parametrize(
    ("deed", "params", "said"),
    [
        ("throttle_intake", {}, "None is not a rate"),
        ("throttle_intake", {"rate": "0/s"}, "above 0/s"),
        ("add_capacity", {"slots": 0}, "at least 1"),
    ],
)
def test_bad_parameters_are_refused_and_change_nothing(station, controls, deed, params, said):
    before = station.gauges(0.0)
    with pytest.raises(ValueError, match=said):
        controls.act[deed](params, 0.0)
    assert station.gauges(0.0) == before
    assert [station.offer(attempt, 0.0) for attempt in (1, 2)] == [Cause.NONE, Cause.NONE]
