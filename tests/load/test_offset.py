"""Two clocks that are exactly so far apart, and messages that take exactly so long."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.load.offset import RoundTrip, estimate

WAY = st.integers(0, 10**9)  # up to a second, in ns
APART = st.integers(-(10**18), 10**18)
AT = st.integers(0, 10**18)


def trip(at_ns: int, apart_ns: int, out_ns: int, back_ns: int, thought_ns: int = 0) -> RoundTrip:
    """Asked at `at_ns` of the worker's clock; the master's is `apart_ns` ahead and thinks for `thought_ns`."""
    received = at_ns + out_ns + apart_ns
    return RoundTrip(at_ns, received, received + thought_ns, at_ns + out_ns + thought_ns + back_ns)


@given(AT, APART, WAY, WAY)
def test_equal_ways_give_the_exact_offset_however_long(at: int, apart: int, way: int, thought: int) -> None:
    found = trip(at, apart, way, way, thought)
    assert (found.offset_ns, found.delay_ns) == (apart, 2 * way)


@given(APART, st.lists(st.tuples(AT, WAY, WAY, WAY), min_size=1, max_size=16))
def test_the_true_offset_is_always_within_the_stated_error(apart: int, ways: list[tuple[int, int, int, int]]) -> None:
    found = estimate([trip(at, apart, out, back, thought) for at, out, back, thought in ways])
    assert abs(found.offset_ns - apart) <= found.error_ns
    assert found.error_ns <= min(out + back for _, out, back, _ in ways) // 2 + 2
    assert found.round_trips == len(ways)


def test_one_quick_round_trip_outweighs_any_number_of_slow_ones() -> None:
    slow = [trip(k * 10**9, 5_000_000_000, 30_000_000, 0) for k in range(15)]  # each 15 ms wrong
    assert estimate(slow).offset_ns == 5_015_000_000
    assert estimate([*slow, trip(0, 5_000_000_000, 40_000, 40_000)]).offset_ns == 5_000_000_000


def test_a_master_that_takes_its_time_costs_no_accuracy() -> None:
    assert estimate([trip(7, -3_000, 100, 100, thought_ns=10**10)])._asdict() == {
        "offset_ns": -3_000, "error_ns": 101, "round_trips": 1,
    }  # fmt: skip
