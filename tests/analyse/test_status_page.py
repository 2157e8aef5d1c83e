"""How late the health page was, and how long it was wrong, to the second."""

from __future__ import annotations

import numpy as np
import pytest

from harness.analyse.moments import Moments, Phase
from harness.analyse.rolling import Rolling
from harness.analyse.status_page import measure
from harness.analyse.steady import Steady

WHY = {"t_fault_s": "no fault was injected"}


def moments(fault_s: float | None = 10.0) -> Moments:
    return Moments((), Phase("baseline", 2.0, 8.0), 40.0, 43.0, fault_s, fault_s, 20.0, None, None, WHY)


def steady(*broken: tuple[float, float]) -> Steady:
    """Lines that do not hold from each start to its end; windows of 0.25 s, the last whole one begins at 39 s."""
    starts = np.arange(157)
    holds = np.ones(starts.size, dtype=np.bool_)
    for start_s, end_s in broken:
        holds[(starts >= start_s * 4) & (starts < end_s * 4)] = False
    return Steady(Rolling(starts, starts + 4, 0.25, 160), (), holds, None, False, False, 0, "")


def post(t_s: float, state: str) -> dict:
    return {"t_s": t_s, "who": "status", "kind": "status_post", "state": state, "text": ""}


def test_green_over_a_broken_steady_state_counts_before_the_first_post_and_after_an_early_clear():
    page = measure([post(14.5, "red"), post(22.0, "green")], moments(), steady((9.5, 25.0)))
    assert page == (4.5, 4.5 + 3.0, {})


def test_a_page_that_never_spoke_has_no_lag_and_was_wrong_all_the_time():
    page = measure([], moments(), steady((10.0, 25.0)))
    assert (page.first_post_lag_s, page.false_clear_s) == (None, 15.0)
    assert page.why == {"first_post_lag_s": "the page never said that anything was wrong"}


def test_green_is_right_while_the_users_are_well():
    page = measure([post(12.0, "red"), post(30.0, "green")], moments(), steady((10.0, 20.0)))
    assert (page.first_post_lag_s, page.false_clear_s) == (2.0, 2.0)


def test_a_system_that_ends_broken_is_broken_to_the_end_of_the_load():
    page = measure([post(11.0, "red"), post(35.0, "green")], moments(), steady((10.0, 40.0)))
    assert page.false_clear_s == 1.0 + 5.0


def test_what_the_page_said_before_the_fault_is_another_matter():
    page = measure([post(3.0, "red"), post(5.0, "green"), post(13.0, "red")], moments(), steady((3.0, 12.0)))
    assert (page.first_post_lag_s, page.false_clear_s) == (3.0, 2.0)


@pytest.mark.parametrize("key", ["first_post_lag_s", "false_clear_s"])
def test_without_a_fault_both_are_undefined_and_say_why(key):
    page = measure([post(11.0, "red")], moments(None), steady())
    assert (getattr(page, key), page.why[key]) == (None, "no fault was injected")
