"""The small grammars: steady-state lines, conditions, stop conditions, moments."""

from __future__ import annotations

import math

import pytest

from harness.spec.lines import read_condition, read_line, read_stop
from harness.spec.moments import Span, read_moment

SPANS = {"baseline": Span("baseline", 2.0, 10.0), "outage": Span("outage", 10.0, 22.0)}


def test_a_line_of_due_is_a_share() -> None:
    line = read_line(">= 95% of due", ("due",), ">= 95% of due")
    assert (line.sense, line.value, line.of) == (">=", 0.95, "due")
    assert line.holds(0.95)
    assert not line.holds(math.nextafter(0.95, 0.0))


def test_a_line_of_the_baseline_is_a_multiple() -> None:
    line = read_line("<= 1.1x baseline", ("baseline", "number"), "<= 1.1x baseline")
    assert line.limit(2.0) == 2.2
    assert line.holds(2.2, baseline=2.0)
    assert not line.holds(2.21, baseline=2.0)


def test_a_line_may_be_absolute_in_its_own_unit() -> None:
    assert read_line("< 200ms", ("baseline", "duration"), "").value == 0.2
    assert read_line("<= 1.5", ("baseline", "number"), "").value == 1.5


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        (">= 95% of baseline", ("due",)),
        (">= 95%", ("due",)),
        ("95% of due", ("due",)),
        ("== 95% of due", ("due",)),
        ("<= 2x baseline", ("due",)),
        ("<= 200ms", ("baseline", "number")),
        ("<= 1.5", ("baseline", "duration")),
        ("<= fast", ("baseline", "duration")),
        (95, ("due",)),
        (None, ("due",)),
    ],
)
def test_a_line_that_does_not_fit_its_measure_is_refused(text: object, allowed: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"steady-state line|does not fit|not a duration"):
        read_line(text, allowed, ">= 95% of due")


def test_a_share_of_the_baseline_says_why_it_is_refused() -> None:
    with pytest.raises(ValueError, match="a share of the baseline fails healthy systems"):
        read_line(">= 95% of baseline", ("due",), ">= 95% of due")


@pytest.mark.parametrize(
    ("text", "found", "holds"),
    [
        ("<= 15s", 15.0, True),
        ("<= 15s", 15.001, False),
        ("<= 500ms", 0.5, True),
        (">= 95%", 0.95, True),
        ("> 2", 2, False),
        ("!= 2", 3, True),
        ("== recovered", "recovered", True),
        ("== recovered", "metastable", False),
        ("!= metastable", "recovered", True),
        ("<= 40/s", 39.0, True),
        (True, True, True),
        (False, True, False),
        ("== true", True, True),
        ("<= 15s", None, False),
        ("!= metastable", None, True),
        ("<= 15s", "recovered", False),
        ("<= 1", True, False),
    ],
)
def test_a_condition_holds_or_not(text: object, found: object, holds: bool) -> None:
    assert read_condition(text).holds(found) is holds


@pytest.mark.parametrize("text", ["15s", "<= recovered", "better than", "", 16, None, "<= 15 seconds", "<= 15parsecs"])
def test_what_is_no_condition_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"is not a condition|orders a word|is not a duration"):
        read_condition(text)


def test_a_stop_condition_has_a_bound_and_a_time() -> None:
    stop = read_stop("> 95% for 10s")
    assert (stop.value, stop.for_s) == (0.95, 10.0)
    assert [stop.beyond(found) for found in (0.95, 0.951)] == [False, True]
    assert read_stop("> 5000 for 2s").value == 5000.0


@pytest.mark.parametrize("text", ["> 95%", "95% for 10s", "> much for 10s", "> true for 10s", "> 95% for 10", None])
def test_what_is_no_stop_condition_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"stop condition|not a number|not a duration"):
        read_stop(text)


@pytest.mark.parametrize(
    ("text", "at_s"),
    [
        ("outage.start", 10.0),
        ("outage.end", 22.0),
        ("baseline.start + 2s", 4.0),
        ("outage.end - 500ms", 21.5),
        ("baseline.start+2s", 4.0),
        ("12s", 12.0),
        (0, 0.0),
    ],
)
def test_a_moment_is_an_edge_with_an_offset_or_a_time_from_zero(text: object, at_s: float) -> None:
    assert read_moment(text).at_s(SPANS) == at_s


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("outrage.start", "did you mean 'outage'?"),
        ("outage.begin", "write outage.start or outage.end"),
        ("outage", "write a phase's edge"),
        (12, "write a phase's edge"),
        ("outage.start + 2", "not a duration"),
        (None, "write a phase's edge"),
    ],
)
def test_what_is_no_moment_is_refused(text: object, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("?", r"\?")):
        read_moment(text)
