"""Quantities as people write them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.units import duration_s, fraction, rate_per_s, show_s

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 500 * 1e-3),
        ("2s", 2.0),
        ("1.5min", 90.0),
        ("1.5m", 90.0),
        ("2h", 7200.0),
        ("250us", 250 * 1e-6),
        (" 3 s ", 3.0),
        (".5s", 0.5),
        ("1e-3s", 0.001),
        ("-2s", -2.0),
        ("0s", 0.0),
        (0, 0.0),
        (0.0, 0.0),
    ],
)
def test_a_duration_is_a_number_with_its_unit(text: object, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize(
    "text", ["500", 501, 0.5, "5 parsecs", "ms", "", "1s 2s", "1,5s", None, False, "5S", [], "nan s"]
)
def test_a_bare_number_or_an_unknown_unit_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="write a number with one of us, ms, s, m, min, h, as in '500ms'") as caught:
        duration_s(text)
    assert repr(text) in str(caught.value)


@settings(deadline=None)
@given(FINITE)
def test_seconds_are_read_back_exactly(value_s: float) -> None:
    assert duration_s(f"{value_s!r}s") == value_s


def test_a_rate_is_a_number_per_unit() -> None:
    assert [rate_per_s(text) for text in ("200/s", "30/min", "30/m", "3600/h", " 2.5 / s")] == [
        200.0,
        0.5,
        0.5,
        1.0,
        2.5,
    ]


@pytest.mark.parametrize("text", ["200", 201, "200/ms", "/s", "200 per s", None])
def test_anything_else_is_no_rate(text: object) -> None:
    with pytest.raises(ValueError, match="write a number per s, m, min, h, as in '200/s'"):
        rate_per_s(text)


def test_a_share_is_a_percentage_or_a_number() -> None:
    assert [fraction(text) for text in ("95%", " 5 % ", 0.95, 1, "150%")] == [0.95, 0.05, 0.95, 1.0, 1.5]
    for text in ("95", True, None, "%"):
        with pytest.raises(ValueError, match="write a percentage as in '95%'"):
            fraction(text)


@pytest.mark.parametrize(
    ("value_s", "shown"),
    [
        (0.0, "0 s"),
        (2e-5, "20 us"),
        (0.02, "20 ms"),
        (0.0205, "20.5 ms"),
        (0.9999, "1 s"),
        (0.00099999, "1 ms"),
        (1.5, "1.5 s"),
        (119.9, "120 s"),
        (120.0, "2 min 0 s"),
        (125.0, "2 min 5 s"),
        (-125.0, "-2 min 5 s"),
        (-0.5, "-500 ms"),
        (None, "-"),
        (math.nan, "-"),
    ],
)
def test_durations_are_shown_in_the_unit_that_fits(value_s: float | None, shown: str) -> None:
    assert show_s(value_s) == shown
