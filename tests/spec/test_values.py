"""Values: read once, kept exact, written back so that they read the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.spec.values import read_duration, read_rate, read_share, show_duration, show_rate

POSITIVE = st.floats(min_value=1e-9, max_value=1e9, allow_nan=False)


@settings(deadline=None)
@given(POSITIVE)
def test_a_duration_written_back_reads_to_the_same_float(value_s: float) -> None:
    assert read_duration(show_duration(value_s)) == value_s


@settings(deadline=None)
@given(POSITIVE)
def test_a_rate_written_back_reads_to_the_same_float(value_per_s: float) -> None:
    assert read_rate(show_rate(value_per_s)) == value_per_s


def test_values_are_written_in_base_units() -> None:
    assert (show_duration(0.5), show_rate(100.0), show_duration(None)) == ("0.5s", "100.0/s", "none")


@pytest.mark.parametrize("text", ["-1s", "1e999s", "500", 7, "5 parsecs", None, True, ["1s"]])
def test_what_is_no_length_of_time_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"not a duration|out of bounds"):
        read_duration(text)


def test_zero_is_a_duration_only_where_it_makes_sense() -> None:
    assert read_duration("0s") == read_duration(0) == 0.0
    with pytest.raises(ValueError, match="above 0s"):
        read_duration("0s", above_zero=True)


@pytest.mark.parametrize("text", ["0/s", "-3/s", "3", 4, "3/fortnight", "1e999/s"])
def test_what_is_no_rate_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"not a rate|out of bounds"):
        read_rate(text)


def test_a_share_lies_between_nothing_and_all() -> None:
    assert [read_share(text) for text in ("5%", 0.05, 0, 1, "100%")] == [0.05, 0.05, 0.0, 1.0, 1.0]
    for text in ("101%", -0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match="out of bounds"):
            read_share(text)
